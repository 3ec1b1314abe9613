"""Bodies of requests to an upstream, over real sockets: both directions at the same time, to the last byte."""

import asyncio

import pytest

from proxy.errors import BadRequest
from proxy.model import Body
from proxy.upstream import open_upstream
from tests.integration.upstream_client import closed_at_end, echo, outgoing, whole
from tests.support.origin import origin
from tests.support.waiting import eventually
from tests.support.wire import Wire

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (Body("length", 11), b"hello world"),
        (Body("chunked"), b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"),
    ],
    ids=["length", "chunked"],
)
async def test_a_body_is_framed_as_announced(body: Body, sent: bytes) -> None:
    async with origin(echo) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("POST", body=body))
        assert exchange.has_body
        for piece in (b"hello ", b"", b"world"):
            await exchange.send_body(piece)
        exchange.end_upload()
        assert (await whole(exchange)).body == sent
        assert upstream.stats().idle == 1


@pytest.mark.parametrize("body", [Body("none"), Body("length")], ids=["none", "empty"])
async def test_without_body_bytes_there_is_no_upload(body: Body) -> None:
    async with origin(echo) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("POST", body=body))
        assert not exchange.has_body
        await exchange.send_body(b"dropped")
        exchange.end_upload()
        assert (await whole(exchange)).body == b""


@pytest.mark.parametrize("sent", [b"short", b"much too long for it"], ids=["shorter", "longer"])
async def test_an_upload_unlike_its_length_never_looks_complete(sent: bytes) -> None:
    got: list[bytes] = []
    arrived = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        arrived.set()
        got.append((await wire.end())[0])

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("length", 9)))
        await arrived.wait()

        async def upload() -> None:
            await exchange.send_body(sent)
            exchange.end_upload()

        with pytest.raises(BadRequest):
            await upload()
        with pytest.raises(BadRequest):
            await exchange.head()
        await eventually(lambda: bool(got))
    assert len(got[0]) < 9


async def test_an_upload_given_up_is_not_ended() -> None:
    got: list[bytes] = []

    async def script(wire: Wire) -> None:
        await wire.request_head()
        got.append((await wire.end())[0])

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("chunked")))
        await exchange.send_body(b"half")
        await asyncio.sleep(0)
        exchange.abort()
        await eventually(lambda: bool(got))
        assert upstream.stats().connections == 0
    assert not got[0].endswith(b"0\r\n\r\n")


async def test_an_early_response_is_noticed_during_the_upload() -> None:
    gone = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await wire.end()
        gone.set()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("length", 10**9)))
        await exchange.send_body(b"x" * 1000)
        response = await whole(exchange)
        assert (response.status, response.body) == (413, b"big")
        assert upstream.stats().connections == 0
        await exchange.send_body(b"dropped")  # The response is over: nobody wants it.
        exchange.end_upload()
        await asyncio.wait_for(gone.wait(), 1)


async def test_both_directions_stream_at_the_same_time() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(3):
            size = int(await wire.until(b"\r\n"), 16)
            data = (await wire.exactly(size + 2))[:-2]
            wire.send(b"%x\r\n%b\r\n" % (len(data), data.upper()))
        await wire.until(b"0\r\n\r\n")
        wire.send(b"0\r\nx-sum: 3\r\n\r\n")

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing("POST", body=Body("chunked")))
        for word in (b"one", b"two", b"three"):
            await exchange.send_body(word)
            assert (await exchange.head()).status == 200
            assert await asyncio.wait_for(exchange.next_chunk(), 5) == word.upper()
        exchange.end_upload()
        assert await asyncio.wait_for(exchange.next_chunk(), 5) is None
        assert exchange.trailers == [(b"x-sum", b"3")]
