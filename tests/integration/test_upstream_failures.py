"""Upstreams that refuse, reset, stall, lie and babble: rows U1 to U6 and W1 of the promises."""

import asyncio
import time

import pytest

from proxy.errors import (
    UpstreamBroke,
    UpstreamError,
    UpstreamStale,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.model import Backend, Body, Endpoint, Timeouts
from proxy.upstream import open_upstream
from tests.integration.upstream_servers import (
    Peer,
    Script,
    asking,
    closing,
    eventually,
    get,
    refused_port,
    serving,
    whole,
)

OK = b"HTTP/1.1 200 OK\r\n"


async def test_a_refused_connection_is_told_at_once() -> None:
    backend = Backend("old", (Endpoint("http", "127.0.0.1", refused_port()),))
    async with closing(open_upstream(backend)) as upstream:
        began = time.monotonic()
        with pytest.raises(UpstreamUnreachable, match="backend old refused") as caught:
            await upstream.open(asking())
        assert time.monotonic() - began < 1
        assert caught.value.backend == "old"


async def test_a_name_without_address_is_unreachable() -> None:
    backend = Backend("old", (Endpoint("http", "nowhere.invalid", 80),))
    async with closing(open_upstream(backend)) as upstream:
        with pytest.raises(UpstreamError):
            await upstream.open(asking())


async def test_a_connection_closed_at_once_is_told() -> None:
    async def script(peer: Peer) -> None:
        peer.reset()

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        with pytest.raises(UpstreamError):
            await get(upstream)


def _sends_then(data: bytes, end: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(data)
        await peer.flush()
        if end == "reset":
            await asyncio.sleep(0.02)  # Let the bytes out: a reset overtakes what is still queued.
            peer.reset()

    return script


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize(
    "start",
    [
        OK + b"content-length: 100\r\n\r\nhalf",
        OK + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ],
    ids=["length", "chunked", "without the end of the trailers"],
)
async def test_a_truncated_body_is_never_complete(start: bytes, end: str) -> None:
    async with (
        serving(_sends_then(start, end)) as server,
        closing(open_upstream(server.backend())) as upstream,
    ):
        exchange = await upstream.open(asking())
        assert (await exchange.head())[0] == 200
        assert await exchange.next_chunk() == b"half"
        with pytest.raises(UpstreamBroke):
            await exchange.next_chunk()
        assert upstream.stats().connections == 0


async def test_a_body_until_close_is_complete_only_if_it_was_closed_cleanly() -> None:
    for end, complete in (("close", True), ("reset", False)):
        async with (
            serving(_sends_then(OK + b"\r\nhalf", end)) as server,
            closing(open_upstream(server.backend())) as upstream,
        ):
            if complete:
                assert (await get(upstream)).body == b"half"
            else:
                with pytest.raises(UpstreamBroke):
                    await get(upstream)


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 20", OK + b"a: b\r\n"])
async def test_an_answer_that_never_began_is_told(start: bytes, end: str) -> None:
    async with (
        serving(_sends_then(start, end)) as server,
        closing(open_upstream(server.backend())) as upstream,
    ):
        exchange = await upstream.open(asking())
        with pytest.raises(UpstreamBroke):
            await exchange.head()
        assert server.accepted == 1  # A new connection: nothing is sent twice.


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"content-length: 1\r\ncontent-length: 1\r\n\r\na",
        OK + b"transfer-encoding: gzip\r\n\r\n",
        OK + b"a: b\r\n" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ],
)
async def test_nonsense_is_told_at_once_and_its_connection_closed(answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(answer)
        await peer.until_closed()

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking())
        with pytest.raises(UpstreamBroke) as caught:
            await asyncio.wait_for(exchange.head(), 5)
        assert caught.value.backend == "old"
        assert upstream.stats().connections == 0
        await eventually(lambda: server.open == 0)


async def test_nonsense_inside_a_body_breaks_the_answer_off() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
        await peer.flush()
        await more.wait()
        peer.send(b"2\r\nok!")

    more = asyncio.Event()
    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking())
        await exchange.head()
        assert await exchange.next_chunk() == b"ok"
        more.set()
        with pytest.raises(UpstreamBroke):
            await whole(exchange)


# --- stale keep-alive -----------------------------------------------------------------------------


def _once_then(end: str, asked: list[bytes]) -> Script:
    """Answers the first request of a connection, and ends it on the second before its answer."""

    async def script(peer: Peer) -> None:
        await peer.answer()
        asked.append((await peer.request()).line)
        if end == "reset":
            peer.reset()

    return script


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_safe_request_survives_a_stale_connection(end: str) -> None:
    asked: list[bytes] = []
    async with (
        serving(_once_then(end, asked)) as server,
        closing(open_upstream(server.backend())) as upstream,
    ):
        assert (await get(upstream)).body == b"ok"
        exchange = await upstream.open(asking(target=b"/again"))
        assert (await whole(exchange)).body == b"ok"
        assert exchange.attempts == 2
        assert server.accepted == 2
    assert asked == [b"GET /again HTTP/1.1"]


@pytest.mark.parametrize(
    ("method", "body"),
    [("POST", Body("none")), ("PUT", Body("length", 2)), ("GET", Body("length", 2))],
)
async def test_what_may_have_been_received_is_not_sent_again(method: str, body: Body) -> None:
    asked: list[bytes] = []
    async with (
        serving(_once_then("close", asked)) as server,
        closing(open_upstream(server.backend())) as upstream,
    ):
        await get(upstream)
        exchange = await upstream.open(asking(method, body=body))
        with pytest.raises(UpstreamStale):
            await exchange.head()
        assert (len(asked), server.accepted, exchange.attempts) == (1, 1, 1)


async def test_a_safe_request_is_repeated_once_and_no_more() -> None:
    first = True

    async def script(peer: Peer) -> None:
        nonlocal first
        if first:
            first = False
            await peer.answer()
        await peer.request()

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        await get(upstream)
        exchange = await upstream.open(asking())
        with pytest.raises(UpstreamBroke):
            await exchange.head()
        assert (server.accepted, exchange.attempts) == (2, 2)


async def test_a_partial_answer_on_a_reused_connection_is_not_stale() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        await peer.request()
        peer.send(b"HTTP/1.1 2")

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        await get(upstream)
        with pytest.raises(UpstreamBroke):
            await get(upstream)
        assert server.accepted == 1


async def test_a_repeat_finds_room_where_idle_connections_fill_the_cap() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        await peer.request()

    backend_caps = {"max_connections": 2}
    async with (
        serving(script) as server,
        closing(open_upstream(server.backend(**backend_caps))) as upstream,
    ):
        await asyncio.gather(get(upstream), get(upstream))
        assert upstream.stats().idle == 2
        assert (await get(upstream)).body == b"ok"


# --- deadlines --------------------------------------------------------------------------------------


async def _silent(peer: Peer) -> None:
    await peer.request()
    await peer.until_closed()


async def test_no_answer_in_time_is_a_timeout_and_frees_the_connection() -> None:
    async with serving(_silent) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking(timeouts=Timeouts(backend_request_s=0.5)))
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await exchange.head()
        assert 0.45 <= time.monotonic() - began < 1.5
        assert upstream.stats().connections == 0
        await eventually(lambda: server.open == 0)


async def test_dripping_a_head_does_not_gain_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        while not peer.writer.is_closing():
            peer.send(b"a: b\r\n")
            await peer.flush()
            await asyncio.sleep(0.02)

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking(timeouts=Timeouts(backend_request_s=0.3)))
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(exchange.head(), 3)


async def test_the_time_of_the_request_bounds_that_of_the_attempt() -> None:
    async with serving(_silent) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking(timeouts=Timeouts(request_s=0.2)))
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(exchange.head(), 3)


async def test_the_upstreams_time_runs_from_the_end_of_the_upload() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.reader.readexactly(4)
        peer.send(OK + b"content-length: 2\r\n\r\nok")

    timeouts = Timeouts(backend_request_s=0.3, stream_idle_s=0.3)
    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking("POST", body=Body("length", 4), timeouts=timeouts))
        reading = asyncio.create_task(whole(exchange))
        for byte in (b"a", b"b", b"c", b"d"):
            await asyncio.sleep(0.25)  # A slow client: together more than any of the timeouts.
            await exchange.send_body(byte)
        exchange.end_upload()
        assert (await reading).body == b"ok"


async def test_silence_in_a_body_is_a_timeout() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"content-length: 100\r\n\r\nhalf")
        await peer.until_closed()

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking(timeouts=Timeouts(stream_idle_s=0.3)))
        await exchange.head()
        assert await exchange.next_chunk() == b"half"
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout):
            await exchange.next_chunk()
        assert time.monotonic() - began < 1.3
        await eventually(lambda: server.open == 0)


async def test_an_upstream_that_stops_taking_an_upload_is_a_timeout() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(
            asking("POST", body=Body("length", 10**9), timeouts=Timeouts(stream_idle_s=0.3))
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

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"content-length: %d\r\n\r\n" % size + b"x" * size)
        await peer.flush()

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking(timeouts=Timeouts(stream_idle_s=0.2)))
        await exchange.head()
        await eventually(lambda: exchange.unread_s > 0.6)
        assert len((await whole(exchange)).body) == size
        assert exchange.unread_s == 0


async def test_whoever_waits_is_told_how_long() -> None:
    said: list[float] = []
    async with serving(_silent) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking())
        exchange.on_wait = said.append
        await eventually(lambda: len(said) >= 3)
        exchange.abort()
        heard = len(said)
        assert said == sorted(said)
        assert 0 < said[0] < 1
        other = await upstream.open(asking())
        other.on_wait = said.append
        await eventually(lambda: len(said) > heard)
        assert said[heard] < said[heard - 1]


async def test_a_hook_that_raises_does_not_stop_the_clock(caplog: pytest.LogCaptureFixture) -> None:
    def broken(seconds: float) -> None:
        raise RuntimeError("boom")

    async with serving(_silent) as server, closing(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(asking(timeouts=Timeouts(backend_request_s=0.4)))
        exchange.on_wait = broken
        with pytest.raises(UpstreamTimeout):
            await asyncio.wait_for(exchange.head(), 5)
    assert "boom" in caplog.text
