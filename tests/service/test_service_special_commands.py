"""Creating, changing and retiring specials, and their conditions, over HTTP on real PostgreSQL."""

from typing import Any

import httpx
import pytest

from flightspecial_service.app import build
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql
from tests.service.service_runner import OPEN, eventually_ready, serving
from tests.service.test_service_api import change, headers_of, is_problem

PATCH = {"content-type": "application/merge-patch+json"}
WHOLE = {
    "header": "Seoul to Busan",
    "body": "By train",
    "origin": "Seoul",
    "originCode": "SEL",
    "destination": "Busan",
    "destinationCode": "PUS",
    "cost": 49,
    "expiryDate": "2031-02-03T04:05:06.789012Z",
}


def patch(client: httpx.Client, body: object, **headers: str) -> httpx.Response:
    return client.patch("/flightspecials/1", json=body, headers=headers)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(WHOLE, WHOLE, id="all fields"),
        pytest.param(
            WHOLE | {"expiryDate": "2031-02-03T13:05:06.789012+09:00"}, WHOLE, id="another zone"
        ),
        pytest.param({"header": "x"}, dict.fromkeys(WHOLE) | {"header": "x"}, id="the least"),
    ],
)
@pytest.mark.parametrize("path", ["/flightspecials", "/flightspecials/"])
def test_a_special_is_created_at_its_location(
    client: httpx.Client, path: str, sent: dict[str, Any], kept: dict[str, Any]
) -> None:
    response = client.post(path, json=sent)
    assert (response.status_code, response.headers["location"]) == (201, "/flightspecials/12")
    created = client.get(response.headers["location"])
    assert created.json() == response.json() == kept | {"id": 12}
    assert created.headers["etag"] == response.headers["etag"]
    assert 12 in headers_of(client)


@pytest.mark.parametrize(
    "wrong",
    [
        {"header": ""},
        {"header": None},
        {"header": "x" * 256},
        {"body": ""},
        {"body": "a\0b"},
        {"body": "x" * 256},
        {"originCode": "SEVENCC"},
        {"cost": -1},
        {"cost": 2**31},
        {"cost": 1.5},
        {"expiryDate": "2031-02-03T04:05:06"},
        {"expiryDate": "1969-12-31T23:59:59Z"},
        {"expiryDate": "9999-12-31T23:59:59-14:00"},
        {"expiryDate": "tomorrow"},
        {"id": 5},
        {"colour": "red"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_breaks_a_rule_is_not_kept(
    client: httpx.Client, method: str, wrong: dict[str, Any]
) -> None:
    before = client.get("/flightspecials").json()
    path, body = (
        ("/flightspecials", WHOLE | wrong) if method == "POST" else ("/flightspecials/1", wrong)
    )
    response = client.request(method, path, json=body)
    is_problem(response, 422)
    assert [each["pointer"] for each in response.json()["errors"]] == [
        f"#/{name}" for name in wrong
    ]
    assert client.get("/flightspecials").json() == before


def test_a_patch_changes_what_it_names_and_null_removes(client: httpx.Client) -> None:
    before = client.get("/flightspecials/1").json()
    changes = {
        "header": "한국",
        "cost": 7,
        "originCode": None,
        "expiryDate": "2031-01-01T00:00:00Z",
    }
    response = client.patch("/flightspecials/1", json=changes, headers=PATCH)
    assert (response.status_code, response.json()) == (200, before | changes)
    again = client.get("/flightspecials/1")
    assert (again.json(), again.headers["etag"]) == (before | changes, response.headers["etag"])


def test_only_what_a_patch_names_is_checked(client: httpx.Client, tables: DatabaseSettings) -> None:
    """Rows may be older than the rules."""
    table = "travelbuddy.flightspecial"
    run_sql(tables, f"UPDATE {table} SET body = '', origin = '', cost = -1 WHERE id = 1")
    response = patch(client, {"cost": 7, "origin": "Seoul"})
    assert response.status_code == 200
    assert (response.json()["cost"], response.json()["body"]) == (7, "")
    is_problem(patch(client, {"body": ""}), 422)
    is_problem(patch(client, {"cost": -1}), 422)


def test_a_patch_that_changes_nothing_is_no_new_state(client: httpx.Client) -> None:
    tag = client.get("/flightspecials/1").headers["etag"]
    assert patch(client, {}).headers["etag"] == tag
    assert patch(client, {"header": "London to Prague"}).headers["etag"] == tag
    assert patch(client, {"header": "x"}).headers["etag"] != tag


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"content-type": "text/plain"}, 415), ({"content-type": "application/json-patch+json"}, 415)],
)
def test_another_kind_of_patch_is_refused(
    client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    response = client.patch("/flightspecials/1", content=b"{}", headers=headers)
    is_problem(response, status)
    # RFC 5789 2.2
    assert response.headers["accept-patch"] == "application/merge-patch+json, application/json"


def test_a_body_of_another_type_is_refused_with_the_accepted_ones(client: httpx.Client) -> None:
    headers = {"content-type": "application/xml"}
    response = client.post("/flightspecials", content=b"<x/>", headers=headers)
    is_problem(response, 415)
    assert response.headers["accept"] == "application/json"
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    response = client.post("/flightspecials", content=b"x", headers=headers)
    is_problem(response, 415)
    assert response.headers["accept-encoding"] == "identity"


def test_a_retired_special_is_gone(client: httpx.Client) -> None:
    response = client.delete("/flightspecials/3")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-length" not in response.headers
    for again in (client.get("/flightspecials/3"), client.delete("/flightspecials/3")):
        is_problem(again, 404)
    assert 3 not in headers_of(client)


def send(client: httpx.Client, write: str, **headers: str) -> httpx.Response:
    """One of the writes to special 1."""
    if write == "header":
        body = {"id": 1, "flightSpecialHeader": "new"}
        return client.post("/flightspecials/1/header", json=body, headers=headers)
    if write == "patch":
        return patch(client, {"header": "new"}, **headers)
    return client.delete("/flightspecials/1", headers=headers)


@pytest.mark.parametrize("write", ["header", "patch", "delete"])
@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        pytest.param("if-match", "{tag}", True, id="as it is"),
        pytest.param("if-match", '"x", {tag}', True, id="one of several"),
        pytest.param("if-match", "*", True, id="any state"),
        pytest.param("if-match", '"0"', False, id="another state"),
        pytest.param("if-match", "W/{tag}", False, id="a weak tag"),
        pytest.param("if-none-match", "*", False, id="only if there is none"),
        pytest.param("if-none-match", "W/{tag}", False, id="only if it is not as it is"),
        pytest.param("if-none-match", '"0"', True, id="only if it is not as it was"),
    ],
)
def test_a_write_happens_only_on_its_condition(
    client: httpx.Client, write: str, name: str, value: str, holds: bool
) -> None:
    before = client.get("/flightspecials").json()
    tag = client.get("/flightspecials/1").headers["etag"]
    response = send(client, write, **{name: value.format(tag=tag)})
    if holds:
        assert response.status_code in (200, 204)
        assert client.get("/flightspecials").json() != before
    else:
        is_problem(response, 412)
        assert client.get("/flightspecials").json() == before


@pytest.mark.parametrize("write", ["header", "patch", "delete"])
def test_a_condition_on_what_is_not_there_is_a_404(client: httpx.Client, write: str) -> None:
    client.delete("/flightspecials/1")
    is_problem(send(client, write, **{"if-match": "*"}), 404)


def test_of_two_writers_with_the_same_tag_the_second_is_refused(client: httpx.Client) -> None:
    tag = client.get("/flightspecials/1").headers["etag"]
    assert patch(client, {"header": "mine"}, **{"if-match": tag}).status_code == 200
    is_problem(patch(client, {"header": "yours"}, **{"if-match": tag}), 412)
    assert headers_of(client)[1] == "mine"


def test_what_an_old_replica_writes_is_a_new_state_too(
    client: httpx.Client, tables: DatabaseSettings
) -> None:
    """It does not know the column `version`, which a trigger of the table counts."""
    tag = client.get("/flightspecials/1").headers["etag"]
    run_sql(tables, "UPDATE travelbuddy.flightspecial SET header = 'old' WHERE id = 1")
    is_problem(patch(client, {"header": "x"}, **{"if-match": tag}), 412)


def test_held_back_header_updates_are_501_and_all_else_works(database: DatabaseSettings) -> None:
    settings = Settings(database=database, edge=OPEN, header_update=False)
    with serving(build(settings, lambda: None)) as client:
        eventually_ready(client)
        before = headers_of(client)
        is_problem(change(client, 1, {"id": 1, "flightSpecialHeader": "x"}), 501)
        is_problem(patch(client, {"header": "x", "cost": 9}), 501)
        assert headers_of(client) == before
        assert patch(client, {"cost": 9}).json()["cost"] == 9
        assert client.post("/flightspecials", json=WHOLE).status_code == 201
