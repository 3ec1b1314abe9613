"""Flights and the history of their names, over HTTP on real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jsonschema
import pytest

from flightspecial_service.domain import Flight
from flightspecial_service.errors import BadFlight, BadFlightName
from flightspecial_service.settings import DatabaseSettings
from tests.service.conftest import run_sql
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


@pytest.mark.parametrize(
    "profile", ["한국", "a\u3000b", "\U0001f469\u200d\u2708", "p" * 255, "a.b~c%25"]
)
def test_a_profile_is_any_text_without_slashes_and_control_characters(
    client: httpx.Client, tables: DatabaseSettings, profile: str
) -> None:
    stored = profile.replace("%25", "%")
    run_sql(tables, FLIGHT.replace("'p 1'", f"'{stored}'"))
    assert client.get(f"/flightspecials/{profile}/flights/1/history").status_code == 200
    document = client.get("/openapi.json").json()
    [described] = [
        each["schema"]
        for each in document["paths"]["/flightspecials/{profile_id}/name"]["post"]["parameters"]
        if each["name"] == "profile_id"
    ]
    jsonschema.validate(stored, described)


@pytest.mark.parametrize("profile", ["a%2Fb", "a%0Ab", "a%7F", "a%C2%85", "p" * 256])
def test_a_profile_with_other_characters_does_not_exist(client: httpx.Client, profile: str) -> None:
    is_problem(client.get(f"/flightspecials/{profile}/flights/1/history"), 404)


def test_name_and_history_are_one_transaction(
    own_client: httpx.Client, database: DatabaseSettings
) -> None:
    run_sql(database, FLIGHT, "ALTER TABLE travelbuddy.flight ADD CHECK (flight_name <> 'refused')")
    is_problem(rename(own_client, {"flightNo": 1, "flightName": "refused"}), 500)
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


def test_the_rules_of_a_flight() -> None:
    flight = Flight(1, "p", "a").renamed("b").renamed("c")
    assert (flight.name, flight.past_names) == ("c", ("a", "b"))
    for name in ("", "x" * 31, "\0", "\ud800"):
        with pytest.raises(BadFlightName):
            flight.renamed(name)
    assert flight.renamed("가" * 30).name == "가" * 30
    for number, step in ((0, 1), (1, 0), (1, 6)):
        with pytest.raises(BadFlight):
            Flight(number, "p", "a", popping_step=step)
    assert Flight(1, "p", "a", popping_step=5).pushing_status.value == 30
