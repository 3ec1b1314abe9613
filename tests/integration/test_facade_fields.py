"""The fields that the facade adds: the prefix that a rewrite took away; and that each of them can be removed."""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.origin import Responses, ok, origin, responding
from tests.support.raw_response import head_of, status_of
from tests.support.wire import Message

PATHS = pytest.mark.parametrize("path", ["/api/x", "/api/%78"], ids=["usual", "general"])
TABLE = """
version: 1
defaults: {{forwarded: {{{forwarded}}}}}
backends: {{legacy: {{url: "{url}"{backend}}}}}
routes:
  - name: api
    match: {{path: {{prefix: /api}}}}
    backend_refs: [{{name: legacy, url_rewrite: {{path: {{replace_prefix_match: /}}}}}}]
    {route}
"""
TRUSTED = "trusted_proxies: [127.0.0.0/8]"
ADDED = {
    *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"),
    *(b"forwarded", b"via", b"x-request-id", b"traceparent"),
}
OWN = {b"host", b"connection"}


def _table(url: str, *, forwarded: str = "", backend: str = "", route: str = "") -> str:
    return TABLE.format(url=url, forwarded=forwarded, backend=backend, route=route)


def _names(request: Message) -> set[bytes]:
    return {name for name, _ in request.head.fields}


@PATHS
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("forwarded", "sent", "seen"),
    [
        pytest.param("", (), b"/api", id="added"),
        pytest.param("", ("x-forwarded-prefix: /evil",), b"/api", id="a stranger's is dropped"),
        pytest.param(TRUSTED, ("x-forwarded-prefix: /edge",), b"/edge, /api", id="appended to"),
    ],
)
async def test_the_backend_gets_the_prefix_that_was_taken_away(
    tmp_path: Path, tier: Tier, path: str, forwarded: str, sent: tuple[str, ...], seen: bytes
) -> None:
    received: list[Message] = []
    async with origin(responding(ok(b"ok"), received)) as legacy:
        table = _table(legacy.url, forwarded=forwarded)
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            assert status_of(await facade.get(path, *sent)) == 200
    assert received[0].head.one(b"x-forwarded-prefix") == seen


def _obeying(request: Message) -> bytes:
    """A redirect as an application writes it that puts its prefix before its own path."""
    prefix = request.head.one(b"x-forwarded-prefix").replace(b", ", b"")
    return ok(b"", b"location: %b/login" % prefix, b"set-cookie: a=1; Path=%b" % prefix)


@PATHS
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    "respond",
    [_obeying, lambda _: ok(b"", b"location: /login", b"set-cookie: a=1; Path=/")],
    ids=["obeys the prefix", "does not"],
)
async def test_an_address_of_the_backend_gets_its_prefix_once(
    tmp_path: Path, tier: Tier, path: str, respond: Responses
) -> None:
    async with origin(responding(respond)) as legacy:
        async with facade_in_loop(_table(legacy.url), tmp_path, tier=tier) as facade:
            head = head_of(await facade.get(path))
    assert b"location: /api/login" in head
    assert b"Path=/api" in head


@PATHS
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("place", ["route", "backend"])
async def test_each_added_field_can_be_removed(
    tmp_path: Path, tier: Tier, path: str, place: str
) -> None:
    received: list[Message] = []
    names = ", ".join(sorted(name.decode() for name in ADDED))
    async with origin(responding(ok(b"ok"), received)) as legacy:
        table = (
            _table(legacy.url, route=f"request: {{headers: {{remove: [{names}]}}}}")
            if place == "route"
            else _table(legacy.url, backend=f", headers: {{remove: [{names}]}}")
        )
        async with facade_in_loop(_table(legacy.url), tmp_path, tier=tier) as facade:
            await facade.get(path)
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            await facade.get(path, "via: 1.1 cdn", "x-forwarded-prefix: /evil")
    assert _names(received[0]) - OWN == ADDED
    assert _names(received[1]) - OWN == set()


@PATHS
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("off", ["off", '"off"', "false"])
async def test_without_via_only_that_of_other_proxies_goes_on(
    tmp_path: Path, tier: Tier, path: str, off: str
) -> None:
    received: list[Message] = []
    async with origin(responding(ok(b"ok"), received)) as legacy:
        table = _table(legacy.url, forwarded=f"via: {off}")
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            await facade.get(path)
            await facade.get(path, "via: 1.1 cdn")
    assert b"via" not in _names(received[0])
    assert received[1].head.one(b"via") == b"1.1 cdn"


@PATHS
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("status", [b"200 OK", b"500 No", b"400 No"])
async def test_the_request_id_of_a_response_can_be_removed_or_set(
    tmp_path: Path, tier: Tier, path: str, status: bytes
) -> None:
    edits = "{remove: [x-request-id], set: {x-facade-decision: hidden}}"
    response = b"HTTP/1.1 %b\r\nx-request-id: theirs\r\ncontent-length: 0\r\n\r\n" % status
    async with origin(responding(response)) as legacy:
        table = _table(legacy.url, route=f"response: {{headers: {edits}}}")
        async with facade_in_loop(table, tmp_path, tier=tier) as facade:
            head = head_of(await facade.get(path)).lower()
    assert b"x-request-id" not in head
    assert head.count(b"x-facade-decision: ") == 1
    assert b"x-facade-decision: hidden" in head
