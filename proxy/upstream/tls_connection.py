"""A connection over TLS. It can read what the backend sent before it reset the connection.

A backend may respond to the head of an upload and close: the next write fails, and the event loop reads no more. The
kernel still has the response, but encrypted, and the loop closes its descriptor before it reports the end. So the
connection keeps a duplicate of the descriptor while it sends a body, and decrypts the rest itself.
"""

import contextlib
import os

from proxy.model import Timeouts
from proxy.upstream.connection import Connection
from proxy.upstream.connection_owner import ConnectionOwner
from proxy.upstream.interfaces import ExchangeSink
from proxy.upstream.tls import ReadableTls

_SMALL_BYTES = 16 * 1024
"""A request of this size fits into the kernel's buffer: no write of it can fail later."""
_NO_DESCRIPTOR = -1


class TlsConnection(Connection):
    """It has a second descriptor from the begin of an upload to the end of its exchange."""

    __slots__ = ("_descriptor", "_tls")

    def __init__(self, owner: ConnectionOwner) -> None:
        super().__init__(owner)
        self._descriptor = _NO_DESCRIPTOR
        self._tls: ReadableTls | None = None

    def begin(
        self,
        head: bytes,
        sink: ExchangeSink,
        is_head: bool,
        timeouts: Timeouts,
        uploading: bool,
        switching: bool = False,
    ) -> None:
        super().begin(head, sink, is_head, timeouts, uploading, switching)
        if uploading or len(head) > _SMALL_BYTES:
            self._keep_descriptor()

    def _keep_descriptor(self) -> None:
        transport = self._transport
        tls = transport.get_extra_info("ssl_object")
        # The number of a closed descriptor may be another connection's by now.
        if isinstance(tls, ReadableTls) and not transport.is_closing():
            self._tls = tls
            with contextlib.suppress(OSError):  # Too many: then an early response may be lost.
                self._descriptor = os.dup(transport.get_extra_info("socket").fileno())

    def close_tunnel(self) -> None:
        super().close_tunnel()
        self._close_descriptor()

    def _unread_bytes(self) -> bytes:
        if self._tls is None or self._descriptor == _NO_DESCRIPTOR:
            return b""
        return self._tls.read_rest(self._descriptor)

    def _finish(self, sink: ExchangeSink) -> None:
        self._close_descriptor()  # Before the next exchange may begin.
        super()._finish(sink)

    def _abort(self) -> None:
        super()._abort()
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        if self._descriptor != _NO_DESCRIPTOR:
            os.close(self._descriptor)
            self._descriptor = _NO_DESCRIPTOR
