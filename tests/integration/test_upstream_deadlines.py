"""Time runs for the upstream, and only while it is the one to be waited for (promise U3)."""

import asyncio
import time

import pytest

from proxy.errors import (
    UpstreamTimeout,
)
from proxy.model import Body, Timeouts
from proxy.upstream import open_upstream
from tests.integration.upstream_client import closed_at_end, outgoing, whole
from tests.support.origin import origin
from tests.support.waiting import eventually
from tests.support.wire import Wire

OK = b"HTTP/1.1 200 OK\r\n"


async def _silent(wire: Wire) -> None:
    await wire.request_head()
    await wire.end()


async def test_no_response_in_time_is_a_timeout_and_frees_the_connection() -> None:
    async with (
        origin(_silent) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        exchange = await upstream.open(outgoing(timeouts=Timeouts(backend_request_s=0.5)))
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await exchange.head()
        assert 0.45 <= time.monotonic() - began < 1.5
        assert upstream.stats().connections == 0
        await eventually(lambda: server.open == 0)


async def test_dripping_a_head_does_not_gain_time() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK)
        while not wire.is_closing:
            wire.send(b"a: b\r\n")
            await wire.flush()
            await asyncio.sleep(0.02)

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing(timeouts=Timeouts(backend_request_s=0.3)))
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(exchange.head(), 3)


async def test_the_time_of_the_request_bounds_that_of_the_attempt() -> None:
    async with (
        origin(_silent) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        exchange = await upstream.open(outgoing(timeouts=Timeouts(request_s=0.2)))
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(exchange.head(), 3)


async def test_the_upstreams_time_runs_from_the_end_of_the_upload() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        await wire.exactly(4)
        wire.send(OK + b"content-length: 2\r\n\r\nok")

    timeouts = Timeouts(backend_request_s=0.3, stream_idle_s=0.3)
    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("length", 4), timeouts=timeouts))
        reading = asyncio.create_task(whole(exchange))
        for byte in (b"a", b"b", b"c", b"d"):
            await asyncio.sleep(0.25)  # A slow client: together more than any of the timeouts.
            await exchange.send_body(byte)
        exchange.end_upload()
        assert (await reading).body == b"ok"


async def test_silence_in_a_body_is_a_timeout() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK + b"content-length: 100\r\n\r\nhalf")
        await wire.end()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing(timeouts=Timeouts(stream_idle_s=0.3)))
        await exchange.head()
        assert await exchange.next_chunk() == b"half"
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await exchange.next_chunk()
        assert time.monotonic() - began < 1.3
        await eventually(lambda: server.open == 0)


async def test_an_upstream_that_stops_taking_an_upload_is_a_timeout() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.pause_reading()
        await asyncio.sleep(60)

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(
            outgoing("POST", body=Body("length", 10**9), timeouts=Timeouts(stream_idle_s=0.3))
        )

        async def upload() -> None:
            while True:
                await exchange.send_body(b"x" * 65536)

        sending = asyncio.create_task(upload())
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(exchange.head(), 10)
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(sending, 5)


async def test_a_slow_reader_is_not_the_upstreams_silence() -> None:
    size = 4_000_000

    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK + b"content-length: %d\r\n\r\n" % size + b"x" * size)
        await wire.flush()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing(timeouts=Timeouts(stream_idle_s=0.2)))
        await exchange.head()
        await eventually(lambda: exchange.unread_s > 0.6)
        assert len((await whole(exchange)).body) == size
        assert exchange.unread_s == 0


async def test_whoever_waits_is_told_how_long() -> None:
    said: list[float] = []
    async with (
        origin(_silent) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        exchange = await upstream.open(outgoing())
        exchange.on_elapsed = said.append
        await eventually(lambda: len(said) >= 3)
        exchange.abort()
        heard = len(said)
        assert said == sorted(said)
        assert 0 < said[0] < 1
        other = await upstream.open(outgoing())
        other.on_elapsed = said.append
        await eventually(lambda: len(said) > heard)
        assert said[heard] < said[heard - 1]


async def test_a_hook_that_raises_does_not_stop_the_clock(caplog: pytest.LogCaptureFixture) -> None:
    def broken(seconds: float) -> None:
        raise RuntimeError("boom")

    async with (
        origin(_silent) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        exchange = await upstream.open(outgoing(timeouts=Timeouts(backend_request_s=0.4)))
        exchange.on_elapsed = broken
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(exchange.head(), 5)
    assert "boom" in caplog.text
