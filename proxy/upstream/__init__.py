"""The only place that speaks to an upstream.

    open_upstream --> HttpUpstream       ours: endpoints in turn, a Pool each
    |                   HttpExchange     what is awaited: one request, its answer
    |                     Connection     pushes into an ExchangeSink; the fast tier uses it without the two above
    |                       Reader       bytes in, answer out; rules in `answer`
    +--> ForeignUpstream                 any httpx transport, at its own price

`transport.UpstreamTransport` offers our client to users of httpx. Errors that leave this package are those of
`proxy.errors`, or httpx's own where httpx is the caller.
"""

import ssl
from typing import TYPE_CHECKING

from proxy.model import Backend
from proxy.upstream.acquire import Acquisition
from proxy.upstream.connection import Connection
from proxy.upstream.http_upstream import HttpUpstream
from proxy.upstream.interfaces import Exchange, ExchangeSink, Stats, Upstream
from proxy.upstream.pool import Pool
from proxy.upstream.sweep import SWEEP_S

if TYPE_CHECKING:
    import httpx

__all__ = [
    "SWEEP_S",
    "Acquisition",
    "Connection",
    "Exchange",
    "ExchangeSink",
    "HttpUpstream",
    "Pool",
    "Stats",
    "Upstream",
    "open_upstream",
]


def open_upstream(
    backend: Backend,
    transport: "httpx.AsyncBaseTransport | None" = None,
    tls: ssl.SSLContext | None = None,
) -> Upstream:
    """The upstream of a backend. Nothing is connected yet. `transport` takes the place of our own client.

    `tls` is how https endpoints are spoken to; a transport brings its own.
    """
    if transport is not None:
        # With it comes httpx, which a facade with none but its own client neither waits for nor holds.
        from proxy.upstream.httpx_upstream import ForeignUpstream

        return ForeignUpstream(backend, transport)
    return HttpUpstream(backend, tls)
