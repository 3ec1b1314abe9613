"""SIGTERM (promise P1): not ready, a pause, no new connections, then the end of what is in flight."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from proxy.server.settings import Tier
from tests.support.facade_in_loop import TIERS, RunningFacade, facade_in_loop
from tests.support.origin import ok, origin, silent
from tests.support.waiting import eventually
from tests.support.wire import Wire

SLOW = """
version: 1
backends: {{slow: {url}}}
routes:
  - {{name: hello, match: {{path: {{exact: /hello}}}}, direct_response: {{status: 200, body: hello}}}}
  - {{name: all, backend_refs: slow}}
"""
ASKED = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    return cast(Tier, request.param)


@contextlib.asynccontextmanager
async def connected(
    facade: RunningFacade,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def response(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of the next one."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    return head, await reader.readexactly(int(length[1]))


async def refuses(facade: RunningFacade) -> bool:
    try:
        async with connected(facade):
            return False
    except ConnectionRefusedError:
        return True


async def test_a_request_in_flight_gets_its_response_and_its_connection_closes(
    tmp_path: Path, tier: Tier
) -> None:
    release = asyncio.Event()

    async def held(wire: Wire) -> None:
        await wire.request_head()
        await release.wait()
        wire.send(ok(b"late"))
        await wire.flush()

    async with (
        origin(held) as slow,
        facade_in_loop(SLOW.format(url=slow.url), tmp_path, tier=tier) as facade,
    ):
        async with connected(facade) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            await eventually(lambda: facade.app.upstream_stats()["slow"].in_flight == 1)
            facade.stop.set()
            async with asyncio.timeout(5):
                while not await refuses(facade):
                    await asyncio.sleep(0.01)
            release.set()
            head, body = await response(reader)
            assert body == b"late"
            assert b"Connection: close\r\n" in head
            assert await reader.read() == b""


async def test_during_the_pause_it_accepts_and_asks_clients_to_leave(
    tmp_path: Path, tier: Tier
) -> None:
    table = SLOW.format(url="http://127.0.0.1:1")
    async with (
        facade_in_loop(table, tmp_path, tier=tier, pause_s=1.0) as facade,
        connected(facade) as (old, to_old),
    ):
        to_old.write(ASKED)
        head, _ = await response(old)
        assert b"Connection: close" not in head
        facade.stop.set()
        await eventually(lambda: facade.app.state.name == "STOPPING")
        for _ in range(3):
            async with connected(facade) as (reader, writer):
                writer.write(ASKED)
                head, _ = await response(reader)
                assert b"Connection: close\r\n" in head
                assert await reader.read() == b""
        to_old.write(ASKED)
        head, _ = await response(old)
        assert b"Connection: close\r\n" in head
        assert await old.read() == b""


async def test_an_idle_connection_is_closed_but_one_with_half_a_request_is_served(
    tmp_path: Path, tier: Tier
) -> None:
    async with facade_in_loop(SLOW.format(url="http://127.0.0.1:1"), tmp_path, tier=tier) as facade:
        async with connected(facade) as (idle, to_idle), connected(facade) as (half, to_half):
            to_idle.write(ASKED)
            await response(idle)
            to_half.write(ASKED[:10])
            await eventually(lambda: facade.app.state.name == "SERVING")
            facade.stop.set()
            assert await asyncio.wait_for(idle.read(), 5) == b""
            to_half.write(ASKED[10:])
            head, body = await response(half)
            assert body == b"hello"
            assert b"Connection: close\r\n" in head
            assert await half.read() == b""


async def test_what_takes_longer_than_the_drain_is_cut_off(tmp_path: Path, tier: Tier) -> None:
    async with origin(silent) as slow:
        async with facade_in_loop(
            SLOW.format(url=slow.url), tmp_path, drain_s=0.5, tier=tier
        ) as facade:
            async with connected(facade) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                await eventually(lambda: facade.app.upstream_stats()["slow"].in_flight == 1)
                facade.stop.set()
                with contextlib.suppress(ConnectionError):
                    said = await asyncio.wait_for(reader.read(), 5)
                    assert b" 200 " not in said
                await asyncio.wait_for(slow.ended.wait(), 5)
