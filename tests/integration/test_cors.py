"""`cors` of a route, between a browser and a backend, on both tiers."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import body_of, head_of, status_of
from tests.support.wire import Message

SHOP, SUB, EVIL = "https://shop.example", "https://a.b.example", "https://evil.example"
TABLE = """
version: 1
backends: {{legacy: "{legacy}", gone: "http://127.0.0.1:1"}}
routes:
  - name: api
    match: {{path: {{prefix: /api}}, methods: [GET, PUT]}}
    backend_refs: legacy
    response: {{headers: {{set: {{x-by: facade}}}}}}
    cors: &policy
      allow_origins: [https://shop.example, "https://*.b.example"]
      allow_methods: [GET, PUT]
      allow_headers: [content-type]
      expose_headers: [etag]
      allow_credentials: true
      max_age: 10m
  - name: forwarded
    match: {{path: {{prefix: /forwarded}}}}
    backend_refs: legacy
    cors: {{allow_origins: ["*"], preflight: forward}}
  - {{name: gone, match: {{path: {{prefix: /gone}}}}, backend_refs: gone, cors: *policy}}
  - {{name: moved, match: {{path: {{prefix: /moved}}}}, redirect: {{path: /api}}, cors: *policy}}
  - {{name: rest, backend_refs: legacy}}
"""
ALLOW_ORIGIN, VARY = b"access-control-allow-origin", b"vary"
BACKENDS = (
    b"Access-Control-Allow-Origin: *",
    b"Access-Control-Allow-Methods: TRACE",
    b"Vary: Accept-Encoding",
)


def field(response: bytes, name: bytes) -> list[bytes]:
    return re.findall(rb"\r\n%b: ([^\r]*)" % name, head_of(response), re.IGNORECASE)


@asynccontextmanager
async def site(
    folder: Path, tier: Tier, received: list[Message] | None = None
) -> AsyncIterator[RunningFacade]:
    respond = responding(ok(b"hello", *BACKENDS), [] if received is None else received)
    async with origin(respond) as legacy:
        async with facade_in_loop(TABLE.format(legacy=legacy.url), folder, tier=tier) as facade:
            yield facade


def asking(method: str, origin: str = SHOP) -> tuple[str, str]:
    return f"origin: {origin}", f"access-control-request-method: {method}"


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("path", ["/api/1", "/api/%41"])
@pytest.mark.parametrize(
    ("origin_", "allowed"),
    [(SHOP, [SHOP.encode()]), (SUB, [SUB.encode()]), (EVIL, []), ("null", [])],
)
async def test_a_response_has_one_set_of_fields(
    tmp_path: Path, tier: Tier, path: str, origin_: str, allowed: list[bytes]
) -> None:
    async with site(tmp_path, tier) as facade:
        response = await facade.get(path, f"origin: {origin_}")
        without = await facade.get(path)
    assert status_of(response) == status_of(without) == 200
    assert body_of(response) == b"hello"
    assert field(response, ALLOW_ORIGIN) == allowed
    assert field(without, ALLOW_ORIGIN) == []
    for each in (response, without):
        assert field(each, VARY) == [b"Accept-Encoding, Origin"]
        assert field(each, b"access-control-allow-methods") == []
        assert field(each, b"x-by") == [b"facade"]


@pytest.mark.parametrize("tier", TIERS)
async def test_the_facade_responds_to_a_preflight(tmp_path: Path, tier: Tier) -> None:
    received: list[Message] = []
    async with site(tmp_path, tier, received) as facade:
        allowed = await facade.get("/api/1", *asking("PUT"), method="OPTIONS")
        refused = await facade.get("/api/1", *asking("PUT", EVIL), method="OPTIONS")
        lines = await facade.log_lines(2)
    assert received == []
    assert status_of(allowed) == status_of(refused) == 204
    assert body_of(allowed) == body_of(refused) == b""
    assert field(allowed, ALLOW_ORIGIN) == [SHOP.encode()]
    assert field(allowed, b"access-control-allow-methods") == [b"GET, PUT"]
    assert field(allowed, b"access-control-allow-headers") == [b"content-type"]
    assert field(allowed, b"access-control-allow-credentials") == [b"true"]
    assert field(allowed, b"access-control-max-age") == [b"600"]
    assert field(refused, ALLOW_ORIGIN) == field(refused, b"access-control-allow-methods") == []
    assert field(allowed, VARY) == field(refused, VARY) == [b"Origin"]
    assert [(line["route"], line["reason"]) for line in lines] == [("api", "preflight")] * 2


@pytest.mark.parametrize("tier", TIERS)
async def test_other_options_go_to_their_own_route(tmp_path: Path, tier: Tier) -> None:
    received: list[Message] = []
    async with site(tmp_path, tier, received) as facade:
        plain = await facade.get("/api/1", method="OPTIONS")
        other = await facade.get("/api/1", *asking("DELETE"), method="OPTIONS")
        lines = await facade.log_lines(2)
    assert len(received) == 2
    assert field(plain, ALLOW_ORIGIN) == field(other, ALLOW_ORIGIN) == [b"*"]
    assert [line["route"] for line in lines] == ["rest", "rest"]


@pytest.mark.parametrize("tier", TIERS)
async def test_a_preflight_that_is_passed_on_has_one_set_of_fields(
    tmp_path: Path, tier: Tier
) -> None:
    received: list[Message] = []
    async with site(tmp_path, tier, received) as facade:
        response = await facade.get("/forwarded", *asking("GET"), method="OPTIONS")
    assert [message.head.line for message in received] == [b"OPTIONS /forwarded HTTP/1.1"]
    assert body_of(response) == b"hello"
    assert field(response, ALLOW_ORIGIN) == [b"*"]
    assert field(response, b"access-control-allow-methods") == [b"GET, HEAD, POST"]
    assert field(response, VARY) == [b"Accept-Encoding"]


@pytest.mark.parametrize("tier", TIERS)
async def test_replies_of_the_facade_have_the_fields(tmp_path: Path, tier: Tier) -> None:
    async with site(tmp_path, tier) as facade:
        problem = await facade.get("/gone", f"origin: {SHOP}")
        hidden = await facade.get("/gone", f"origin: {EVIL}")
        redirect = await facade.get("/moved", f"origin: {SHOP}")
    assert [status_of(each) for each in (problem, hidden, redirect)] == [502, 502, 302]
    assert field(problem, ALLOW_ORIGIN) == field(redirect, ALLOW_ORIGIN) == [SHOP.encode()]
    assert field(hidden, ALLOW_ORIGIN) == []
    assert field(problem, VARY) == field(hidden, VARY) == [b"Accept, Origin"]
    assert field(redirect, VARY) == [b"Origin"]
