"""What must hold in bulk: no byte crosses, no memory grows, nothing is left behind (promises U5 and C2)."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import cast

from proxy.errors import UpstreamError
from proxy.model import Backend, Body, Endpoint
from proxy.upstream import open_upstream
from tests.integration.upstream_client import closed_at_end, outgoing, whole
from tests.support.origin import Origin, origin
from tests.support.waiting import eventually
from tests.support.wire import Wire

OK = b"HTTP/1.1 200 OK\r\n"
SECRET = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret"


def _length(body: bytes) -> bytes:
    return OK + b"content-length: %d\r\n\r\n%b" % (len(body), body)


def _chunked(body: bytes) -> bytes:
    return OK + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


# Path of the request -> the response, given the name of the request. Some with bytes beyond their end.
SHAPES: dict[bytes, Callable[[bytes], bytes]] = {
    b"/length": _length,
    b"/chunked": _chunked,
    b"/204": lambda name: b"HTTP/1.1 204 No Content\r\nx-name: %b\r\n\r\n" % name,
    b"/length-surplus": lambda name: _length(name) + SECRET,
    b"/length-line": lambda name: _length(name) + b"\r\n",
    b"/chunked-surplus": lambda name: _chunked(name) + SECRET,
    b"/chunked-part": lambda name: _chunked(name) + b"HTTP/1.1 2",
    b"/204-body": lambda name: b"HTTP/1.1 204 No Content\r\n\r\n" + SECRET,
    b"/304-body": lambda name: b"HTTP/1.1 304 Not Modified\r\n\r\n" + SECRET,
    b"/head-body": lambda name: _length(name) + SECRET,
    b"/close": lambda name: OK + b"\r\n" + name,
}


class _Mixed(asyncio.Protocol):
    """Responds in the form that the path names. Not a script: 10,000 scripts take too long."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1]
        name = data.partition(b"x-name: ")[2].partition(b"\r\n")[0]
        self._transport.write(SHAPES[path](name))
        if path == b"/close":
            self._transport.close()


async def test_ten_thousand_requests_and_no_byte_of_one_in_the_response_to_another() -> None:
    draw = random.Random(7)
    plan = [draw.choice([*SHAPES, *[b"/length", b"/chunked"] * 15]) for _ in range(10_000)]
    left = iter(enumerate(plan))
    server = await asyncio.get_running_loop().create_server(_Mixed, "127.0.0.1", 0)
    endpoint = Endpoint("http", "127.0.0.1", server.sockets[0].getsockname()[1])
    async with server, closed_at_end(open_upstream(Backend("old", (endpoint,)))) as upstream:

        async def worker() -> None:
            for number, path in left:
                name = b"name-%d" % number
                method = "HEAD" if path == b"/head-body" else "GET"
                exchange = await upstream.open(outgoing(method, path, headers=[(b"x-name", name)]))
                response = await whole(exchange)
                if method == "HEAD" or path in (b"/204", b"/204-body", b"/304-body"):
                    assert response.body == b""
                else:
                    assert response.body == name
                assert all(value == name for key, value in response.headers if key == b"x-name")

        await asyncio.gather(*(worker() for _ in range(16)))
        assert next(left, None) is None
        assert upstream.stats().in_flight == 0


async def test_a_reader_that_stalls_holds_a_megabyte_and_no_more() -> None:
    size = 64 * 1024 * 1024
    taken = 0

    async def script(wire: Wire) -> None:
        nonlocal taken
        await wire.request_head()
        wire.send(OK + b"content-length: %d\r\n\r\n" % size)
        block = b"x" * 65536
        for _ in range(size // len(block)):
            wire.send(block)
            await wire.flush()
            taken += len(block)

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing())
        await exchange.head()
        await _stands_still(lambda: taken)
        assert taken < 24 * 1024 * 1024  # Kernel buffers on both sides are most of this.
        first = await exchange.next_chunk()
        assert first is not None
        assert len(first) <= 1024 * 1024
        rest = 0
        while (data := await exchange.next_chunk()) is not None:
            assert len(data) <= 1024 * 1024
            rest += len(data)
        assert len(first) + rest == size


async def test_an_upload_goes_no_faster_than_it_is_taken() -> None:
    go_on = asyncio.Event()
    size = 64 * 1024 * 1024

    async def script(wire: Wire) -> None:
        await wire.request_head()
        await go_on.wait()
        left = size
        while left:
            left -= len(await wire.more())
        wire.send(OK + b"content-length: 0\r\n\r\n")

    sent = 0
    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("PUT", body=Body("length", size)))

        async def upload() -> None:
            nonlocal sent
            for _ in range(size // 65536):
                await exchange.send_body(b"x" * 65536)
                sent += 65536
            exchange.end_upload()

        sending = asyncio.create_task(upload())
        await _stands_still(lambda: sent)
        assert sent < 24 * 1024 * 1024
        go_on.set()
        assert (await whole(exchange)).status == 200
        await sending
        assert upstream.stats().idle == 1


async def test_whatever_upstreams_do_nothing_is_left_of_it() -> None:
    draw = random.Random(11)
    ends = [
        b"",
        b"HTTP/1.1 200",
        OK,
        OK + b"content-length: 9\r\n\r\nhalf",
        b"junk\r\n\r\n",
        _length(b"x"),
    ]
    ends += [_chunked(b"x"), OK + b"\r\nall", OK + b"transfer-encoding: chunked\r\n\r\n1\r\nxx"]

    async def script(wire: Wire) -> None:
        for _ in range(draw.randrange(1, 5)):
            await wire.respond()
        await wire.request_head()
        wire.send(draw.choice(ends))
        await wire.flush()
        if draw.random() < 0.3:
            wire.reset()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:

        async def worker() -> None:
            for _ in range(40):
                exchange = await upstream.open(outgoing())
                if draw.random() < 0.1:
                    exchange.abort()
                with contextlib.suppress(UpstreamError):
                    await whole(exchange)

        await asyncio.wait_for(asyncio.gather(*(worker() for _ in range(16))), 30)
        assert upstream.stats().in_flight == upstream.stats().pending == 0
        await _emptied(server, upstream.stats().idle)


async def _emptied(server: Origin, idle: int) -> None:
    await eventually(lambda: server.open <= idle)


async def _stands_still(count: Callable[[], int]) -> None:
    """Wait until a counter has moved, and then has not for a while."""
    await eventually(lambda: count() > 0)
    seen, since = count(), 0
    while since < 20:
        await asyncio.sleep(0.01)
        seen, since = (count(), 0) if count() != seen else (seen, since + 1)
