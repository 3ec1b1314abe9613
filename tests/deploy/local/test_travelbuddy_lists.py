"""The two JSON lists: their bytes, content negotiation, CORS."""

import json
from typing import Any

import pytest

from tests.deploy.local.standin import StandIn

FLIGHT = {
    "id": int,
    "header": str,
    "body": str,
    "cost": int,
    "expiryDate": int,
    "origin": str,
    "originCode": str,
    "destination": str,
    "destinationCode": str,
}
HOTEL = {
    "id": int,
    "hotel": str,
    "description": str,
    "cost": int,
    "expiryDate": int,
    "location": str,
}
LISTS = ["/travelbuddy/flightspecials", "/travelbuddy/hotelspecials"]
VARY = ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]
ORIGIN = "Origin: http://ui.example"


@pytest.mark.parametrize(
    ("path", "types"), [(LISTS[0], FLIGHT), (LISTS[1], HOTEL)], ids=["flights", "hotels"]
)
def test_a_list_is_compact_json_in_the_order_of_its_keys_and_of_expiry(
    standin: StandIn, path: str, types: dict[str, type]
) -> None:
    reply = standin.get(path)
    assert (reply.status, reply.field("content-type")) == (200, "application/json")
    rows: list[dict[str, Any]] = json.loads(reply.body)
    assert reply.body.decode() == json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    assert len(rows) == 11
    for row in rows:
        assert list(row) == list(types)
        assert {key: type(value) for key, value in row.items()} == types
    assert rows == sorted(rows, key=lambda row: (row["expiryDate"], row["id"]))


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_chunked_and_varies_with_three_fields(standin: StandIn, path: str) -> None:
    reply = standin.get(path)
    assert reply.field("transfer-encoding") == "chunked"
    assert reply.field("content-length") is None
    assert reply.all("vary") == VARY
    assert reply.field("set-cookie") is None


@pytest.mark.parametrize("path", LISTS)
def test_any_origin_is_named_to_a_request_with_an_origin_alone(standin: StandIn, path: str) -> None:
    assert standin.get(path).field("access-control-allow-origin") is None
    assert standin.get(path, ORIGIN).field("access-control-allow-origin") == "*"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (["*/*"], 200),
        (["application/*"], 200),
        (["Application/JSON; q=0.5"], 200),
        (["application/hal+json"], 200),
        (["text/html, application/json;q=0.1"], 200),
        (["text/html", "*/*;q=0.1"], 200),
        ([""], 200),
        (["text/html"], 406),
        (["application/xml"], 406),
        (["image/png, text/json"], 406),
        (["text/html", "text/plain"], 406),
    ],
)
@pytest.mark.parametrize("path", LISTS)
def test_accept_is_obeyed(standin: StandIn, path: str, accept: list[str], status: int) -> None:
    reply = standin.get(path, *(f"Accept: {value}" for value in accept))
    assert reply.status == status
    if status == 406:
        assert reply.field("content-type") == "text/html;charset=utf-8"


@pytest.mark.parametrize("path", LISTS)
def test_head_has_the_fields_of_get(standin: StandIn, path: str) -> None:
    reply = standin.send("HEAD", path, ORIGIN)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.field("content-type") == "application/json"
    assert reply.field("access-control-allow-origin") == "*"


@pytest.mark.parametrize("shape", ["{}", "{}/", "{};jsessionid=A", "/{}"])
@pytest.mark.parametrize("path", LISTS)
def test_a_preflight_is_allowed(standin: StandIn, path: str, shape: str) -> None:
    reply = standin.send(
        "OPTIONS",
        shape.format(path),
        ORIGIN,
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: content-type,x-one",
    )
    assert (reply.status, reply.body) == (200, b"")
    assert reply.field("access-control-allow-origin") == "*"
    assert reply.field("access-control-allow-methods") == "GET"
    assert reply.field("access-control-allow-headers") == "content-type, x-one"
    assert reply.field("access-control-max-age") == "1800"
    assert reply.all("vary") == VARY


@pytest.mark.parametrize("path", LISTS)
def test_a_preflight_that_asks_for_no_field_is_allowed_none(standin: StandIn, path: str) -> None:
    reply = standin.send("OPTIONS", path, ORIGIN, "Access-Control-Request-Method: GET")
    assert reply.status == 200
    assert reply.field("access-control-allow-headers") is None


@pytest.mark.parametrize("path", LISTS)
def test_a_preflight_for_a_write_is_refused(standin: StandIn, path: str) -> None:
    reply = standin.send("OPTIONS", path, ORIGIN, "Access-Control-Request-Method: POST")
    assert (reply.status, reply.body) == (403, b"Invalid CORS request")
    assert reply.field("access-control-allow-origin") is None


@pytest.mark.parametrize(
    "fields",
    [[], [ORIGIN], ["Access-Control-Request-Method: GET"]],
    ids=["bare", "origin", "method"],
)
@pytest.mark.parametrize("path", LISTS)
def test_options_without_a_preflight_names_the_methods(
    standin: StandIn, path: str, fields: list[str]
) -> None:
    reply = standin.send("OPTIONS", path, *fields)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.field("allow") == "GET,HEAD,OPTIONS"
    assert reply.field("access-control-allow-methods") is None
    assert reply.field("content-type") is None
