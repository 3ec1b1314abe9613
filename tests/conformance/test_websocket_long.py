"""Long WebSockets: half-closes, idle times, drain, and much traffic (RFC 6455, promise C2)."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from tests.conformance.frames import BINARY, TEXT, frame
from tests.conformance.harness import Tier, client, facade, table
from tests.conformance.websocket import ASKING, SWITCHING, opened
from tests.support.origin import origin
from tests.support.wire import Wire, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")

MB = 1_000_000
HELLO = frame(TEXT, b"hello", masked=True)
WORLD = frame(TEXT, b"world")


async def _both(client: Wire, upstream: Wire) -> None:
    """A frame each way."""
    client.send(HELLO)
    assert await upstream.exactly(len(HELLO)) == HELLO
    upstream.send(WORLD)
    assert await client.exactly(len(WORLD)) == WORLD


async def test_a_client_that_ends_its_half_still_hears_the_other(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 6455 7.1.1: TCP's halves end one by one."""
    async with opened(tier, tmp_path) as ws:
        ws.client.send(HELLO)
        ws.client.half_close()
        assert await ws.upstream.end() == (HELLO, False)
        ws.upstream.send(WORLD)
        ws.upstream.close()
        assert await ws.client.end() == (WORLD, False)


async def test_a_client_that_ends_its_half_before_the_101_still_hears_the_other(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 6455 7.1.1."""
    async with origin() as backend, facade(tier, table(backend.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(ASKING)
            await wire.flush()
            wire.half_close()
            upstream = await backend.connection()
            await upstream.request_head()
            await asyncio.sleep(0.05)  # Long enough for the end of the client's half to come first.
            upstream.send(SWITCHING)
            assert await upstream.end() == (b"", False)
            upstream.send(WORLD)
            upstream.close()
            assert (await wire.response_head()).status == 101
            assert await wire.end() == (WORLD, False)


async def test_a_backend_that_ends_its_half_still_hears_the_other(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 6455 7.1.1."""
    async with opened(tier, tmp_path) as ws:
        ws.upstream.send(WORLD)
        ws.upstream.half_close()
        assert await ws.client.end() == (WORLD, False)
        ws.client.send(HELLO)
        ws.client.half_close()
        assert await ws.upstream.end() == (HELLO, False)


async def test_a_silent_websocket_outlives_the_timeouts_of_requests(
    tier: Tier, tmp_path: Path
) -> None:
    """ADR 7: these end at the response's head. A tunnel has no total either: only `tunnel_idle` bounds it."""
    brief = "timeouts: {request: 200ms, backend_request: 200ms, body_idle: 200ms, total: 300ms}"
    async with opened(tier, tmp_path, route=brief) as ws:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.client.more(), 1.0)
        await _both(ws.client, ws.upstream)


async def test_a_websocket_counts_for_drain(tier: Tier, tmp_path: Path) -> None:
    """Promise P1: it goes on after the word to stop, and the facade ends when it does."""
    async with opened(tier, tmp_path, drain_s=30) as ws:
        ws.up.stop.set()
        await _nobody_accepts(ws.up.listen.port)
        await _both(ws.client, ws.upstream)
        ws.upstream.close()
        assert await ws.client.end() == (b"", False)


async def test_a_websocket_is_cut_when_the_drain_is_over(tier: Tier, tmp_path: Path) -> None:
    """Promise P1."""
    async with opened(tier, tmp_path, drain_s=1) as ws:
        ws.up.stop.set()
        ended = await asyncio.gather(ws.client.end(), ws.upstream.end())
        assert [data for data, _ in ended] == [b"", b""]


async def _nobody_accepts(port: int) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                async with connected("127.0.0.1", port):
                    await asyncio.sleep(0.02)
            except ConnectionError:
                return


@pytest.mark.parametrize("direction", ["down", "up"])
async def test_nobody_is_fed_faster_than_they_read(
    direction: str, tier: Tier, tmp_path: Path
) -> None:
    """Promise C2: of 64 MB, the one side gets rid of what sockets and bounded buffers hold."""
    piece, taken = frame(BINARY, b"x" * 64 * 1024), 0
    async with opened(tier, tmp_path) as ws:
        sending = ws.upstream if direction == "down" else ws.client
        other = ws.client if direction == "down" else ws.upstream
        ws.client.shrink_buffers()
        ws.upstream.shrink_buffers()
        while taken < 64 * MB:
            sending.send(piece)
            try:
                await asyncio.wait_for(sending.flush(), 0.7)
            except TimeoutError:
                break
            taken += len(piece)
        assert taken < 24 * MB
        # Whoever was slow reads on, and nothing is lost.
        assert (await other.exactly(len(piece))) == piece
        sending.reset()


async def _carry(tier: Tier, folder: Path, total: int) -> None:
    """So many bytes each way at once, unharmed."""
    piece = frame(BINARY, bytes(range(251)) * 4000)
    count = total // len(piece) + 1
    wanted = hashlib.sha256()
    for _ in range(count):
        wanted.update(piece)

    async def send(wire: Wire) -> None:
        for _ in range(count):
            wire.send(piece)
            await wire.flush()

    async def receive(wire: Wire) -> bytes:
        got, left = hashlib.sha256(), count * len(piece)
        while left:
            data = await wire.more()
            wire.received.clear()
            got.update(data)
            left -= len(data)
        return got.digest()

    async with opened(tier, folder) as ws:
        results = await asyncio.gather(
            send(ws.client), send(ws.upstream), receive(ws.client), receive(ws.upstream)
        )
    assert list(results[2:]) == [wanted.digest()] * 2


async def test_64_megabytes_each_way_arrive_unharmed(tier: Tier, tmp_path: Path) -> None:
    await _carry(tier, tmp_path, 64 * MB)


@pytest.mark.soak
async def test_a_gigabyte_each_way_arrives_unharmed(tier: Tier, tmp_path: Path) -> None:
    await _carry(tier, tmp_path, 1000 * MB)
