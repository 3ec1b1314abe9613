"""Makes the pictures of the dashboard in docs/images: `python -m tests.e2e.dashboard_pictures [MINUTES]`.

A facade with two workers gets traffic for some minutes, while one route is shifted in steps. Everything in the pictures
is from this run.
"""

import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium
from tests.support.dashboard_site import Site, site
from tests.support.facade_process import facade_process
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
_PATHS = ("/flights/1", "/flights/2", "/flights/3", "/hotels/9", "/profile/7", "/search?q=x")
_RARE = ("/flights/broken", "/profile/8")
"""A failure, and a profile of which the newcomer says something else."""
_STEPS = (
    ("flights", "newcomer=5", "first canary: no new errors in the shadow copies"),
    ("flights", "newcomer=20", "p99 is lower than the monolith's"),
)
_WAITS = len(_STEPS) + 2
_PAUSE_S = 0.05
_CLIENTS = 3


@contextmanager
def traffic(running: Site) -> Iterator[None]:
    """Requests to all routes, a few of which fail."""
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            running.facade.get(random.choice(_RARE if random.random() < 0.02 else _PATHS))
            stop.wait(_PAUSE_S * random.uniform(0.6, 1.4))

    threads = [threading.Thread(target=client) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def shift(running: Site, route: str, weight: str, reason: str) -> None:
    """Shift with the command line."""
    words = ["shift", route, weight, "--routes", str(running.routes), "--reason", reason]
    command = [sys.executable, "-m", "proxy", *words, "--who", "ada@example.com"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60, capture_output=True)


def begin_rollout(running: Site) -> None:
    """Take the first step of the rollout, up to its pause: exit status 5."""
    words = [
        "rollout",
        "run",
        "flights",
        "--routes",
        str(running.routes),
        "--who",
        "ada@example.com",
    ]
    command = [sys.executable, "-m", "proxy", *words]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode == 5


def picture(page: Page, name: str) -> None:
    page.screenshot(path=IMAGES / f"dashboard-{name}.png")


def pictures(browser: Browser, running: Site) -> None:
    """The whole page in both themes, and on a telephone, a change, and a broken edit."""
    for name, width, height in (("light", 1200, 1310), ("dark", 1200, 1310), ("390", 390, 1400)):
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if name in ("dark", "390") else "light",
        )
        page.goto(running.url)
        expect(page.get_by_text("flights: canary 20 % -> 40 %")).to_be_attached()
        picture(page, name)
        page.close()
    page = browser.new_page(viewport={"width": 760, "height": 300})
    page.goto(f"{running.url}/change?route=flights")
    form = page.get_by_role("form", name="Shift traffic")
    form.get_by_label("Per cent for newcomer").fill("100")
    form.get_by_label("Your name").fill("ada@example.com")
    form.get_by_label("Reason").fill("the newcomer takes everything")
    form.get_by_role("button", name="Show the change").click()
    expect(page.get_by_role("button", name="Make this change")).to_be_visible()
    picture(page, "change")
    page.set_viewport_size({"width": 1200, "height": 640})
    page.goto(running.url)
    running.replace("newcomer: 40", "newcomer: 60")
    expect(page.get_by_label("Errors of the table")).to_be_visible()
    page.screenshot(path=IMAGES / "dashboard-broken-edit.png")


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    IMAGES.mkdir(exist_ok=True)
    own, other = free_port(), free_port()
    replicas = ("--replicas", f"127.0.0.1:{own},127.0.0.1:{other}")
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as scratch,
        site(Path(folder), *replicas, "--admin", f"127.0.0.1:{own}") as running,
        # A second replica with the same file.
        facade_process(
            Path(scratch), "--admin", f"127.0.0.1:{other}", "--routes", str(running.routes)
        ),
    ):
        running.replace("monolith: 80, newcomer: 20", "monolith: 99, newcomer: 1")
        with traffic(running), chromium() as browser:
            for step in _STEPS:
                time.sleep(minutes * 60 / _WAITS)
                shift(running, *step)
            time.sleep(minutes * 60 / _WAITS)
            begin_rollout(running)
            time.sleep(minutes * 60 / _WAITS)
            pictures(browser, running)


if __name__ == "__main__":
    main()
