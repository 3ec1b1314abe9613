"""Flights and the history of their names, over HTTP on real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from flightspecial_service.app import build
from flightspecial_service.domain import Flight
from flightspecial_service.errors import BadFlightName
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql
from tests.service.service_runner import eventually_ready, serving
from tests.service.test_service_api import is_problem

FLIGHT = (
    "INSERT INTO travelbuddy.flight (profile_id, flight_name, pushing_status_code, poping_step,"
    " register_id, registration_date_time) VALUES ('p 1', 'first', 'NORMAL', 1, 'r', now())"
)
HISTORY = "/flightspecials/p 1/flights/1/history"


@pytest.fixture
def flights(client: httpx.Client, tables: DatabaseSettings) -> httpx.Client:
    """A client for a service whose database has one flight."""
    run_sql(tables, FLIGHT)
    return client


def rename(client: httpx.Client, body: Any, profile: str = "p 1", **headers: str) -> httpx.Response:
    return client.post(f"/flightspecials/{profile}/name", json=body, headers=headers)


def test_a_renamed_flight_remembers_its_names_from_1(flights: httpx.Client) -> None:
    assert flights.get(HISTORY).json() == {"flightNo": 1, "flightName": "first", "history": []}
    for name in ("second", "third"):
        response = rename(flights, {"flightNo": 1, "flightName": name, "more": 1})
        assert (response.status_code, response.text) == (
            200,
            '{"resultCode":"Y","data":"The flight name successfully updated"}',
        )
    assert flights.get(HISTORY).json() == {
        "flightNo": 1,
        "flightName": "third",
        "history": [{"number": 1, "flightName": "first"}, {"number": 2, "flightName": "second"}],
    }


@pytest.mark.parametrize(
    ("profile", "body", "status"),
    [
        pytest.param("p 2", {"flightNo": 1, "flightName": "x"}, 404, id="another profile's"),
        pytest.param("p 1", {"flightNo": 2, "flightName": "x"}, 404, id="no such flight"),
        pytest.param("p" * 256, {"flightNo": 1, "flightName": "x"}, 404, id="profile too long"),
        pytest.param("p%00", {"flightNo": 1, "flightName": "x"}, 404, id="profile with a NUL"),
        pytest.param("p 1", {"flightNo": 0, "flightName": "x"}, 422, id="number 0"),
        pytest.param("p 1", {"flightNo": 2**63, "flightName": "x"}, 422, id="number too large"),
        pytest.param("p 1", {"flightNo": 1, "flightName": ""}, 422, id="empty name"),
        pytest.param("p 1", {"flightNo": 1, "flightName": "x" * 31}, 422, id="name too long"),
        pytest.param("p 1", {"flightNo": 1, "flightName": "a\0"}, 422, id="name with a NUL"),
        pytest.param("p 1", {"flightName": "x"}, 422, id="no number"),
    ],
)
def test_a_bad_renaming_changes_nothing(
    flights: httpx.Client, profile: str, body: Any, status: int
) -> None:
    is_problem(rename(flights, body, profile), status)
    assert flights.get(HISTORY).json() == {"flightNo": 1, "flightName": "first", "history": []}


@pytest.mark.parametrize("path", ["p 2/flights/1", "p 1/flights/2", "p 1/flights/x"])
def test_an_unknown_flight_has_no_history(flights: httpx.Client, path: str) -> None:
    is_problem(flights.get(f"/flightspecials/{path}/history"), 404)


@pytest.mark.parametrize("profile", ["여행", "a\u3000b", "a\u200db", "a%b", "a?b", "x" * 255])
def test_any_text_may_be_a_profile(
    flights: httpx.Client, tables: DatabaseSettings, profile: str
) -> None:
    run_sql(tables, f"UPDATE travelbuddy.flight SET profile_id = '{profile}'")
    path = f"/flightspecials/{quote(profile)}"
    renamed = flights.post(f"{path}/name", json={"flightNo": 1, "flightName": "second"})
    assert renamed.status_code == 200
    rename(flights, {"flightNo": 1, "flightName": "third"}, quote(profile))
    first = flights.get(f"{path}/flights/1/history?limit=1")
    rest = flights.get(first.links["next"]["url"])
    assert [each["flightName"] for each in first.json()["history"]] == ["first"]
    assert [each["flightName"] for each in rest.json()["history"]] == ["second"]


def test_columns_that_no_request_names_are_not_judged(
    flights: httpx.Client, tables: DatabaseSettings
) -> None:
    run_sql(tables, "UPDATE travelbuddy.flight SET poping_step = 0, pushing_status_code = '?'")
    assert flights.get(HISTORY).status_code == 200
    assert rename(flights, {"flightNo": 1, "flightName": "second"}).status_code == 200


def test_the_history_is_read_in_pages(flights: httpx.Client, tables: DatabaseSettings) -> None:
    run_sql(
        tables,
        "INSERT INTO travelbuddy.flight_name_history (flight_no, flight_name)"
        " SELECT 1, 'name ' || n FROM generate_series(1, 1003) n ORDER BY n",
    )
    address, pages = f"{HISTORY}?limit=500", []
    while address:
        response = flights.get(address)
        pages.append(response.json()["history"])
        address = response.links["next"]["url"] if response.links else ""
    assert [len(page) for page in pages] == [500, 500, 3]
    assert [each for page in pages for each in page] == [
        {"number": number, "flightName": f"name {number}"} for number in range(1, 1004)
    ]
    whole = flights.get(HISTORY)
    assert len(whole.json()["history"]) == 1000
    assert whole.links["next"]["url"].endswith("?limit=1000&after=1000")
    assert flights.get(f"{HISTORY}?after=1003").json()["history"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "after=-1", "after=x", "after=1&after=2", "after=" + "9" * 19],
)
def test_a_bad_page_of_the_history_is_refused(flights: httpx.Client, query: str) -> None:
    is_problem(flights.get(f"{HISTORY}?{query}"), 422)


def test_a_rename_reads_no_past_name(
    database: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """A history has no limit, and the row of the flight is locked meanwhile."""
    run_sql(database, FLIGHT)
    with serving(build(Settings(database=database, slow_query_s=0.0), lambda: None)) as client:
        eventually_ready(client)
        caplog.clear()
        assert rename(client, {"flightNo": 1, "flightName": "second"}).status_code == 200
    queries = [vars(each)["query"] for each in caplog.records if each.message == "a slow query"]
    assert [query.split()[0] for query in queries if "flight_name_history" in query] == ["INSERT"]


def test_name_and_history_are_one_transaction(
    own_client: httpx.Client, database: DatabaseSettings
) -> None:
    run_sql(database, FLIGHT, "ALTER TABLE travelbuddy.flight ADD CHECK (flight_name <> 'refused')")
    is_problem(rename(own_client, {"flightNo": 1, "flightName": "refused"}), 422)
    assert own_client.get(HISTORY).json()["history"] == []


def test_many_renamings_at_once_lose_no_name(flights: httpx.Client) -> None:
    names = [f"name {number}" for number in range(20)]
    with ThreadPoolExecutor(8) as threads:
        bodies = [{"flightNo": 1, "flightName": name} for name in names]
        done = list(threads.map(lambda body: rename(flights, body).status_code, bodies))
    flight = flights.get(HISTORY).json()
    history = [each["flightName"] for each in flight["history"]]
    assert done == [200] * 20
    assert [each["number"] for each in flight["history"]] == list(range(1, 21))
    assert sorted([*history, flight["flightName"]]) == sorted(["first", *names])


def test_a_repeated_renaming_is_remembered_once(flights: httpx.Client) -> None:
    body = {"flightNo": 1, "flightName": "second"}
    first, again = (rename(flights, body, **{"idempotency-key": "k"}) for _ in "ab")
    assert (again.status_code, again.text) == (first.status_code, first.text)
    assert len(flights.get(HISTORY).json()["history"]) == 1


def test_the_rules_of_a_flight_name() -> None:
    flight = Flight(1, "p", "a").renamed("b")
    assert flight == Flight(1, "p", "b")
    for name in ("", "x" * 31, "\0", "\ud800"):
        with pytest.raises(BadFlightName):
            flight.renamed(name)
    assert flight.renamed("가" * 30).name == "가" * 30
