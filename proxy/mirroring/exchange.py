"""Sends one copy, and observes its response. Every failure is a value."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct

from proxy.comparison.observation import Observation
from proxy.errors import RequestError, UpstreamBusy
from proxy.mirroring.copy import failure_of
from proxy.mirroring.kept_body import KeptBody
from proxy.model import HeaderPairs, Outgoing
from proxy.upstream import Exchange, Upstream

TOO_LONG = "too_long"
"""The failure of a response that is much longer than that of the client. It is not read to its end."""
BUSY = "busy"
"""The failure of a copy that had no connection: a limit of the facade, and nothing about the backend."""


AllowsMore = Callable[[int], Awaitable[bool]]
"""Waits until more may be read of a response of which so many bytes have come. False: it is long enough."""


class _Response(Struct):
    """As much of a response as has come."""

    body: KeptBody
    began: float
    status: int = 0
    headers: HeaderPairs = []

    def observed(self, failure: str) -> Observation:
        body = self.body
        return Observation(
            self.status,
            self.headers,
            body.data,
            body.length if body.is_hashed else None,
            body.digest,
            time.monotonic() - self.began,
            failure,
        )


async def observe(
    upstream: Upstream, request: Outgoing, sent: bytes, body: KeptBody, allows_more: AllowsMore
) -> Observation:
    """Send `request` with the body `sent`. The response's body is kept in `body`."""
    response = _Response(body, time.monotonic())
    try:
        async with asyncio.timeout(request.timeouts.request_s):
            exchange = await upstream.open(request)
            try:
                async with _uploading(exchange, sent):
                    is_whole = await _receive(exchange, response, allows_more)
            finally:
                exchange.abort()
    except TimeoutError:
        return response.observed("timeout")
    except UpstreamBusy:
        return response.observed(BUSY)
    except RequestError as error:
        return response.observed(failure_of(error))
    return response.observed("" if is_whole else TOO_LONG)


@contextlib.asynccontextmanager
async def _uploading(exchange: Exchange, sent: bytes) -> AsyncIterator[None]:
    """Send the body of the request inside the block, beside receiving: a response may come before its end."""
    if not exchange.has_body:
        yield
        return
    task = asyncio.get_running_loop().create_task(_upload(exchange, sent))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _upload(exchange: Exchange, sent: bytes) -> None:
    # The response, or its absence, tells how the upload ended.
    with contextlib.suppress(RequestError):
        await exchange.send_body(sent)
        exchange.end_upload()


async def _receive(exchange: Exchange, response: _Response, allows_more: AllowsMore) -> bool:
    """Whether the response was received to its end."""
    head = await exchange.head()
    response.status, response.headers = head.status, head.fields.pairs
    body = response.body
    while (data := await exchange.next_chunk()) is not None:
        body.add(data)
        if not await allows_more(body.length):
            return False
    return True
