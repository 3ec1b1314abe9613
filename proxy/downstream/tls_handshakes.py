"""The TLS handshakes in progress of one listener: their deadline and their number."""

import asyncio
import logging
import ssl
from socket import socket

from proxy.downstream.interfaces import AcceptedConnection
from proxy.downstream.tls_transport import TlsTransport
from proxy.model import plain_address

log = logging.getLogger(__name__)

_HANDSHAKE_S = 10
_MAX_HANDSHAKES = 4096
"""With one more, the oldest one is given up: a flood of clients that stall cannot keep others out."""


class TlsHandshakes:
    """Begins handshakes and ends those that take too long. One timer serves all of them."""

    def __init__(self) -> None:
        self._deadlines: dict[TlsTransport, float] = {}
        """In seconds of the event loop's clock, the oldest handshake first."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._deadlines)

    def begin(
        self,
        loop: asyncio.AbstractEventLoop,
        accepted: socket,
        connection: AcceptedConnection,
        context: ssl.SSLContext,
    ) -> None:
        """`connection` becomes the protocol of the accepted socket after the handshake."""
        if len(self._deadlines) >= _MAX_HANDSHAKES:
            next(iter(self._deadlines)).give_up("too many handshakes are in progress")
        transport = TlsTransport(loop, accepted, connection, context, self._ended)
        deadline = self._deadlines[transport] = loop.time() + _HANDSHAKE_S
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._end_late)
        transport.begin()

    def _ended(self, transport: TlsTransport, reason: str | None) -> None:
        if self._deadlines.pop(transport, None) is not None and reason is not None:
            peer = transport.get_extra_info("peername")
            name = plain_address(peer[0]) if isinstance(peer, tuple) else "a client"
            log.info("the TLS handshake with %s failed: %s", name, reason)

    def _end_late(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for transport, deadline in list(self._deadlines.items()):
            if deadline > now:
                self._timer = loop.call_at(deadline, self._end_late)
                return
            transport.give_up(f"it was not complete after {_HANDSHAKE_S} s")

    def abort(self) -> None:
        """End all: the listener is closed."""
        if self._timer is not None:
            self._timer.cancel()
        for transport in list(self._deadlines):
            transport.abort()
