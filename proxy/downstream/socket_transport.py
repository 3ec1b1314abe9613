"""The transport of an accepted connection (ADR 27). Over TLS it carries the ciphertext (ADR 30).

It does what the event loop's own transport does, with two differences. The first bytes are read when the connection is
accepted. The event loop watches the socket only after a call of `watch`: a connection that ends with its first response
does without, and costs a third less than with the loop's transport.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from socket import SHUT_WR, socket
from typing import Any

HIGH_WATER_BYTES = 64 * 1024
"""With more unsent bytes the protocol is asked to pause writing, and to resume at a quarter."""
_LOW_WATER_BYTES = HIGH_WATER_BYTES // 4
_READ_BYTES = 64 * 1024
_LARGE_READ_BYTES = 256 * 1024
_MAX_PIECES = 512
"""A system call takes 1,024 pieces (IOV_MAX)."""
NO_PROTOCOL = asyncio.Protocol()
"""Of a transport that is closed: with its own protocol it would be left to the garbage collector."""


class SocketTransport(asyncio.Transport):
    """Implements `asyncio.Transport` for one accepted socket, which it owns. All methods are called by the event loop.

    The protocol's `connection_lost` is called once, in a later tick.
    """

    __slots__ = (
        "_descriptor",
        "_has_received_end",
        "_has_sent_end",
        "_is_closing",
        "_is_lost",
        "_is_paused",
        "_is_watched",
        "_is_write_paused",
        "_loop",
        "_protocol",
        "_read_bytes",
        "_socket",
        "_unsent",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, accepted: socket, protocol: asyncio.Protocol
    ) -> None:
        """`accepted` does not block."""
        self._loop = loop
        self._socket = accepted
        self._descriptor = accepted.fileno()
        self._protocol = protocol
        self._unsent = bytearray()
        self._read_bytes = _READ_BYTES
        self._is_closing = self._is_lost = self._is_watched = False
        self._is_paused = self._is_write_paused = False
        self._has_received_end = self._has_sent_end = False

    def begin(self) -> None:
        """Call `connection_made`, and read what the client has sent already."""
        self._protocol.connection_made(self)
        self._read()

    # --- reading --------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Let the event loop read from now on, unless reading is paused. Does nothing if it does already."""
        if not (self._is_watched or self._is_paused or self._has_received_end or self._is_closing):
            self._is_watched = True
            self._loop.add_reader(self._descriptor, self._read)

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self._descriptor)

    def _read(self) -> None:
        if self._is_closing or self._is_paused:
            return
        try:
            data = self._socket.recv(self._read_bytes)
        except (BlockingIOError, InterruptedError):
            self.watch()
            return
        except OSError as error:
            self._end(error)
            return
        try:
            if data:
                self._received(data)
            else:
                self._received_end()
        except Exception as error:
            self._fail(error)

    def _received(self, data: bytes) -> None:
        self._read_bytes = _LARGE_READ_BYTES if len(data) == self._read_bytes else _READ_BYTES
        self._protocol.data_received(data)

    def _received_end(self) -> None:
        self._has_received_end = True
        self._unwatch()  # A socket at its end is always readable.
        if not self._protocol.eof_received():
            self.close()

    def is_reading(self) -> bool:
        return not (self._is_paused or self._has_received_end or self._is_closing)

    def pause_reading(self) -> None:
        self._is_paused = True
        self._unwatch()

    def resume_reading(self) -> None:
        self._is_paused = False
        self.watch()

    # --- writing --------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or not data:
            return
        if self._unsent:
            self._unsent += data
        else:
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._end(error)
                return
            if sent == len(data):
                return
            self._keep(memoryview(data)[sent:])
        self._pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        pieces = list(list_of_data)
        for at in range(0, len(pieces), _MAX_PIECES):
            self._write_pieces(pieces[at : at + _MAX_PIECES])

    def _write_pieces(self, pieces: list[bytes | bytearray | memoryview]) -> None:
        if self._unsent or self._is_closing:
            self.write(b"".join(pieces))
            return
        try:
            sent = self._socket.sendmsg(pieces)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._end(error)
            return
        for piece in pieces:
            if sent < len(piece):
                self._keep(memoryview(piece)[sent:])
            sent = max(0, sent - len(piece))
        self._pause_writing()

    def _keep(self, rest: memoryview) -> None:
        if not self._unsent:
            self._loop.add_writer(self._descriptor, self._flush)
        self._unsent += rest

    def _flush(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._descriptor)
            if self._is_closing:
                self._end(None)
                return
            if self._has_sent_end:
                self._shut_down()
        if self._is_write_paused and len(self._unsent) <= _LOW_WATER_BYTES:
            self._is_write_paused = False
            self._protocol.resume_writing()

    def _pause_writing(self) -> None:
        if len(self._unsent) > HIGH_WATER_BYTES and not self._is_write_paused:
            self._is_write_paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._has_sent_end or self._is_closing:
            return
        self._has_sent_end = True
        if not self._unsent:
            self._shut_down()

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):  # The client has left.
            self._socket.shutdown(SHUT_WR)

    # --- the end --------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        """Close after the unsent bytes are sent."""
        if self._is_closing:
            return
        self._is_closing = True
        self._unwatch()
        if not self._unsent:
            self._end(None)

    def abort(self) -> None:
        self._end(None)

    def _fail(self, error: Exception) -> None:
        """A protocol that raises is a defect: it is reported, and its connection ends."""
        context = {"message": "a protocol failed", "exception": error, "protocol": self._protocol}
        self._loop.call_exception_handler(context)
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        """Discard the unsent bytes and close the socket in the next tick."""
        self._is_closing = True
        self._unwatch()
        if self._unsent:
            self._loop.remove_writer(self._descriptor)
            self._unsent.clear()
        if not self._is_lost:
            self._is_lost = True
            self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        protocol, self._protocol = self._protocol, NO_PROTOCOL
        try:
            protocol.connection_lost(error)
        finally:
            self._socket.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`socket`, `peername` or `sockname`."""
        if name == "socket":
            return self._socket
        if name not in ("peername", "sockname"):
            return default
        try:
            return self._socket.getpeername() if name == "peername" else self._socket.getsockname()
        except OSError:  # The client has left.
            return default
