"""The transport of an accepted connection over TLS (ADR 30).

    socket <-> SocketTransport <-- ciphertext --> TlsTransport <-- plaintext --> the protocol of the connection

OpenSSL works on two buffers in memory. They stay small: whatever comes in is decrypted at once, and whatever is
encrypted goes to the `SocketTransport`, which does the back-pressure in both directions.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from socket import socket
from typing import Any

from proxy.downstream.socket_transport import NO_PROTOCOL, SocketTransport

_RECORD_BYTES = 16 * 1024
"""The largest record has so many bytes of plaintext (RFC 8446 5.1). OpenSSL's buffers grow to the size of one piece."""


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """Implements `asyncio.Transport` for the protocol of the connection, and `asyncio.Protocol` for the ciphertext.

    The protocol's `connection_made` is called after the handshake. `ended` is called with the transport when the
    handshake has ended, and with the reason if it has failed. The protocol of a failed one is never called.
    """

    __slots__ = (
        "_context",
        "_ended",
        "_incoming",
        "_is_open",
        "_outgoing",
        "_protocol",
        "_raw",
        "_tls",
    )

    _tls: ssl.SSLObject

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        accepted: socket,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        ended: "Callable[[TlsTransport, str | None], None]",
    ) -> None:
        """`accepted` does not block."""
        self._raw = SocketTransport(loop, accepted, self)
        self._protocol = protocol
        self._context: ssl.SSLContext | None = context
        self._ended = ended
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._is_open = False

    def begin(self) -> None:
        """Read what the client has sent already, and let the event loop read from now on."""
        self._raw.begin()
        self._raw.watch()

    # --- the handshake --------------------------------------------------------------------------------

    def _shake_hands(self) -> bool:
        """Go on with the handshake. Returns whether it is complete; raises SSLError if it has failed."""
        if self._context is not None:  # A client that sends nothing costs no SSLObject.
            self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
            self._context = None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self._is_open = True
        self._ended(self, None)
        self._protocol.connection_made(self)
        return True

    def give_up(self, reason: str) -> None:
        """End a handshake that is not complete."""
        self._ended(self, reason)
        self._raw.abort()

    # --- called by the transport of the ciphertext ----------------------------------------------------

    def data_received(self, data: bytes) -> None:
        plaintext: list[bytes] = []
        error: ssl.SSLError | None = None
        try:
            is_last = self._decrypt(data, plaintext)
        except ssl.SSLError as raised:
            error = raised
        self._send()  # Of the handshake; a KeyUpdate; an alert.
        if plaintext:
            self._protocol.data_received(b"".join(plaintext))
        if error is not None:
            self._fail(error)
        elif is_last and not self._raw.is_closing():
            self.eof_received()

    def _decrypt(self, data: bytes, plaintext: list[bytes]) -> bool:
        """Append to `plaintext` what `data` completes. Returns whether the client has sent close_notify."""
        incoming = self._incoming
        for at in range(0, len(data), _RECORD_BYTES):
            incoming.write(data[at : at + _RECORD_BYTES])
            if not (self._is_open or self._shake_hands()):
                continue
            while incoming.pending:
                try:
                    piece = self._tls.read(_RECORD_BYTES)
                except ssl.SSLWantReadError:  # A part of a record, or no record of data.
                    break
                except ssl.SSLZeroReturnError:  # In place of b"", if our close_notify is sent.
                    return True
                if not piece:
                    return True
                plaintext.append(piece)
        return False

    def _fail(self, error: ssl.SSLError) -> None:
        """The client's bytes are not TLS. OpenSSL has written an alert."""
        if self._is_open:
            self._raw.abort()
        else:
            self.give_up((error.reason or str(error)).replace("_", " ").lower())

    def eof_received(self) -> bool:
        if self._is_open:
            # A client that has sent close_notify may read on (RFC 8446 6.1), but few do: most have left.
            self._protocol.eof_received()
            self.close()
        elif self._context is None:
            self.give_up("the client has left")
        return False

    def pause_writing(self) -> None:
        if self._is_open:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._is_open:
            self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        protocol, self._protocol = self._protocol, NO_PROTOCOL
        if self._is_open:
            protocol.connection_lost(exc)
        else:
            self._ended(self, None)

    # --- called by the protocol of the connection -----------------------------------------------------

    def is_reading(self) -> bool:
        return self._raw.is_reading()

    def pause_reading(self) -> None:
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not data or self._raw.is_closing():
            return
        pieces: list[bytes] = []
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest[:_RECORD_BYTES]) :]
                pieces.append(self._outgoing.read())
        except ssl.SSLError:
            self._raw.abort()
            return
        self._raw.writelines(pieces)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._raw.is_closing():
            self._say_close()
            self._raw.write_eof()

    def is_closing(self) -> bool:
        return self._raw.is_closing()

    def close(self) -> None:
        """Send close_notify behind the unsent bytes, and close without waiting for that of the client."""
        if not self._raw.is_closing():
            self._say_close()
            self._raw.close()

    def _say_close(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # The client has not sent its close_notify.
            self._tls.unwrap()
        self._send()

    def _send(self) -> None:
        """Send what OpenSSL has written."""
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())

    def abort(self) -> None:
        self._raw.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`ssl_object`, `socket`, `peername` or `sockname`."""
        if name == "ssl_object" and self._is_open:
            return self._tls
        return self._raw.get_extra_info(name, default)
