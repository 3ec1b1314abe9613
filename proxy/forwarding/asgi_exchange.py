"""One exchange with a backend on the ASGI tier, from its opening to the end of the response."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from proxy.errors import RequestError
from proxy.forwarding.asgi_io import AsgiRequestBody, AsgiResponse
from proxy.forwarding.decided import UNDECIDED, Decided
from proxy.http1.response_head import ResponseHead
from proxy.mirroring.copied_exchange import CopiedExchange
from proxy.model import Facts
from proxy.routing.transforms.facade_fields import client_origin
from proxy.upstream import Exchange, HttpExchange


class AsgiExchange(Struct, eq=False):
    """Passes the request's body on to a backend, and its response to the client."""

    client: AsgiRequestBody
    out: AsgiResponse
    start: Callable[["AsgiExchange", ResponseHead], Awaitable[None]]
    """Sends the head of the response to the client."""
    attempts: int = 0
    """How often the request was sent, or a connection for it tried."""
    exchange: Exchange | None = None
    """None until it is open."""
    at_once: bool = False
    """The whole response came with its first bytes."""
    decided: Decided = UNDECIDED
    """With the decision of the current attempt; set for requests of the general way."""
    copy: CopiedExchange | None = None
    """The copy of the request for another backend, if it is mirrored."""

    async def run(self, opening: Awaitable[Exchange]) -> None:
        """Forward the request and its response. `opening` sends the request's head. Raises RequestError."""
        copy = self.copy
        try:
            await self._run(opening)
        except RequestError as error:
            if copy is not None:
                copy.over(error, complete=False)
            raise
        finally:
            if copy is not None:
                copy.over(None, self.out.complete)

    async def _run(self, opening: Awaitable[Exchange]) -> None:
        client = self.client
        try:
            exchange = self.exchange = await opening
            if exchange.has_body:
                copy = self.copy
                client.start_upload(exchange if copy is None else CopiedUpload(exchange, copy))
            exchange.on_elapsed = client.watch
            try:
                await self.pass_on(exchange, await exchange.head())
            finally:
                self.attempts = exchange.attempts
                exchange.abort()
        except asyncio.CancelledError:
            if client.fault is None:
                raise  # Not cancelled by `client`: the server is stopping.
            raise client.fault from None
        finally:
            if client.leave():
                await client.settle()

    def affinity_cookie(self, facts: Facts) -> bytes | None:
        """The value of Set-Cookie that keeps the client with its endpoint, if it has to get one."""
        exchange = self.exchange
        if not isinstance(exchange, HttpExchange) or exchange.pool.affinity is None:
            return None
        return exchange.pool.affinity_cookie(facts, client_origin(facts)[0])

    async def pass_on(self, exchange: Exchange, head: ResponseHead, held: bytes = b"") -> None:
        """Send the client a response. `held` is the part of its body that was taken already. Raises UpstreamError."""
        out, copy = self.out, self.copy
        if copy is not None:
            copy.response_head(head)
        await self.start(self, head)
        data: bytes | None = held + exchange.take()
        if exchange.complete:
            self.at_once = True
            if copy is not None and data:
                copy.response_data(data)
            await out.end(data or b"")
            return
        while data is not None:
            if copy is not None:
                copy.response_data(data)
            # Also an empty first chunk: a server sends the head with the first message of the body.
            await out.chunk(data)
            data = await exchange.next_chunk()
        await out.end()


class CopiedUpload(Struct, frozen=True, eq=False):
    """Passes a request's body on, and to the copy of the request."""

    exchange: Exchange
    copy: CopiedExchange

    async def send_body(self, data: bytes) -> None:
        self.copy.request_data(data)
        await self.exchange.send_body(data)

    def end_upload(self) -> None:
        self.copy.request_ended()
        self.exchange.end_upload()
