"""The body of a request that is being sent: framing, length and back-pressure."""

import asyncio

from proxy.errors import BadRequest
from proxy.http1.chunked import LAST_CHUNK, chunk
from proxy.model import Body


class Upload:
    """Frames the bytes of a body, and checks its length."""

    __slots__ = ("_chunked", "_drain_waiter", "_remaining", "paused")

    def __init__(self, body: Body) -> None:
        self._chunked = body.kind == "chunked"
        self._remaining = body.length
        self._drain_waiter: asyncio.Future[None] | None = None
        self.paused = False

    def framed(self, data: bytes) -> bytes:
        """Frame bytes of the body, at least one. Raises BadRequest for more bytes than Content-Length."""
        if self._chunked:
            return chunk(data)
        self._remaining -= len(data)
        if self._remaining < 0:
            raise BadRequest("the request's body is longer than its Content-Length")
        return data

    def end(self) -> bytes:
        """The bytes that end the body. Raises BadRequest for fewer bytes than Content-Length."""
        if self._chunked:
            return LAST_CHUNK
        if self._remaining:
            raise BadRequest("the request's body is shorter than its Content-Length")
        return b""

    async def drained(self) -> None:
        """Wait until the backend has caught up, or the exchange is over."""
        while self.paused:
            self._drain_waiter = asyncio.get_running_loop().create_future()
            await self._drain_waiter

    def resume(self) -> None:
        """The backend has caught up, or the exchange is over."""
        self.paused = False
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
