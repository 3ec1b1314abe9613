"""Sends one copy, and observes its response. Every failure is a value."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from msgspec import Struct

from proxy.comparison.observation import Observation
from proxy.errors import RequestError, UpstreamBusy
from proxy.http1.response_head import ResponseHead
from proxy.mirroring.copied_exchange import failure_of
from proxy.mirroring.kept_body import KeptBody
from proxy.model import Outgoing
from proxy.upstream import Exchange, Upstream

TOO_LONG = "too_long"
"""The failure of a response that is much longer than that of the client. It is not read to its end."""
BUSY = "busy"
"""The failure of a copy that had no connection: a limit of the facade, and nothing about the backend."""


class _Response(Struct):
    """As much of a response as has come."""

    body: KeptBody
    began: float
    head: ResponseHead | None = None

    def observed(self, failure: str) -> Observation:
        head, duration_s = self.head, time.monotonic() - self.began
        if head is None:
            return Observation(duration_s=duration_s, failure=failure)
        return self.body.observation(head, duration_s, failure)


async def observe(
    upstream: Upstream,
    request: Outgoing,
    sent: bytes,
    body: KeptBody,
    most_bytes: int,
) -> Observation:
    """Send `request` with the body `sent`. The response's body is kept in `body`; at most `most_bytes` are read."""
    response = _Response(body, time.monotonic())
    try:
        async with asyncio.timeout(request.timeouts.request_s):
            exchange = await upstream.open(request)
            try:
                async with _uploading(exchange, sent):
                    is_whole = await _receive(exchange, response, most_bytes)
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


async def _receive(exchange: Exchange, response: _Response, most_bytes: int) -> bool:
    """Whether the response was received to its end."""
    response.head = await exchange.head()
    body = response.body
    while (data := await exchange.next_chunk()) is not None:
        body.add(data)
        if body.length > most_bytes:
            return False
    return True
