"""A backend over any httpx transport: the same interface, the same errors, the same bounds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from proxy.errors import (
    BadRequest,
    UpstreamBroke,
    UpstreamBusy,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.model import Backend, Body, Endpoint, Timeouts
from proxy.upstream import Upstream, open_upstream
from proxy.upstream.httpx_transport import UpstreamTransport
from tests.integration.upstream_client import closed_at_end, get, outgoing, whole
from tests.support.origin import origin
from tests.support.waiting import eventually
from tests.support.wire import Wire

BACKEND = Backend("old", (Endpoint("http", "old.example", 8080),))
QUICK = Timeouts(backend_request_s=0.2, stream_idle_s=0.2)


def _over(transport: httpx.AsyncBaseTransport) -> contextlib.AbstractAsyncContextManager[Upstream]:
    return closed_at_end(open_upstream(BACKEND, transport))


async def test_a_mock_hears_the_request_as_it_is() -> None:
    heard: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(201, headers=[("X-A", "1"), ("x-a", "2")], content=b"hello")

    async with _over(httpx.MockTransport(handle)) as upstream:
        request = outgoing("POST", b"/a?b=%20", headers=[(b"x", b"y"), (b"cookie", b"a=b")])
        response = await get(upstream, request)
    assert (response.status, response.body) == (201, b"hello")
    assert [pair for pair in response.headers if pair[0] == b"x-a"] == [
        (b"x-a", b"1"),
        (b"x-a", b"2"),
    ]
    assert str(heard[0].url) == "http://old.example:8080/a?b=%20"
    assert heard[0].headers.raw == [
        (b"Host", b"old.example:8080"),
        (b"x", b"y"),
        (b"cookie", b"a=b"),
    ]
    assert heard[0].extensions["target"] == b"/a?b=%20"


@pytest.mark.parametrize("body", [Body("length", 10), Body("chunked")], ids=["length", "chunked"])
async def test_a_body_arrives_whole(body: Body) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=await request.aread())

    async with _over(httpx.MockTransport(handle)) as upstream:
        exchange = await upstream.open(outgoing("POST", body=body))
        reading = asyncio.create_task(whole(exchange))
        for piece in (b"hello", b"world"):
            await asyncio.wait_for(exchange.send_body(piece), 5)
        exchange.end_upload()
        assert (await reading).body == b"helloworld"


async def test_our_own_transport_is_as_good_as_any() -> None:
    async def script(wire: Wire) -> None:
        while True:
            asked = await wire.request_head()
            wire.send(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(asked.line), asked.line)
            )

    async with origin(script) as server, UpstreamTransport() as transport:
        async with closed_at_end(open_upstream(server.backend(), transport)) as upstream:
            response = await get(upstream, outgoing(target=b"/x/../%7e?[a"))
    assert response.body == b"GET /x/../%7e?[a HTTP/1.1"


async def test_httpxs_own_transport_sends_the_raw_target() -> None:
    async def script(wire: Wire) -> None:
        asked = await wire.request_head()
        wire.send(
            b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(asked.line), asked.line)
        )

    async with origin(script) as server, httpx.AsyncHTTPTransport() as transport:
        async with closed_at_end(open_upstream(server.backend(), transport)) as upstream:
            response = await get(upstream, outgoing(target=b"/x/../y?"))
    assert response.body == b"GET /x/../y? HTTP/1.1"


async def test_no_cookie_of_one_request_is_in_the_next() -> None:
    seen: list[str | None] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"set-cookie": "session=alice; Path=/"})

    async with _over(httpx.MockTransport(handle)) as upstream:
        for _ in range(3):
            await get(upstream)
    assert seen == [None, None, None]


class _Streaming(httpx.AsyncByteStream):
    def __init__(self, pieces: list[bytes], then: Exception | None, stay: bool = False) -> None:
        self._pieces, self._then, self._stay = pieces, then, stay
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._then is not None:
            raise self._then
        if self._stay:
            await asyncio.sleep(60)

    async def aclose(self) -> None:
        self.closed = True


async def test_a_response_streams_and_is_truncated_as_with_our_client() -> None:
    stream = _Streaming([b"", b"half"], httpx.ReadError("cut"))
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    async with _over(transport) as upstream:
        exchange = await upstream.open(outgoing())
        await exchange.head()
        assert await exchange.next_chunk() == b"half"
        with pytest.raises(UpstreamBroke):
            await exchange.next_chunk()
        await eventually(lambda: stream.closed)


async def test_giving_up_closes_the_response() -> None:
    stream = _Streaming([b"half"], None, stay=True)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    async with _over(transport) as upstream:
        exchange = await upstream.open(outgoing())
        await exchange.head()
        exchange.abort()
        exchange.abort()
        await eventually(lambda: stream.closed)
        assert upstream.stats().in_flight == 0
        with pytest.raises(UpstreamBroke):
            await exchange.head()


async def test_silence_in_a_body_is_a_timeout() -> None:
    stream = _Streaming([b"half"], None, stay=True)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream))
    async with _over(transport) as upstream:
        exchange = await upstream.open(outgoing(timeouts=QUICK))
        await exchange.head()
        assert await exchange.next_chunk() == b"half"
        with pytest.raises(UpstreamTimeout):
            await exchange.next_chunk()


async def _never(request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(60)
    raise AssertionError


async def test_no_response_in_time_is_a_timeout() -> None:
    async with _over(httpx.MockTransport(_never)) as upstream:
        with pytest.raises(UpstreamTimeout):
            await get(upstream, outgoing(timeouts=QUICK))
        assert upstream.stats().in_flight == 0


async def test_the_time_runs_from_the_end_of_the_upload() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        await request.aread()
        await asyncio.sleep(60)
        raise AssertionError

    async with _over(httpx.MockTransport(handle)) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("chunked"), timeouts=QUICK))
        reading = asyncio.create_task(exchange.head())
        for _ in range(3):
            await asyncio.sleep(0.15)
            await exchange.send_body(b"x")
        assert not reading.done()
        exchange.end_upload()
        with pytest.raises(UpstreamTimeout):
            await reading


async def test_an_upload_ends_when_the_response_is_over() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        stream = request.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        await anext(aiter(stream))
        return httpx.Response(413)

    class Early(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await handle(request)

    async with _over(Early()) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("chunked")))
        reading = asyncio.create_task(whole(exchange))
        for _ in range(3):
            await asyncio.wait_for(exchange.send_body(b"x"), 5)
        assert (await reading).status == 413


@pytest.mark.parametrize("sent", [b"short", b"much too long"], ids=["shorter", "longer"])
async def test_an_upload_unlike_its_length_is_given_up(sent: bytes) -> None:
    ended: list[bytes] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        ended.append(await request.aread())
        return httpx.Response(200)

    async def upload() -> None:
        await exchange.send_body(sent)
        exchange.end_upload()

    async with _over(httpx.MockTransport(handle)) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("length", 9)))
        reading = asyncio.create_task(exchange.head())
        with pytest.raises(BadRequest):
            await asyncio.wait_for(upload(), 5)
        with pytest.raises(UpstreamBroke):
            await asyncio.wait_for(reading, 5)
    assert ended == []


async def test_cancelling_whoever_waits_frees_its_place() -> None:
    async with _over(httpx.MockTransport(_never)) as upstream:
        task = asyncio.create_task(get(upstream))
        await eventually(lambda: upstream.stats().in_flight == 1)
        task.cancel()
        await asyncio.wait((task,))
        assert upstream.stats().in_flight == 0


async def test_more_requests_than_the_caps_allow_are_busy() -> None:
    backend = Backend("old", BACKEND.endpoints, False, 1, 1)
    async with closed_at_end(open_upstream(backend, httpx.MockTransport(_never))) as upstream:
        opened = [await upstream.open(outgoing()) for _ in range(2)]
        with pytest.raises(UpstreamBusy):
            await upstream.open(outgoing())
        opened[0].abort()
        await upstream.open(outgoing())


async def test_whoever_waits_is_told_how_long() -> None:
    said: list[float] = []
    async with _over(httpx.MockTransport(_never)) as upstream:
        exchange = await upstream.open(outgoing())
        exchange.on_elapsed = said.append
        task = asyncio.create_task(exchange.head())
        await eventually(lambda: len(said) >= 3)
        assert said == sorted(said)
        exchange.abort()
        with pytest.raises(UpstreamBroke):
            await task


async def test_closing_waits_and_then_cuts_off() -> None:
    upstream = open_upstream(BACKEND, httpx.MockTransport(_never))
    task = asyncio.create_task(get(upstream))
    await eventually(lambda: upstream.stats().in_flight == 1)
    await asyncio.wait_for(upstream.aclose(0.05), 2)
    with pytest.raises(UpstreamBroke):
        await task


@pytest.mark.parametrize("target", [b"\xff", b"nothing \x00"])
async def test_a_target_that_the_transport_cannot_carry_is_refused(target: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    async with _over(transport) as upstream:
        with pytest.raises(BadRequest):
            await get(upstream, outgoing(target=target))


async def test_a_refusal_of_the_transport_is_ours() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    async with _over(httpx.MockTransport(handle)) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)
        assert upstream.stats().in_flight == 0


async def test_a_response_that_only_threads_can_read_is_refused() -> None:
    class Blocking(httpx.SyncByteStream):
        pass

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Blocking()))
    async with _over(transport) as upstream:
        with pytest.raises(UpstreamBroke):
            await get(upstream)
