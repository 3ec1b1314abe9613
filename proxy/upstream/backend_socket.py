"""The socket of an upstream connection: writing, pausing, half-closing. Independent of requests."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import cast

from proxy.tcp_keep_alive import keep_alive
from proxy.tick import BufferedWriter, WriteBatch
from proxy.upstream.socket_state import unread_poll


class BackendSocket(asyncio.Protocol):
    """The base of `Connection`. `_active`: there was an event since the last sweep."""

    __slots__ = (
        "_active",
        "_is_closed",
        "_is_paused",
        "_transport",
        "_unread",
        "_write_batch",
        "_writer",
        "paused_s",
    )

    _transport: asyncio.Transport
    _writer: BufferedWriter
    _unread: Callable[[int], Sequence[object]]

    def __init__(self, write_batch: WriteBatch) -> None:
        self._write_batch = write_batch
        self._is_closed = self._is_paused = False
        self._active = True
        self.paused_s = 0.0
        """For how long the sink has paused the response."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio.Transport, but have its methods.
        self._transport = cast(asyncio.Transport, transport)
        self._writer = BufferedWriter(self._write_batch, self._transport)
        self._unread = unread_poll(self._transport)
        keep_alive(transport.get_extra_info("socket"))

    def bound_receive_buffer(self, size_bytes: int) -> None:
        """The kernel keeps at most about `size_bytes` that are not read yet, instead of up to 6 MB (tcp_rmem)."""
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # The peer has closed.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)

    @property
    def peer_address(self) -> str:
        """The address of the backend, without port."""
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    def write_eof(self) -> None:
        """After a 101: half-close. The backend may still send."""
        if not self._is_closed and self._transport.can_write_eof():
            self._transport.write_eof()

    def write_through(self, data: bytes) -> None:
        """After a 101: send bytes of the other protocol. They restart the idle time-out."""
        if not self._is_closed:
            self._active = True
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Read no more for now. No time-out of the backend runs meanwhile."""
        if not self._is_paused and not self._is_closed:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._is_paused and not (self._is_closed or self._transport.is_closing()):
            self._is_paused = False
            self._active = True
            self.paused_s = 0.0
            self._transport.resume_reading()
