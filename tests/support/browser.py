"""Chromium for the tests that need a browser."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

WAIT_MS = 30_000
"""How long a test waits for an expected state: long enough for a busy machine."""

_CHROMIUM = "/usr/bin/chromium"
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=_CHROMIUM, args=_QUIET)
        try:
            yield launched
        finally:
            launched.close()


def complaints_of(page: Page) -> list[str]:
    """Errors and warnings of the console, uncaught errors and failed requests, appended as they occur."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    return complaints
