"""The socket of a client connection: addresses, writing, pausing, half-closing. Independent of requests."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import cast

from proxy.downstream.interfaces import AcceptedConnection
from proxy.downstream.lingering_close import LINGER_S, begin_lingering
from proxy.model import plain_address
from proxy.tick import BufferedWriter, WriteBatch

_LOOPBACK = "127.0.0.1"


class ClientSocket(AcceptedConnection):
    """The base of `DownstreamConnection`."""

    __slots__ = (
        "_is_half_closed",
        "_is_reading",
        "_lingers_until",
        "_transport",
        "_write_batch",
        "_writer",
        "address",
        "peer",
        "scheme",
        "write",
    )

    _transport: asyncio.Transport
    _writer: BufferedWriter
    write: Callable[[bytes], None]
    """Sends bytes of the response at the end of the tick."""

    def __init__(self, write_batch: WriteBatch) -> None:
        self._write_batch = write_batch
        self._is_reading = True
        self._is_half_closed = False
        """The client sends no more, and waits for responses to what it has sent (RFC 9112 9.6)."""
        self._lingers_until = 0.0
        """Until then, in seconds of the monotonic clock, bytes of the client are discarded."""
        self.peer = ""
        self.proxied = None
        self.ends_after_response = False
        self.scheme = "http"
        self.address: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio.Transport, but have its methods.
        self._transport = cast(asyncio.Transport, transport)
        self._writer = BufferedWriter(self._write_batch, self._transport)
        self.write = self._writer.write
        peer = transport.get_extra_info("peername")
        if self.proxied is not None:
            self.address = self.proxied.client
            self.peer = self.address[0]
        elif isinstance(peer, tuple):
            self.peer = plain_address(peer[0])
            self.address = self.peer, peer[1]
        else:  # A Unix socket: its client is on this host.
            self.peer = _LOOPBACK
            self.address = _LOOPBACK, 0
        if transport.get_extra_info("ssl_object") is not None:
            self.scheme = "https"

    @property
    def _may_half_close(self) -> bool:
        """Whether a client that sends no more may wait for its responses. Over TLS few do: most have left."""
        return self.scheme == "http"

    @property
    def server(self) -> tuple[str, int | None] | None:
        # Not cached in `connection_made`: it costs a system call, and the fast tier does not need it.
        if self.proxied is not None:
            return self.proxied.server
        own = self._transport.get_extra_info("sockname")
        return (plain_address(own[0]), own[1]) if isinstance(own, tuple) else None

    def write_all(self, pieces: Sequence[bytes]) -> None:
        self._writer.flush()
        self._transport.writelines(pieces)

    def write_eof(self) -> None:
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._writer.flush()
            self._transport.write_eof()

    def pause_reading(self) -> None:
        if self._is_reading and not self._transport.is_closing():
            self._is_reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not (self._is_reading or self._is_half_closed or self._transport.is_closing()):
            self._is_reading = True
            self._transport.resume_reading()

    def _close(self) -> None:
        """Close after sending what is buffered."""
        self._writer.flush()
        self._transport.close()

    def _linger(self) -> None:
        if self._is_half_closed:  # Everything that the client sent is read.
            self._close()
            return
        self._writer.flush()
        if begin_lingering(self._transport):
            self._lingers_until = time.monotonic() + LINGER_S
            self.resume_reading()
