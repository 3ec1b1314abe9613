"""The service over HTTP, on real PostgreSQL."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from flightspecial_service.settings import DatabaseSettings
from tests.service.conftest import run_sql

SAMPLE_HEADERS = [
    "London to Prague",
    "Paris to London",
    "Dubai to Cairo",
    "Melbourne to Hawaii",
    "Buenos Aires to Rio",
    "Sydney to Rome",
    "Melbourne to Sydney",
    "Hong Kong to Kuala Lumpur",
    "Lisbon to Madrid",
    "Aswan to Cairo",
    "New York to London",
]
OWN_FIELDS = {
    *("id", "header", "body", "cost", "expiryDate"),
    *("origin", "originCode", "destination", "destinationCode"),
}


def change(client: httpx.Client, number: object, body: object) -> httpx.Response:
    # Escaped to ASCII, so that a lone surrogate can be sent as well.
    content = json.dumps(body).encode()
    path = f"/flightspecials/{number}/header"
    return client.post(path, content=content, headers={"content-type": "application/json"})


def headers_of(client: httpx.Client) -> dict[int, str]:
    return {each["id"]: each["header"] for each in client.get("/flightspecials/").json()}


@pytest.mark.parametrize("path", ["/flightspecials", "/flightspecials/"])
def test_the_list_is_the_samples_in_order_of_expiry(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    listed = response.json()
    assert [set(each) for each in listed] == [OWN_FIELDS] * 11
    assert [each["expiryDate"] for each in listed] == sorted(each["expiryDate"] for each in listed)
    by_id = sorted(listed, key=lambda each: each["id"])
    assert [each["id"] for each in by_id] == list(range(1, 12))
    assert [each["header"] for each in by_id] == SAMPLE_HEADERS


def test_the_samples_are_as_the_original_has_them(client: httpx.Client) -> None:
    before = datetime.now(UTC)
    samples = {each["id"]: each for each in client.get("/flightspecials").json()}
    first, second = samples[1], samples[2]
    assert (first["origin"], first["originCode"]) == ("London", "LHR")
    assert (first["destination"], first["destinationCode"]) == ("Paris", "CDG")
    assert (second["originCode"], second["destinationCode"]) == ("ORG", "DST")
    for each in samples.values():
        left = datetime.fromisoformat(each["expiryDate"]) - before
        assert left <= timedelta(seconds=20_079.2)
        assert 50 <= each["cost"] <= 250


def test_one_special_equals_its_entry_in_the_list(client: httpx.Client) -> None:
    listed = {each["id"]: each for each in client.get("/flightspecials").json()}
    assert client.get("/flightspecials/3").json() == listed[3]


def test_an_expired_special_is_in_our_list_and_not_in_the_monoliths(
    client: httpx.Client, tables: DatabaseSettings
) -> None:
    run_sql(
        tables,
        "UPDATE travelbuddy.flightspecial SET expiry_date = '2001-02-03 04:05:06.789' WHERE id = 7",
    )
    [first, *_] = client.get("/flightspecials").json()
    assert (first["id"], first["expiryDate"]) == (7, "2001-02-03T04:05:06.789000Z")
    assert 7 not in [each["id"] for each in client.get("/travelbuddy/flightspecials").json()]


def test_a_header_update_has_the_response_of_the_original_and_is_kept(client: httpx.Client) -> None:
    before = headers_of(client)
    response = change(client, 1, {"id": 1, "flightSpecialHeader": "Prag, 프라하 \U0001f6eb"})
    assert (response.status_code, response.text) == (
        200,
        '{"resultCode":"Y","data":"The flight special header successfully updated"}',
    )
    assert headers_of(client) == before | {1: "Prag, 프라하 \U0001f6eb"}


GOOD = {"id": 1, "flightSpecialHeader": "x"}


@pytest.mark.parametrize(
    ("number", "body", "status"),
    [
        pytest.param(12, {"id": 12, "flightSpecialHeader": "x"}, 404, id="unknown id"),
        pytest.param(0, {"id": 0, "flightSpecialHeader": "x"}, 404, id="id 0"),
        pytest.param("-1", {"id": -1, "flightSpecialHeader": "x"}, 404, id="negative id"),
        pytest.param("one", GOOD, 404, id="id not a number"),
        pytest.param("01", GOOD, 404, id="id with a zero in front"),
        pytest.param("%D9%A1", GOOD, 404, id="id in other digits"),
        pytest.param("1%00", GOOD, 404, id="id with a NUL"),
        pytest.param(2**63 - 1, GOOD | {"id": 2**63 - 1}, 404, id="largest id"),
        pytest.param(2**63, GOOD | {"id": 2**63}, 404, id="id beyond the largest"),
        pytest.param("9" * 5000, GOOD, 404, id="id of 5,000 digits"),
        pytest.param(1, GOOD | {"id": 2}, 422, id="another id in the body"),
        pytest.param(1, GOOD | {"id": 2**70}, 422, id="an id beyond the largest in the body"),
        pytest.param(1, GOOD | {"id": "1"}, 422, id="id as a text"),
        pytest.param(1, GOOD | {"id": True}, 422, id="id as a boolean"),
        pytest.param(1, GOOD | {"id": 1.5}, 422, id="id as a fraction"),
        pytest.param(1, {"flightSpecialHeader": "x"}, 422, id="no id in the body"),
        pytest.param(1, {"id": 1}, 422, id="no header"),
        pytest.param(1, {"id": 1, "flightSpecialHeader": None}, 422, id="header null"),
        pytest.param(1, {"id": 1, "flightSpecialHeader": 5}, 422, id="header a number"),
        pytest.param(1, {"id": 1, "flightSpecialHeader": ""}, 422, id="header empty"),
        pytest.param(1, {"id": 1, "flightSpecialHeader": "x" * 256}, 422, id="header too long"),
        pytest.param(1, {"id": 1, "flightSpecialHeader": "a\0b"}, 422, id="header with a NUL"),
        pytest.param(1, {"id": 1, "flightSpecialHeader": "\ud800"}, 422, id="lone surrogate"),
        pytest.param(1, [], 422, id="an array"),
        pytest.param(1, "x", 422, id="a text"),
    ],
)
def test_a_bad_header_update_writes_nothing(
    client: httpx.Client, number: object, body: Any, status: int
) -> None:
    before = headers_of(client)
    is_problem(change(client, number, body), status)
    assert headers_of(client) == before


JSON = "application/json"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        pytest.param(b"", {"content-type": JSON}, 400, id="no body"),
        pytest.param(b'{"id":1,', {"content-type": JSON}, 400, id="cut off"),
        pytest.param(b"{'id':1}", {"content-type": JSON}, 400, id="not JSON"),
        pytest.param(
            b'{"id":1,"flightSpecialHeader":"\xff"}', {"content-type": JSON}, 400, id="no UTF-8"
        ),
        pytest.param(b'{"id":1,"flightSpecialHeader":NaN}', {"content-type": JSON}, 400, id="NaN"),
        pytest.param(
            b'{"id":1,"x":' + b"[" * 60_000, {"content-type": JSON}, 400, id="nested too deeply"
        ),
        pytest.param(b"\xef\xbb\xbf{}", {"content-type": JSON}, 400, id="a byte order mark"),
        pytest.param(b"x" * 65_537, {"content-type": JSON}, 413, id="a byte too long"),
        pytest.param(b"[" + b" " * 65_535, {"content-type": JSON}, 400, id="as long as may be"),
        pytest.param(b"{}", {}, 415, id="no content type"),
        pytest.param(b"{}", {"content-type": "text/plain"}, 415, id="plain text"),
        pytest.param(b"{}", {"content-type": JSON + "; charset=latin-1"}, 415, id="Latin-1"),
        pytest.param(b"{}", {"content-type": JSON, "content-encoding": "gzip"}, 415, id="gzip"),
    ],
)
def test_a_body_that_cannot_be_read_writes_nothing(
    client: httpx.Client, content: bytes, headers: dict[str, str], status: int
) -> None:
    before = headers_of(client)
    is_problem(client.post("/flightspecials/1/header", content=content, headers=headers), status)
    assert headers_of(client) == before


def test_a_chunked_body_is_cut_at_the_limit(client: httpx.Client) -> None:
    chunks = (b" " * 1000 for _ in range(70))
    response = client.post(
        "/flightspecials/1/header", content=chunks, headers={"content-type": "application/json"}
    )
    is_problem(response, 413)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON ; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_all_spellings_of_the_media_type_are_accepted(
    client: httpx.Client, content_type: str
) -> None:
    response = client.post(
        "/flightspecials/1/header",
        content=b'{"id":1,"flightSpecialHeader":"x","more":[]}',
        headers={"content-type": content_type},
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/flightspecials/12", 404, id="unknown id"),
        pytest.param("/flightspecials/x", 404, id="id not a number"),
        pytest.param("/flightspecials/99999999999999999999", 404, id="id beyond the largest"),
        pytest.param("/flightspecialsx", 404, id="a longer name"),
        pytest.param("/", 404, id="the root"),
        pytest.param("/flightspecials/1/header", 405, id="GET of what takes POST"),
    ],
)
def test_a_get_without_a_resource_is_a_problem(
    client: httpx.Client, path: str, status: int
) -> None:
    is_problem(client.get(path), status)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/flightspecials/", "GET, HEAD, POST"),
        ("POST", "/flightspecials/1", "DELETE, GET, HEAD, PATCH"),
        ("PUT", "/flightspecials/1/header", "POST"),
        ("OPTIONS", "/flightspecials", "GET, HEAD, POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_a_405_lists_the_allowed_methods(
    client: httpx.Client, method: str, path: str, allow: str
) -> None:
    response = client.request(method, path)
    is_problem(response, 405)
    assert response.headers["allow"] == allow


@pytest.mark.parametrize(
    "path",
    [
        "/flightspecials",
        "/flightspecials/1",
        "/travelbuddy/flightspecials",
        "/healthz",
        "/readyz",
        "/none",
    ],
)
def test_head_has_the_header_fields_of_get_and_no_body(client: httpx.Client, path: str) -> None:
    head, got = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == got.headers[name]


def test_no_response_has_a_server_field(client: httpx.Client) -> None:
    assert "server" not in client.get("/healthz").headers


def is_problem(response: httpx.Response, status: int) -> None:
    """Assert that the response is application/problem+json (RFC 9457) and reveals no internals."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) - {"errors"} == {"title", "status", "detail"}
    assert problem["status"] == status
    assert problem["title"] not in ("", "Unprocessable Entity", "Request Entity Too Large")
    assert problem["detail"]
    for inside in ("Traceback", "asyncpg", "msgspec", ".py"):
        assert inside not in response.text
