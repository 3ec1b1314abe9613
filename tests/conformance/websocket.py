"""A WebSocket through the facade, opened: both its ends as raw connections."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.frames import KEY, accepted
from tests.conformance.harness import Tier, client, facade, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import Origin, origin
from tests.support.wire import Head, Wire

ASKING = (
    b"GET /chat?room=1 HTTP/1.1\r\n"
    b"host: facade.example\r\n"
    b"upgrade: websocket\r\n"
    b"connection: Upgrade\r\n"
    b"origin: http://facade.example\r\n"
    b"sec-websocket-key: " + KEY + b"\r\n"
    b"sec-websocket-protocol: chat.v2, chat.v1\r\n"
    b"sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n"
    b"sec-websocket-version: 13\r\n"
    b"\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"upgrade: websocket\r\n"
    b"connection: Upgrade\r\n"
    b"sec-websocket-accept: " + accepted(KEY) + b"\r\n"
    b"sec-websocket-protocol: chat.v2\r\n"
    b"sec-websocket-extensions: permessage-deflate\r\n"
    b"\r\n"
)


@dataclass
class Opened:
    """A WebSocket after its handshake: the request as the origin got it, the response as the client did."""

    up: RunningFacade
    server: Origin
    client: Wire
    upstream: Wire
    request: Head
    response: Head


@contextlib.asynccontextmanager
async def opened(
    tier: Tier,
    folder: Path,
    *,
    route: str = "",
    drain_s: float = 1.0,
    behind: bytes = b"",
    asking: bytes = ASKING,
) -> AsyncIterator[Opened]:
    """Shake hands; `behind` comes from the origin in one packet with its 101."""
    async with origin() as server:
        routes = table(server.url, route=route)
        async with facade(tier, routes, folder, drain_s=drain_s) as up, client(up) as wire:
            wire.send(asking)
            upstream = await server.connection()
            request = await upstream.request_head()
            assert request.all(b"upgrade") == [b"websocket"], request
            upstream.send(SWITCHING + behind)
            response = await wire.response_head()
            assert response.status == 101, response
            yield Opened(up, server, wire, upstream, request, response)
