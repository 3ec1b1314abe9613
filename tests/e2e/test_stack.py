"""The main job, as its users see it: a browser on the facade, an operator at routes.yaml."""

import http.client
import json
import re
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import ROOT, Stack
from tests.e2e.ledger_of_stack import ENDPOINTS, get, ledger, rows, use
from tests.support.browser import complaints_of
from tests.support.waiting import until

PAGE = "/travelbuddy/"
FRONT_END = "/travelbuddy/app/"
LIST = "/travelbuddy/flightspecials"


class Clients:
    """Keep-alive clients that ask for the list without pause, and note every response."""

    def __init__(self, url: str, count: int) -> None:
        self._netloc = urlsplit(url).netloc
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]
        self.failures: list[str] = []
        self.responses = 0

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._netloc, timeout=10)
        while not self._stop.is_set():
            try:
                connection.request("GET", LIST)
                response = connection.getresponse()
                rows = json.loads(response.read())
                if response.status != 200 or len(rows) < 5:
                    self.failures.append(f"{response.status} with {len(rows)} rows")
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(repr(error))
                return
            self.responses += 1
            self._stop.wait(0.01)
        connection.close()


def shift(stack: Stack, stage: str) -> None:
    """As an operator does it: change one word, and save."""
    text = stack.routes.read_text()
    text = re.sub(r"stage: (live|legacy) ", f"stage: {stage} ", text, count=1)
    stack.routes.write_text(text)


def decision(stack: Stack) -> str:
    with urllib.request.urlopen(stack.facade + LIST, timeout=5) as response:
        return str(response.headers["x-facade-decision"])


def test_the_front_end_follows_the_flight_specials_to_the_monolith_and_back(
    stack: Stack, browser: Browser, tmp_path: Path
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    complaints = complaints_of(page)
    with Clients(stack.facade, 4) as clients:
        page.goto(stack.facade + FRONT_END)
        both_panels_show(page)
        expect(source(page)).to_contain_text("FlightSpecials service")
        page.screenshot(path=tmp_path / "service.png", full_page=True)
        shift(stack, "legacy")
        expect(source(page)).to_contain_text("monolith")
        assert decision(stack) == "route=flightspecials backend=legacy reason=stage"
        both_panels_show(page)
        page.screenshot(path=tmp_path / "monolith.png", full_page=True)
        shift(stack, "live")
        expect(source(page)).to_contain_text("FlightSpecials service")
        assert decision(stack) == "route=flightspecials backend=flightspecials reason=stage"
    assert complaints == []
    assert clients.failures == []
    assert clients.responses > 100
    page.close()


def source(page: Page) -> Locator:
    """Names the system that sent the flight list."""
    return page.locator("#flights .source")


def test_no_shift_moves_the_page_that_the_monolith_renders(stack: Stack, browser: Browser) -> None:
    page = browser.new_page()
    complaints = complaints_of(page)
    paths: list[str] = []
    page.on("request", lambda request: paths.append(urlsplit(request.url).path))
    try:
        for stage, backend in (("live", "flightspecials"), ("legacy", "legacy")):
            shift(stack, stage)
            wait_for_decision(stack, f"route=flightspecials backend={backend} reason=stage")
            page.goto(stack.facade + PAGE)
            expect(page).to_have_title("TravelBuddy - get traveling!")
            both_panels_show(page)
            expect(page.locator("#flights .special-body").first).to_contain_text("(monolith)")
            expect(page.locator("#flights .flighttime").first).to_have_text(re.compile("to go$"))
            page.wait_for_load_state("networkidle")  # a second visit would cut off the icon
    finally:
        shift(stack, "live")
    assert complaints == []
    assert LIST not in paths
    page.close()


def both_panels_show(page: Page) -> None:
    expect(page.get_by_role("heading", name="Today's flight specials")).to_be_visible()
    expect(page.get_by_role("heading", name="Today's hotel specials")).to_be_visible()
    expect(page.get_by_text("London to Prague")).to_be_visible()
    expect(page.get_by_text("Sommerset Hotel")).to_be_visible()


def wait_for_decision(stack: Stack, wanted: str) -> None:
    until = time.monotonic() + 15
    while decision(stack) != wanted:
        assert time.monotonic() < until, decision(stack)
        time.sleep(0.05)


def test_the_monoliths_database_is_taken_away_as_the_stack_tells(
    stack: Stack, browser: Browser
) -> None:
    [control] = re.findall(r"curl -X PUT -d away (http://\S+)", stack.output.read_text())
    page = browser.new_page()
    page.goto(stack.facade + FRONT_END)
    hotels = page.locator("#hotels")
    expect(hotels).to_contain_text("Sommerset Hotel")
    try:
        put(control, b"away")
        expect(hotels).to_have_text("Sorry. Something went wrong.")
        expect(source(page)).to_contain_text("FlightSpecials service")
    finally:
        put(control, b"up")
    expect(hotels).to_contain_text("Sommerset Hotel")
    page.close()


def test_the_front_end_of_another_origin_loads_both_lists_through_the_facade(
    stack: Stack, browser: Browser
) -> None:
    monolith = re.search(r"the monolith itself +(http://\S+)", stack.output.read_text())
    assert monolith is not None
    page = browser.new_page()
    complaints = complaints_of(page)
    lists = f"flights={stack.facade}{LIST}&hotels={stack.facade}/travelbuddy/hotelspecials"
    page.goto(f"{monolith[1]}app/?{lists}")
    both_panels_show(page)
    expect(source(page)).to_contain_text("FlightSpecials service")
    assert complaints == []
    page.close()


def put(url: str, body: bytes) -> None:
    urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"), timeout=5).close()


def test_a_broken_table_is_told_and_the_last_good_one_serves(stack: Stack) -> None:
    good = stack.routes.read_text()
    stack.routes.write_text(good.replace("backend_refs: legacy", "backend_refs: legcay"))
    try:
        ready = wait_for_reload(stack, ok=False)
        assert re.search(r"routes\.yaml:\d+:\d+: .*legcay", ready["last_error"])
        assert decision(stack).startswith("route=flightspecials")
    finally:
        stack.routes.write_text(good)
    assert wait_for_reload(stack, ok=True)["last_error"] is None


def wait_for_reload(stack: Stack, *, ok: bool) -> dict[str, str]:
    deadline = time.monotonic() + 5
    while True:
        with urllib.request.urlopen(f"{stack.admin}/readyz", timeout=5) as response:
            told: dict[str, str] = json.loads(response.read())
        if bool(told["last_reload_ok"]) == ok:
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def test_the_service_serves_its_own_callers_through_the_facade(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.facade}/flightspecials/", timeout=5) as response:
        through = json.loads(response.read())
    with urllib.request.urlopen(f"{stack.service}/flightspecials", timeout=5) as response:
        direct = json.loads(response.read())
    assert through == direct
    assert len(through) == 11
    change = {"id": through[0]["id"], "flightSpecialHeader": through[0]["header"]}
    request = urllib.request.Request(
        f"{stack.facade}/flightspecials/{change['id']}/header",
        json.dumps(change).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        assert json.loads(response.read())["resultCode"] == "Y"


def test_what_the_stack_prints_makes_sense_to_a_newcomer(stack: Stack) -> None:
    printed = stack.output.read_text()
    assert f"{stack.facade}{PAGE}\n" in printed
    assert f"{stack.facade}{FRONT_END}\n" in printed
    for part in ("PostgreSQL", "service", "legacy", "facade"):
        assert part in printed
    assert "\x1b[" not in printed, "colour is for terminals"


def test_the_ledger_of_the_stack_is_that_of_the_page(stack: Stack, browser: Browser) -> None:
    """docs/strangler-fig.md has the output of a run; its counts and times differ from run to run."""
    shift(stack, "legacy")
    until(lambda: get(stack, LIST) == "legacy")
    shift(stack, "live")
    until(lambda: get(stack, LIST) == "flightspecials")
    use(stack, browser)
    printed = ledger(stack)
    print(printed)
    page = (ROOT / "docs" / "strangler-fig.md").read_text()
    shown = rows(page.partition(f"--endpoints {ENDPOINTS}\n")[2].partition("```")[0])
    assert len(shown) > 15
    assert shown <= rows(printed)
    assert rows(printed.partition("never asked for:")[2]) == {
        ("GET /travelbuddy/qrcode/{size}/{text}",)
    }
