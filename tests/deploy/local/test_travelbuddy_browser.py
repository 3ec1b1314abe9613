"""The page and the front end in a browser."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.deploy.local.standin import StandIn, running
from tests.support.browser import WAIT_MS, chromium, complaints_of

SORRY = "Sorry. Something went wrong."
LISTS = ["/travelbuddy/flightspecials", "/travelbuddy/hotelspecials"]
ROW = (
    '{"id":1,"header":"<b>Here</b> to there","body":null,"cost":7,"expiryDate":1800000000000,'
    '"origin":null,"originCode":null,"destination":null,"destinationCode":null}'
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(timezone_id="Asia/Seoul")
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    yield opened
    context.close()


@pytest.fixture
def own() -> Iterator[StandIn]:
    """One whose database the test takes away."""
    with running() as started:
        yield started


class PageHandler(BaseHTTPRequestHandler):
    """Another origin, which sends the status and the body of its server for any list."""

    def do_OPTIONS(self) -> None:
        self.send_response(200)
        self.send_header("Access-Control-Allow-Headers", "content-type")
        self._end(b"")

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, ListServer)
        self.send_response(server.status)
        self._end(server.body.encode())

    def _end(self, body: bytes) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class ListServer(ThreadingHTTPServer):
    """Sends one status and one body, which a test may change."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(("127.0.0.1", 0), PageHandler)
        self.status, self.body = status, body

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


@contextmanager
def list_server(status: int, body: str) -> Iterator[ListServer]:
    with ListServer(status, body) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(30)


def test_the_page_counts_the_time_down_and_fetches_no_list(standin: StandIn, page: Page) -> None:
    complaints = complaints_of(page)
    paths: list[str] = []
    page.on("request", lambda request: paths.append(urlsplit(request.url).path))
    page.clock.install()
    page.goto(f"{standin.url}/travelbuddy/")
    expect(page.locator(".flighttime")).to_have_text([re.compile("to go$")] * 22)
    page.clock.fast_forward("06:00:00")
    expect(page.locator(".flighttime")).to_have_text(["deal over"] * 22)
    assert complaints == []
    assert not {path for path in paths if path.rstrip("/") in LISTS}


def test_the_page_loads_whole_with_the_session_in_its_urls(standin: StandIn, page: Page) -> None:
    complaints = complaints_of(page)
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"{standin.url}/travelbuddy/")
    page.wait_for_load_state("networkidle")  # a reload would cut off the icon
    assert sum(";jsessionid=" in url for url in urls) == 4
    urls.clear()
    page.reload()
    assert urls
    assert not any(";jsessionid=" in url for url in urls)
    assert complaints == []


@pytest.mark.parametrize("path", ["app", "app/"])
def test_the_front_end_shows_both_lists(standin: StandIn, page: Page, path: str) -> None:
    complaints = complaints_of(page)
    lists: list[Request] = []
    page.on("request", lambda request: lists.append(request) if "specials" in request.url else None)
    page.goto(f"{standin.url}/travelbuddy/{path}")
    flight = page.locator("#flights .special", has_text="London to Prague")
    expect(flight.locator(".special-body")).to_have_text("Jewel of the East (monolith)")
    expect(flight.locator(".special-cost")).to_have_text(re.compile(r"^\$\d+$"))
    expect(flight.locator(".special-expiry")).to_have_text(
        re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
    )
    expect(page.locator("#hotels .special")).to_have_count(11)
    expect(page.locator("#flights .source")).to_have_text("from the TravelBuddy monolith")
    types = {
        request.headers["content-type"] for request in lists if request.url.endswith("specials")
    }
    assert types == {"application/json"}
    assert complaints == []


def test_the_front_end_loads_again_every_two_seconds(standin: StandIn, page: Page) -> None:
    page.clock.install()
    lists: list[str] = []
    page.on("response", lambda got: lists.append(got.url) if got.url.endswith("specials") else None)
    page.goto(f"{standin.url}/travelbuddy/app/")
    expect(page.locator("#hotels .special")).to_have_count(11)
    lists.clear()
    for path in LISTS:
        with page.expect_response(lambda got, path=path: urlsplit(got.url).path == path):  # type: ignore[misc]
            page.clock.run_for(2000)


def test_the_front_end_of_another_origin_begins_with_a_preflight(
    standin: StandIn, page: Page
) -> None:
    complaints = complaints_of(page)
    flights, hotels = (standin.url + path for path in LISTS)
    other = f"http://localhost:{standin.port}/travelbuddy/app/"
    page.goto(f"{other}?flights={flights}&hotels={hotels}")
    expect(page.locator("#flights .special")).to_have_count(11)
    expect(page.locator("#hotels .special")).to_have_count(11)
    assert complaints == []


def test_the_service_is_named_and_a_status_ignored(standin: StandIn, page: Page) -> None:
    with list_server(503, f"[{ROW}]") as server:
        page.goto(f"{standin.url}/travelbuddy/app/?flights={server.url}")
        expect(page.locator("#flights .source")).to_have_text("from the FlightSpecials service")
        row = page.locator("#flights .special")
        expect(row.locator(".special-name")).to_have_text("<b>Here</b> to there")
        expect(row.locator(".special-body")).to_have_text("")
        expect(row.locator(".special-cost")).to_have_text("$7")
        expect(row.locator(".special-expiry")).to_have_text("2027-01-15 17:00:00")


@pytest.mark.parametrize("body", ["", "<html></html>", "[1"])
def test_a_body_that_is_no_json_is_a_sentence_in_the_place_of_its_panel(
    standin: StandIn, page: Page, body: str
) -> None:
    with list_server(200, body) as server:
        page.goto(f"{standin.url}/travelbuddy/app/?flights={server.url}")
        expect(page.locator("#flights")).to_have_text(SORRY)
        expect(page.locator("#hotels .special")).to_have_count(11)


@pytest.mark.parametrize(
    "body", ['{"type":"about:blank","status":503}', '"text"', "null", "[null]"]
)
def test_json_that_is_no_list_of_objects_is_a_white_page_until_a_list_comes(
    standin: StandIn, page: Page, body: str
) -> None:
    with list_server(503, body) as server:
        with page.expect_event("pageerror") as caught:
            page.goto(f"{standin.url}/travelbuddy/app/?flights={server.url}")
        assert caught.value.name == "TypeError"
        expect(page.locator("body *:visible")).to_have_count(0)
        server.body = f"[{ROW}]"
        expect(page.locator("#flights .special")).to_have_count(1)
        expect(page.locator("#hotels .special")).to_have_count(11)


def test_no_row_at_all_is_told(standin: StandIn, page: Page) -> None:
    with list_server(200, "[]") as server:
        page.goto(f"{standin.url}/travelbuddy/app/?flights={server.url}")
        expect(page.locator("#flights .source")).to_have_text("no specials now")


def test_the_database_away_is_seen_on_the_page_and_in_the_front_end(
    own: StandIn, page: Page
) -> None:
    page.goto(f"{own.url}/travelbuddy/app/")
    expect(page.locator("#flights .special")).to_have_count(11)
    own.control("PUT", "away")
    expect(page.locator("#flights")).to_have_text(SORRY)
    expect(page.locator("#hotels")).to_have_text(SORRY)
    own.control("PUT", "up")
    expect(page.locator("#flights .special")).to_have_count(11)
    own.control("PUT", "away")
    page.goto(f"{own.url}/travelbuddy/")
    expect(page).to_have_title("HTTP Status 500 – Internal Server Error")
    expect(page.locator("pre").first).to_contain_text("FrameworkServlet.doGet")
