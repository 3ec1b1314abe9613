"""One probe of an endpoint: a request on a connection of its own, bounded in time and size."""

import asyncio
import ssl

from proxy.errors import RequestError
from proxy.model import Backend, Body, Endpoint, HealthCheck, Outgoing, Timeouts, field_name
from proxy.routing.paths import to_wire
from proxy.upstream import HttpUpstream

_MAX_BODY_BYTES = 64 * 1024
_USER_AGENT = (field_name(b"User-Agent"), b"facade-health-check")


async def probe(
    backend: Backend, endpoint: Endpoint, check: HealthCheck, tls: ssl.SSLContext | None
) -> str:
    """Send a probe. Returns the reason why it failed; empty for a complete 2xx response.

    The connection is new, and closed at the end: a backend that accepts no connections fails the probe.
    """
    own = Backend(
        backend.name,
        (endpoint,),
        max_connections=1,
        tls=backend.tls,
        tolerate=backend.tolerate,
    )
    upstream = HttpUpstream(own, tls)
    try:
        async with asyncio.timeout(check.timeout_s):
            return await _failure(upstream, check)
    except TimeoutError:
        return f"no complete response within {check.timeout_s:g}s"
    except RequestError as error:
        return str(error).removeprefix(f"backend {backend.name} ")
    finally:
        await upstream.aclose(0.0)


async def _failure(upstream: HttpUpstream, check: HealthCheck) -> str:
    """Raises RequestError."""
    bound_s = check.timeout_s
    timeouts = Timeouts(connect_s=bound_s, request_s=bound_s, stream_idle_s=bound_s)
    request = Outgoing("GET", to_wire(check.path), None, [_USER_AGENT], Body("none"), timeouts)
    exchange = await upstream.open(request)
    try:
        head = await exchange.head()
        if not 200 <= head.status < 300:
            return f"status {head.status}"
        size = 0
        while (data := await exchange.next_chunk()) is not None:
            size += len(data)
            if size > _MAX_BODY_BYTES:
                return f"a response of more than {_MAX_BODY_BYTES // 1024} KiB"
        return ""
    finally:
        exchange.abort()
