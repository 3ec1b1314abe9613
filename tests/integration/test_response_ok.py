"""`response_ok`: good responses pass as they came, and only those that have to be judged are held. On both tiers."""

import asyncio
import gzip
from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.integration.fallback_site import answer, table
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.ill_backend import ill_backends, status
from tests.support.origin import ok


async def body_of(facade: RunningFacade, method: str = "GET") -> bytes:
    return (await facade.get("/", method=method)).partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    ("response", "body"),
    [
        (ok(b"[1]"), b"[1]"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n", b"[1]"),
        (b"HTTP/1.1 204 No\r\n\r\n", b""),
        (status(404, b"gone"), b"gone"),
        (ok(gzip.compress(b"[]", mtime=0), b"content-encoding: gzip"), gzip.compress(b"[]", mtime=0)),
        (ok(b"?", b"content-encoding: br"), b"?"),
    ],
)  # fmt: skip
async def test_a_good_response_is_passed_on_as_it_came(
    response: bytes, body: bytes, tier: Tier, tmp_path: Path
) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        async with facade_in_loop(table(legacy.url, new.url), tmp_path, tier=tier) as facade:
            new.how = response
            found = await body_of(facade)
            if b"chunked" in response:
                found = b"".join(found.split(b"\r\n")[1::2]).rstrip()
            assert found == body
            assert legacy.requests == []
            (line,) = await facade.log_lines(1)
            assert line["response_ok"] is True


@pytest.mark.parametrize("tier", TIERS)
async def test_a_head_is_not_judged_by_its_missing_body(tier: Tier, tmp_path: Path) -> None:
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        async with facade_in_loop(table(legacy.url, new.url), tmp_path, tier=tier) as facade:
            new.how = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"
            assert await answer(facade, method="HEAD") == (200, "new", "stage")
            assert legacy.requests == []


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("has_length", [True, False])
async def test_a_long_response_is_not_judged_and_streams(
    has_length: bool, tier: Tier, tmp_path: Path
) -> None:
    size = 3 * 1024 * 1024
    long = b"x" * size
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        async with facade_in_loop(table(legacy.url, new.url), tmp_path, tier=tier) as facade:
            new.how = ok(long)
            if not has_length:
                head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                new.how = head + b"%x\r\n%b\r\n0\r\n\r\n" % (size, long)
            assert (await body_of(facade)).count(b"x") == size
            assert legacy.requests == []


@pytest.mark.parametrize("tier", TIERS)
async def test_a_stream_of_a_route_without_a_json_type_is_not_held(
    tier: Tier, tmp_path: Path
) -> None:
    """The first bytes reach the client although the response goes on."""
    route = "stage: live, backend_refs: [legacy, new], response_ok: {status: [200]}"
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = table(legacy.url, new.url, route=route)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            new.how = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n"
            reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
            writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"yes"), 20)
            assert head.startswith(b"HTTP/1.1 200")
            writer.close()
