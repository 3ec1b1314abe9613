"""The front end on an origin of its own: each weight, each database away, through both listeners."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, Page, Response

from deploy.local import postgres
from tests.deploy.local import standin
from tests.deploy.local.standin import StandIn
from tests.e2e.conftest import ROOT
from tests.service.conftest import settings_for
from tests.service.service_runner import eventually_ready, process, variables
from tests.support.browser import WAIT_MS, complaints_of
from tests.support.facade_process import FacadeProcess, facade_process
from tests.support.waiting import until

FLIGHTS = "/travelbuddy/flightspecials"
HOTELS = "/travelbuddy/hotelspecials"
MONOLITH, SERVICE = "legacy", "flightspecials"
"""The backends of routes.yaml."""
SENT_BY = {MONOLITH: "from the TravelBuddy monolith", SERVICE: "from the FlightSpecials service"}
STAGES = {0: "legacy", 20: "canary", 100: "live"}
"""By the share of the service."""
SENDERS = {0: {MONOLITH}, 20: {MONOLITH, SERVICE}, 100: {SERVICE}}
SORRY = ["Sorry. Something went wrong."]
UNAVAILABLE = "Failed to load resource: the server responded with a status of 503"
MOST_LOADS = 200
"""At 20 per cent, one in 10^19 runs has this many loads from one backend only."""

# The original loads its lists once. In the stand-in's front end, timers do nothing else than load them again.
LOAD_ONCE = "window.setTimeout = () => 0"
LOADED_OR_WHITE = """() => {
    const root = document.getElementById("root");
    return root !== null && (root.childElementCount === 0 || !root.textContent.includes("Loading"));
}"""


class Database:
    """The service's PostgreSQL, which can stop and start on the same data and port."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._port = postgres.free_port()
        self._running = ExitStack()

    def start(self) -> postgres.Endpoint:
        return self._running.enter_context(
            postgres.running(self._data, port=self._port, settings={"fsync": "off"})
        )

    def stop(self) -> None:
        self._running.close()


@dataclass(frozen=True)
class Site:
    """All parts, each on an origin of its own. The page comes from the stand-in's."""

    stand_in: StandIn
    database: Database
    service: httpx.Client
    facade: FacadeProcess
    routes: Path

    @property
    def facade_url(self) -> str:
        return f"http://127.0.0.1:{self.facade.port}"

    @property
    def service_url(self) -> str:
        return str(self.service.base_url).rstrip("/")

    def weigh(self, percent: int) -> None:
        """The service gets this share of the flights, from the next request on."""
        text = (ROOT / "routes.yaml").read_text()
        for old, new in (
            ("    stage: live #", f"    stage: {STAGES[percent]} #"),
            (
                "backend_refs: [legacy, flightspecials]",
                f"backend_refs: {{legacy: {100 - percent}, flightspecials: {percent}}}",
            ),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        if text == self.routes.read_text():
            return
        before = self._table_version()
        self.routes.write_text(text)
        until(lambda: self._table_version() != before)

    def _table_version(self) -> str:
        return str(self.facade.admin_json("/readyz")["table_version"])


@dataclass(frozen=True)
class Load:
    """One load of the front end, as a person and the console see it."""

    flights: list[str]
    """The text of the panel; empty on a white page."""
    hotels: list[str]
    responses: dict[str, Response]
    preflights: dict[str, str | None]
    """The backend that `backend_of` gives for the preflight of each list."""
    complaints: list[str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    database = Database(folder / "data")
    with ExitStack() as parts:
        parts.callback(database.stop)
        env = variables(settings_for(database.start(), "postgres"))
        _, service = parts.enter_context(process(env))
        eventually_ready(service)
        stand_in = parts.enter_context(standin.running(environ={"TRAVELBUDDY_DATABASE": ""}))
        backends = (f"{MONOLITH}={stand_in.url}", f"{SERVICE}={service.base_url}")
        options = [word for backend in backends for word in ("--backend", backend)]
        table = (ROOT / "routes.yaml").read_text()
        facade = parts.enter_context(facade_process(folder, *options, table=table))
        yield Site(stand_in, database, service, facade, folder / "routes.yaml")


@pytest.fixture(
    scope="module",
    params=[(), (MONOLITH,), (SERVICE,), (MONOLITH, SERVICE)],
    ids=["none away", "the monolith's away", "the service's away", "both away"],
)
def away(site: Site, request: pytest.FixtureRequest) -> Iterator[frozenset[str]]:
    """The backends whose database is away."""
    backends = frozenset[str](request.param)
    with ExitStack() as given_back:
        if MONOLITH in backends:
            given_back.callback(site.stand_in.control, "PUT", "up")
            assert site.stand_in.control("PUT", "away").status == 200
        if SERVICE in backends:
            given_back.callback(eventually_ready, site.service)
            given_back.callback(site.database.start)
            site.database.stop()
        yield backends


@pytest.mark.parametrize("percent", STAGES)
def test_through_the_facade_each_panel_has_its_list_or_the_sentence(
    site: Site, browser: Browser, away: frozenset[str], percent: int
) -> None:
    flights, hotels = site.facade_url + FLIGHTS, site.facade_url + HOTELS
    site.weigh(percent)
    senders: set[str] = set()
    for _ in range(MOST_LOADS):
        load = loaded(site, browser, flights, hotels)
        assert flights in load.responses, load.complaints
        sender = backend_of(load.responses[flights].headers)
        assert sender is not None
        check(load, sender, away)
        assert load.preflights.keys() == {flights, hotels}
        assert load.preflights[flights] in SENDERS[percent]
        senders.add(sender)
        if senders == SENDERS[percent]:
            break
    assert senders == SENDERS[percent]


def test_from_the_services_own_listener_the_flights_have_their_list_or_the_sentence(
    site: Site, browser: Browser, away: frozenset[str]
) -> None:
    flights, hotels = site.service_url + FLIGHTS, site.facade_url + HOTELS
    load = loaded(site, browser, flights, hotels)
    check(load, SERVICE, away)
    assert load.preflights == {flights: None, hotels: MONOLITH}


def test_a_json_object_in_place_of_a_list_is_a_white_page(site: Site, browser: Browser) -> None:
    """What the other tests would see if an error of a list were a JSON object."""
    missing = f"{site.facade_url}/flightspecials/999999"
    with front_end(browser) as page:
        page.goto(f"{site.facade_url}/travelbuddy/app/?{urlencode({'flights': missing})}")
        page.wait_for_function(LOADED_OR_WHITE, timeout=WAIT_MS)
        assert page.locator("#root").inner_text() == ""


def check(load: Load, sender: str, away: frozenset[str]) -> None:
    """The panels have the lists of the databases that are there, and the sentence for the others."""
    if sender in away:
        assert load.flights == SORRY
    else:
        [flights] = load.flights
        assert SENT_BY[sender] in flights
        assert "London to Prague" in flights
    if MONOLITH in away:
        assert load.hotels == SORRY
    else:
        [hotels] = load.hotels
        assert "Sommerset Hotel" in hotels
    # The monolith's error is an empty 200, which the console does not report.
    if sender == SERVICE and SERVICE in away:
        [complaint] = load.complaints
        assert complaint.startswith(UNAVAILABLE)
    else:
        assert load.complaints == []


def backend_of(fields: Mapping[str, str]) -> str | None:
    """The backend that the facade's decision header names; None for a response that no facade has forwarded."""
    decision = dict(word.split("=") for word in fields.get("x-facade-decision", "").split())
    return decision.get("backend")


def loaded(site: Site, browser: Browser, flights: str, hotels: str) -> Load:
    """Load the front end from the stand-in, with the lists of these URLs."""
    with front_end(browser) as page:
        complaints = complaints_of(page)
        responses: dict[str, Response] = {}
        preflights: dict[str, str | None] = {}

        def note(event: dict[str, Any]) -> None:
            if event["type"] == "Preflight":
                fields = {name.lower(): text for name, text in event["response"]["headers"].items()}
                preflights[event["response"]["url"]] = backend_of(fields)

        page.on("response", lambda response: responses.update({response.url: response}))
        session = page.context.new_cdp_session(page)
        session.on("Network.responseReceived", note)
        session.send("Network.enable")
        lists = urlencode({"flights": flights, "hotels": hotels})
        page.goto(f"{site.stand_in.url}/travelbuddy/app/?{lists}")
        page.wait_for_function(LOADED_OR_WHITE, timeout=WAIT_MS)
        return Load(
            page.locator("#flights").all_inner_texts(),
            page.locator("#hotels").all_inner_texts(),
            responses,
            preflights,
            complaints,
        )


@contextmanager
def front_end(browser: Browser) -> Iterator[Page]:
    """A page that loads its lists once. Its context is new, so that no preflight is in a cache."""
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script(LOAD_ONCE)
        yield page
