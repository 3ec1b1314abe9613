"""One request to an upstream and its response, over real sockets."""

import asyncio
import contextlib

import pytest

from proxy.errors import BadRequest, UpstreamBroke
from proxy.model import Body, HeaderPairs
from proxy.upstream import open_upstream
from proxy.upstream.exchange import HIGH_WATER_BYTES
from tests.integration.upstream_client import closed_at_end, echo, get, outgoing, whole
from tests.support.origin import origin
from tests.support.waiting import eventually
from tests.support.wire import Head, Wire

OK = b"HTTP/1.1 200 OK\r\n"


async def test_requests_follow_each_other_over_one_connection() -> None:
    async with origin(echo) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        for _ in range(5):
            response = await get(upstream)
            assert (response.status, response.body) == (200, b"")
        assert server.accepted == 1
        assert upstream.stats().idle == 1


async def test_target_and_fields_arrive_byte_for_byte() -> None:
    seen: list[Head] = []

    async def script(wire: Wire) -> None:
        seen.append(await wire.request_head())
        wire.send(OK + b"content-length: 0\r\n\r\n")

    fields: HeaderPairs = [(b"x-a", b"1"), (b"cookie", b"a=\xff"), (b"x-a", b"2")]
    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        await get(upstream, outgoing(target=b"/a/../b%2F%7e;c?d=[%00", headers=fields))
    assert seen[0].line == b"GET /a/../b%2F%7e;c?d=[%00 HTTP/1.1"
    sent = [(b"Host", b"127.0.0.1:%d" % server.port), *fields]
    assert seen[0].field_lines == [b"%b: %b" % pair for pair in sent]


async def test_interim_responses_are_reported_beside_the_final_one() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
        await wire.flush()
        wire.send(OK + b"content-length: 2\r\n\r\nok")

    told: list[tuple[int, HeaderPairs]] = []
    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing())
        exchange.on_1xx = lambda status, headers: told.append((status, headers))
        assert (await whole(exchange)).body == b"ok"
    assert told == [(100, []), (103, [(b"link", b"</a>")])]


async def test_a_response_to_head_has_no_body_and_spares_the_connection() -> None:
    async def script(wire: Wire) -> None:
        while True:
            asked = await wire.request_head()
            body = b"" if asked.line.startswith(b"HEAD") else b"four"
            wire.send(OK + b"content-length: 4\r\n\r\n" + body)

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        for method in ("HEAD", "GET", "HEAD", "HEAD", "GET"):
            response = await get(upstream, outgoing(method))
            assert response.body == (b"four" if method == "GET" else b"")
            assert response.headers == [(b"content-length", b"4")]
        assert server.accepted == 1


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + b"connection: close\r\ncontent-length: 2\r\n\r\nok",
        OK + b"\r\nok",
        OK + b"content-length: 2\r\n\r\nok\r\n",
        OK + b"content-length: 2\r\n\r\nok" + OK + b"content-length: 1\r\n\r\nx",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nsecret",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n",
    ],
    ids=[
        "1.0",
        "close",
        "until close",
        "CRLF",
        "another response",
        "after chunks",
        "CRLF after chunks",
    ],
)
async def test_such_a_response_is_whole_and_its_connection_not_used_again(response: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(response)

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        for count in (1, 2):
            assert (await get(upstream)).body == b"ok"
            assert server.accepted == count
            assert upstream.stats().connections == 0


async def test_a_length_is_counted_over_many_reads() -> None:
    size = 3_000_000

    async def script(wire: Wire) -> None:
        while True:
            await wire.request_head()
            wire.send(OK + b"content-length: %d\r\n\r\n" % size + b"x" * size)
            await wire.flush()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        for _ in range(3):
            assert len((await get(upstream)).body) == size
        assert server.accepted == 1


async def test_a_response_that_fills_the_buffer_with_its_last_byte_spares_the_connection() -> None:
    size = HIGH_WATER_BYTES + 1

    async def script(wire: Wire) -> None:
        while True:
            await wire.request_head()
            wire.send(OK + b"content-length: %d\r\n\r\n" % size + b"x" * (size - 2))
            await wire.flush()
            # The reads before are below the mark, however the kernel parts them.
            wire.send(b"xx")

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        for _ in range(3):
            exchange = await upstream.open(outgoing())
            await eventually(lambda: upstream.stats().idle == 1)
            assert len((await whole(exchange)).body) == size
        assert server.accepted == 1


@pytest.mark.parametrize("phase", ["before the head", "in the body", "in the upload"])
async def test_cancelling_whoever_waits_frees_the_connection(phase: str) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        asked.set()
        if phase == "in the body":
            wire.send(OK + b"content-length: 9\r\n\r\nhalf")
        if phase != "in the upload":
            await wire.end()
            gone.set()
        else:
            await asyncio.sleep(60)  # Takes nothing.

    async def ask() -> None:
        uploading = phase == "in the upload"
        exchange = await upstream.open(
            outgoing("POST", body=Body("length", 10**9) if uploading else Body("none"))
        )
        if uploading:
            while True:
                await exchange.send_body(b"x" * 100_000)
        await whole(exchange)

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        task = asyncio.create_task(ask())
        await eventually(lambda: server.accepted == 1 and upstream.stats().in_flight == 1)
        await asyncio.wait_for(asked.wait(), 5)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert upstream.stats().connections == 0
        if phase != "in the upload":
            await asyncio.wait_for(gone.wait(), 1)


async def test_after_its_end_an_exchange_does_no_harm_to_the_next_one() -> None:
    async with origin(echo) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        first = await upstream.open(outgoing("POST", body=Body("length", 2)))
        await first.send_body(b"hi")
        first.end_upload()
        await whole(first)
        second = await upstream.open(outgoing("POST", body=Body("length", 2)))
        await first.send_body(b"xx")
        first.end_upload()
        first.abort()
        await second.send_body(b"ho")
        second.end_upload()
        assert (await whole(second)).body == b"ho"
        assert server.accepted == 1


async def test_an_exchange_given_up_says_so() -> None:
    async with origin(echo) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("length", 2)))
        exchange.abort()
        exchange.abort()
        with pytest.raises(UpstreamBroke):
            await exchange.head()
        with pytest.raises(UpstreamBroke):
            await exchange.send_body(b"hi")


async def test_a_head_that_cannot_be_sent_leaves_the_connection_unharmed() -> None:
    async with origin(echo) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        await get(upstream)
        with pytest.raises(BadRequest):
            await upstream.open(outgoing(headers=[(b"a", b"b\r\nc: d")]))
        await get(upstream)
        assert server.accepted == 1
