"""The request's half of an exchange: framing, length and pace of what is sent."""

import asyncio

from proxy.errors import BadRequest
from proxy.http1.chunked import LAST_CHUNK, chunk
from proxy.model import Body


class Upload:
    """A body on its way. What it gives out is framed; what it takes is raw."""

    __slots__ = ("_chunked", "_drained", "_left", "paused")

    def __init__(self, body: Body) -> None:
        self._chunked = body.kind == "chunked"
        self._left = body.length
        self._drained: asyncio.Future[None] | None = None
        self.paused = False

    def framed(self, data: bytes) -> bytes:
        """Some body bytes, at least one. Raises BadRequest past the announced length."""
        if self._chunked:
            return chunk(data)
        self._left -= len(data)
        if self._left < 0:
            raise BadRequest("the request's body is longer than its Content-Length")
        return data

    def end(self) -> bytes:
        """What marks the end. Raises BadRequest short of the announced length."""
        if self._chunked:
            return LAST_CHUNK
        if self._left:
            raise BadRequest("the request's body is shorter than its Content-Length")
        return b""

    async def drained(self) -> None:
        """Wait until the upstream takes more, or nothing more at all."""
        while self.paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def resume(self) -> None:
        """The upstream takes more, or the exchange is over."""
        self.paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
