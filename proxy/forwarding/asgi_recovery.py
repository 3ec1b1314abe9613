"""The attempts of a request on the ASGI tier whose route has `retry`, `fallback` or `response_ok` (ADR 28)."""

import asyncio
from collections.abc import Awaitable, Callable

from proxy.errors import RequestError, UpstreamError, without_trace
from proxy.forwarding.asgi_exchange import AsgiExchange, CopiedUpload
from proxy.forwarding.copied import end_copy
from proxy.forwarding.decided import Decided
from proxy.forwarding.recovery import Recovery
from proxy.model import Timeouts
from proxy.routing.next_step import Step
from proxy.routing.response_ok import MAX_JUDGED_BYTES
from proxy.upstream import Exchange, HttpExchange

Open = Callable[[Decided, Timeouts], Awaitable[Exchange]]
"""Sends the head of the request to the backend of a decision."""


async def forward_judged(asgi: AsgiExchange, open_exchange: Open, recovery: Recovery) -> None:
    """`AsgiExchange.run` with as many attempts as the route allows. Raises RequestError."""
    try:
        await _forward(asgi, open_exchange, recovery)
    except RequestError as error:
        if asgi.copy is not None:
            asgi.copy.over(error, complete=False)
        raise
    finally:
        recovery.end()
        if asgi.copy is not None:
            asgi.copy.over(None, asgi.out.complete)


async def _forward(asgi: AsgiExchange, open_exchange: Open, recovery: Recovery) -> None:
    client = asgi.client
    client.keeps = True
    try:
        while True:
            step = await _attempt(asgi, open_exchange, recovery)
            if step.kind == "pass_on":
                return
            if step.kind == "fallback" or client.has_body:
                # A body that is sent again would come twice to the copy.
                end_copy(asgi.copy)
                asgi.copy = None
            await client.pause(step.pause_s)
            if step.kind == "fallback":
                asgi.decided = recovery.fall_back(step.word)
    except asyncio.CancelledError:
        if client.fault is None:
            raise  # Not cancelled by `client`: the server is stopping.
        raise client.fault from None
    finally:
        if client.leave():
            await client.settle()


async def _attempt(asgi: AsgiExchange, open_exchange: Open, recovery: Recovery) -> Step:
    """One attempt. Returns the next step, which is `pass_on` if the client has got the response."""
    client = asgi.client
    asgi.exchange = None
    try:
        exchange = asgi.exchange = await open_exchange(recovery.decided, recovery.timeouts())
        if isinstance(exchange, HttpExchange):
            exchange.leave_outcome()
        if exchange.has_body:
            copy = asgi.copy
            client.start_upload(exchange if copy is None else CopiedUpload(exchange, copy))
        exchange.on_elapsed = client.watch
        return await _judged(asgi, exchange, recovery)
    except UpstreamError as error:
        step = Step()
        if not asgi.out.status:
            step = recovery.after_failure(error, client.is_at_hand)
        if step.kind == "pass_on":
            raise
        without_trace(error)  # The exchange keeps it (ADR 8).
        return step
    finally:
        opened = asgi.exchange
        asgi.attempts += 1 if opened is None else opened.attempts
        if opened is not None:
            opened.abort()


async def _judged(asgi: AsgiExchange, exchange: Exchange, recovery: Recovery) -> Step:
    """Pass the response on, unless another step follows. Raises UpstreamError."""
    head = await exchange.head()
    held = await _held(exchange) if recovery.judges_body(head) else None
    is_whole = held is not None and len(held) <= MAX_JUDGED_BYTES
    is_ok = recovery.verdict(head, held if is_whole else None)
    if isinstance(exchange, HttpExchange):
        exchange.pool.outcomes.report(recovery.counted_status(head, is_ok), exchange.period)
    step = recovery.after_response(head, is_ok, asgi.client.is_at_hand)
    if step.kind == "pass_on":
        await asgi.pass_on(exchange, head, held or b"")
    return step


async def _held(exchange: Exchange) -> bytes:
    """The body, as far as it is judged. Raises UpstreamError."""
    pieces: list[bytes] = []
    size = 0
    while size <= MAX_JUDGED_BYTES:
        data = await exchange.next_chunk()
        if data is None:
            break
        pieces.append(data)
        size += len(data)
    return b"".join(pieces)
