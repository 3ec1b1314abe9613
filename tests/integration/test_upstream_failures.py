"""Upstreams that refuse, reset, lie and babble: promises U1, U2 and U4."""

import asyncio
import time

import pytest

from proxy.errors import (
    UpstreamBroke,
    UpstreamError,
    UpstreamUnreachable,
)
from proxy.model import Backend, Endpoint
from proxy.upstream import open_upstream
from tests.integration.upstream_client import closed_at_end, get, outgoing, whole
from tests.support.origin import Script, origin
from tests.support.ports import free_port
from tests.support.waiting import eventually
from tests.support.wire import Wire

OK = b"HTTP/1.1 200 OK\r\n"


async def test_a_refused_connection_is_told_at_once() -> None:
    backend = Backend("old", (Endpoint("http", "127.0.0.1", free_port()),))
    async with closed_at_end(open_upstream(backend)) as upstream:
        began = time.monotonic()
        with pytest.raises(UpstreamUnreachable, match="backend old refused") as caught:
            await upstream.open(outgoing())
        assert time.monotonic() - began < 1
        assert caught.value.backend == "old"


async def test_a_name_without_address_is_unreachable() -> None:
    backend = Backend("old", (Endpoint("http", "nowhere.invalid", 80),))
    async with closed_at_end(open_upstream(backend)) as upstream:
        with pytest.raises(UpstreamError):
            await upstream.open(outgoing())


async def test_a_connection_closed_at_once_is_told() -> None:
    async def script(wire: Wire) -> None:
        wire.reset()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        with pytest.raises(UpstreamError):
            await get(upstream)


def _sends_then(data: bytes, end: str) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(data)
        await wire.flush()
        if end == "reset":
            await asyncio.sleep(0.02)  # Let the bytes out: a reset overtakes what is still queued.
            wire.reset()

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
        origin(_sends_then(start, end)) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        exchange = await upstream.open(outgoing())
        assert (await exchange.head()).status == 200
        assert await exchange.next_chunk() == b"half"
        with pytest.raises(UpstreamBroke):
            await exchange.next_chunk()
        assert upstream.stats().connections == 0


async def test_a_body_until_close_is_complete_only_if_it_was_closed_cleanly() -> None:
    for end, complete in (("close", True), ("reset", False)):
        async with (
            origin(_sends_then(OK + b"\r\nhalf", end)) as server,
            closed_at_end(open_upstream(server.backend())) as upstream,
        ):
            if complete:
                assert (await get(upstream)).body == b"half"
            else:
                with pytest.raises(UpstreamBroke):
                    await get(upstream)


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 20", OK + b"a: b\r\n"])
async def test_a_response_that_never_began_is_reported(start: bytes, end: str) -> None:
    async with (
        origin(_sends_then(start, end)) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        exchange = await upstream.open(outgoing())
        with pytest.raises(UpstreamBroke):
            await exchange.head()
        assert server.accepted == 1  # A new connection: nothing is sent twice.


@pytest.mark.parametrize(
    "response",
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
async def test_nonsense_is_told_at_once_and_its_connection_closed(response: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(response)
        await wire.end()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing())
        with pytest.raises(UpstreamBroke) as caught:
            await asyncio.wait_for(exchange.head(), 5)
        assert caught.value.backend == "old"
        assert upstream.stats().connections == 0
        await eventually(lambda: server.open == 0)


async def test_nonsense_inside_a_body_truncates_the_response() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
        await wire.flush()
        await more.wait()
        wire.send(b"2\r\nok!")

    more = asyncio.Event()
    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        exchange = await upstream.open(outgoing())
        await exchange.head()
        assert await exchange.next_chunk() == b"ok"
        more.set()
        with pytest.raises(UpstreamBroke):
            await whole(exchange)
