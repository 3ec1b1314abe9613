"""TLS for connections to PostgreSQL, with libpq's modes, and no password in clear text outside it.

asyncpg sends the password in clear text to a server that asks for it, also outside TLS, and has no
setting against it (libpq's is `require_auth`). So connections outside TLS are opened through an event
loop that reads the first messages of the server, and cuts the connection at such a request.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

import asyncpg

from flightspecial_service.settings import DatabaseSettings

_AUTHENTICATION = ord("R")
_READY_FOR_QUERY = ord("Z")
_CLEARTEXT_PASSWORD = 3
"""PostgreSQL documentation, "Message Formats": AuthenticationCleartextPassword, ReadyForQuery."""
_HEAD_BYTES = 5
"""The type of a message, and its length without the type."""
_LARGEST_BYTES = 64 * 1024
"""Of a message before ReadyForQuery."""


def attempts(settings: DatabaseSettings) -> list[ssl.SSLContext | None]:
    """How to connect, in order: with TLS, or without (None). A later one is for `worth_another`."""
    if settings.sslmode == "disable" or settings.host.startswith("/"):
        return [None]  # a Unix socket has no TLS
    tls = _context(settings)
    return {"allow": [None, tls], "prefer": [tls, None]}.get(settings.sslmode, [tls])


def worth_another(error: BaseException) -> bool:
    """Whether the server may accept the other attempt: it refused TLS, or its absence."""
    if isinstance(error, asyncpg.InvalidPasswordError):
        return False
    # asyncpg raises exactly ConnectionError, no subclass, if the server has no TLS.
    return type(error) is ConnectionError or isinstance(
        error, ssl.SSLError | asyncpg.InvalidAuthorizationSpecificationError | ClearTextRefused
    )


class ClearTextRefused(ConnectionError):
    """The server requested the password in clear text outside TLS. Nothing was sent."""


class GuardedLoop:
    """The event loop, except that its connections are cut at a request for a clear-text password."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.cut = False
        self.call_later = loop.call_later  # for each query: not by __getattr__, which is slower

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """As the method of the event loop, for a protocol of asyncpg."""
        transport, guard = await self._loop.create_connection(self._guarded(factory), host, port)
        return transport, guard.inner

    async def create_unix_connection(
        self, factory: Callable[[], asyncio.Protocol], path: str
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """As the method of the event loop, for a protocol of asyncpg."""
        transport, guard = await self._loop.create_unix_connection(self._guarded(factory), path)
        return transport, guard.inner

    def _guarded(self, factory: Callable[[], asyncio.Protocol]) -> "Callable[[], _Guard]":
        return lambda: _Guard(factory(), self._cut)

    def _cut(self) -> None:
        self.cut = True


class _Guard(asyncio.Protocol):
    """Passes whole messages of the server on to `inner`, until the connection is ready for queries.

    Not only until AuthenticationOk: asyncpg would respond to a request for the password after it.
    """

    _transport: asyncio.Transport

    def __init__(self, inner: asyncio.Protocol, cut: Callable[[], None]) -> None:
        self.inner = inner
        self._cut = cut
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol, as all methods here."""
        self._transport = cast(asyncio.Transport, transport)
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Look at each message before asyncpg does."""
        self._received += data
        while len(self._received) >= _HEAD_BYTES:
            kind, end = self._received[0], 1 + int.from_bytes(self._received[1:_HEAD_BYTES])
            if (kind == _AUTHENTICATION and end < _HEAD_BYTES + 4) or end > _LARGEST_BYTES:
                return self._transport.abort()  # malformed
            if len(self._received) < end:
                return None
            message, self._received = self._received[:end], self._received[end:]
            if kind == _AUTHENTICATION and int.from_bytes(message[5:9]) == _CLEARTEXT_PASSWORD:
                self._cut()
                return self._transport.abort()
            self.inner.data_received(message)
            if kind == _READY_FOR_QUERY:
                return self._step_aside()
        return None

    def _step_aside(self) -> None:
        """Connect asyncpg directly: it receives all further messages of the server."""
        self._transport.set_protocol(self.inner)
        if self._received:
            self.inner.data_received(self._received)

    def eof_received(self) -> bool | None:
        """Passed on."""
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Passed on."""
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Passed on."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        self.inner.resume_writing()


def _context(settings: DatabaseSettings) -> ssl.SSLContext:
    """libpq verifies from `require` upwards if it has root certificates, and names in `verify-full`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.sslmode == "verify-full"
    if settings.sslrootcert and settings.sslmode not in ("allow", "prefer"):
        context.load_verify_locations(cafile=settings.sslrootcert)
    else:
        context.verify_mode = ssl.CERT_NONE
    return context
