"""Requests straight to an upstream, without a facade around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from proxy.model import Body, HeaderPairs, Outgoing, Timeouts
from proxy.upstream import Exchange, HttpUpstream, Upstream
from tests.support.origin import Gate, Origin, ok, origin
from tests.support.wire import Wire

NO_BODY = Body("none")
USUAL_TIMEOUTS = Timeouts()


def outgoing(
    method: str = "GET",
    target: bytes = b"/",
    *,
    headers: HeaderPairs | None = None,
    body: Body = NO_BODY,
    timeouts: Timeouts = USUAL_TIMEOUTS,
) -> Outgoing:
    return Outgoing(method, target, None, headers or [], body, timeouts)


@dataclass
class Response:
    """A whole response."""

    status: int
    headers: HeaderPairs
    body: bytes
    trailers: HeaderPairs


async def whole(exchange: Exchange) -> Response:
    """Read a response to its end, in at most ten seconds."""
    async with asyncio.timeout(10):
        head = await exchange.head()
        status, headers = head.status, head.pairs
        body = b""
        while (data := await exchange.next_chunk()) is not None:
            body += data
    return Response(status, headers, body, exchange.trailers)


async def get(upstream: Upstream, request: Outgoing | None = None) -> Response:
    """Send a request, and read the whole response."""
    return await whole(await upstream.open(request or outgoing()))


@contextlib.asynccontextmanager
async def closed_at_end(upstream: Upstream) -> AsyncIterator[Upstream]:
    """Close an upstream at the end, and check that no connection of it is left."""
    try:
        yield upstream
    finally:
        await upstream.aclose(0.0)
        left = upstream.stats()
        assert (left.connections, left.pending) == (0, 0), left


@contextlib.asynccontextmanager
async def gated(**caps: int) -> AsyncIterator[tuple[Gate, Origin, HttpUpstream]]:
    gate = Gate()
    async with origin(gate) as server:
        upstream = HttpUpstream(server.backend(**caps))
        async with closed_at_end(upstream):
            yield gate, server, upstream


async def echo(wire: Wire) -> None:
    """An origin's script: responds with the bytes of the request's body, its framing included."""
    while True:
        request = await wire.request_head()
        body = b""
        if lengths := request.all(b"content-length"):
            body = await wire.exactly(int(lengths[0]))
        elif request.all(b"transfer-encoding"):
            body = await wire.until(b"0\r\n\r\n") + b"0\r\n\r\n"
        wire.send(ok(body))
