"""One keep-alive client of a bench, without an event loop."""

import itertools
import socket
import time

from tests.bench import wire

_SMALL_END = wire.SMALL[-64:]
_OK = b"HTTP/1.1 200"
_BLOCK = memoryview(wire.BLOCK)


class WrongResponse(Exception):
    """A response other than 200, or none."""


class Client:
    """Sends one request again and again. `began` is when it sent the last one, by `time.perf_counter`."""

    __slots__ = ("_buffer", "_framing", "_heads", "_left", "_length", "_socket", "began", "idle")

    def __init__(self, port: int, requests: wire.Requests, buffer: bytearray) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        heads, self._length = requests.heads, requests.body_bytes
        if (
            0 < self._length < len(_BLOCK)
        ):  # A client with a small body also sends it with one write.
            heads, self._length = [each + wire.BLOCK[: self._length] for each in heads], 0
        self._heads = itertools.cycle(heads)
        self._buffer = buffer
        self._framing: wire.Framing | None = None
        self._left = 0
        self.began = 0.0
        self.idle = True

    def fileno(self) -> int:
        """The descriptor, for a poller."""
        return self._socket.fileno()

    def ask(self) -> bool:
        """Send the request; False if more of it is to be written when the socket allows."""
        self.idle = False
        self.began = time.perf_counter()
        self._socket.send(next(self._heads))
        if self._length:
            self._left = self._length
            return self.write()
        return True

    def write(self) -> bool:
        """Write more of the body; True once all of it is written."""
        try:
            while self._left:
                self._left -= self._socket.send(_BLOCK[: self._left])
        except BlockingIOError:
            return False
        return True

    def read(self) -> bool:
        """Read available bytes; True if the response is complete. Raises WrongResponse."""
        framing = self._framing
        if framing is not None and framing.counted():
            number = self._socket.recv_into(self._buffer)
            if not number:
                raise WrongResponse("the connection closed within a response")
            complete = framing.count(number)
        else:
            data = self._socket.recv(65_536)
            if framing is None and data.startswith(_OK) and data.endswith(_SMALL_END):
                complete = True
            else:
                complete = self._fed(framing or wire.Framing(), data)
        if complete:
            self._framing = None
            self.idle = True
        return complete

    def _fed(self, framing: wire.Framing, data: bytes) -> bool:
        if not data:
            raise WrongResponse("the connection closed before a response was complete")
        self._framing = framing
        complete = framing.feed(data)
        if framing.head and not framing.head.startswith(_OK):
            raise WrongResponse(framing.head[:80].decode("latin-1"))
        return complete

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
