"""The client for backends. No other package opens connections to a backend.

    open_upstream --> HttpUpstream       our client: a Pool for each endpoint, used in turn
    |                   HttpExchange     one request and its response, awaited: for the ASGI tier
    |                     Connection     calls an ExchangeSink; the fast tier uses it directly
    |                       ResponseParser   in `http1`: parses the response
    +--> HttpxUpstream                   any httpx transport in place of our client

`httpx_transport.UpstreamTransport` is the other direction: it offers our client to users of httpx.

This package raises the errors of `proxy.errors`; `UpstreamTransport` raises those of httpx.
"""

import ssl
from typing import TYPE_CHECKING

from proxy.model import Backend
from proxy.upstream.acquire import Acquisition
from proxy.upstream.connection import Connection
from proxy.upstream.exchange import HttpExchange
from proxy.upstream.http_upstream import HttpUpstream, Observe
from proxy.upstream.interfaces import Exchange, ExchangeSink, Stats, Upstream
from proxy.upstream.pool import Pool
from proxy.upstream.private_connections import PrivateConnections, single_use
from proxy.upstream.sweep import SWEEP_S

if TYPE_CHECKING:
    import httpx

__all__ = [
    "SWEEP_S",
    "Acquisition",
    "Connection",
    "Exchange",
    "ExchangeSink",
    "HttpExchange",
    "HttpUpstream",
    "Pool",
    "PrivateConnections",
    "Stats",
    "Upstream",
    "open_upstream",
    "single_use",
]


def open_upstream(
    backend: Backend,
    transport: "httpx.AsyncBaseTransport | None" = None,
    tls: ssl.SSLContext | None = None,
    observe: Observe | None = None,
    receive_buffer_bytes: int | None = None,
) -> Upstream:
    """The upstream of a backend, without any connection yet. A `transport` takes the place of our client.

    The others are as in `HttpUpstream`. A transport uses none of them.
    """
    if transport is not None:
        # Imported here: importing httpx costs time and memory, and only a transport needs it.
        from proxy.upstream.httpx_upstream import HttpxUpstream

        return HttpxUpstream(backend, transport)
    return HttpUpstream(backend, tls, observe, receive_buffer_bytes)
