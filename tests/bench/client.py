"""One keep-alive client of a bench, without a loop of its own."""

import itertools
import socket
import time

from tests.bench import wire

_SMALL_END = wire.SMALL[-64:]
_OK = b"HTTP/1.1 200"
_BLOCK = memoryview(wire.BLOCK)


class WrongAnswer(Exception):
    """Something other than a 200 came."""


class Client:
    """Sends one request again and again. `began` is when it sent the last one, by `time.perf_counter`."""

    __slots__ = ("_buffer", "_framing", "_heads", "_left", "_length", "_socket", "began", "idle")

    def __init__(self, port: int, requests: wire.Requests, buffer: bytearray) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        heads, self._length = requests.heads, requests.body_bytes
        if 0 < self._length < len(_BLOCK):  # One write is what a client of a small body does.
            heads, self._length = [each + wire.BLOCK[: self._length] for each in heads], 0
        self._heads = itertools.cycle(heads)
        self._buffer = buffer
        self._framing: wire.Framing | None = None
        self._left = 0
        self.began = 0.0
        self.idle = True

    def fileno(self) -> int:
        """For a poller."""
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
        """Go on with the body; True once all of it is written."""
        try:
            while self._left:
                self._left -= self._socket.send(_BLOCK[: self._left])
        except BlockingIOError:
            return False
        return True

    def read(self) -> bool:
        """Take what has come; True if the answer is complete. Raises WrongAnswer."""
        framing = self._framing
        if framing is not None and framing.counted():
            number = self._socket.recv_into(self._buffer)
            if not number:
                raise WrongAnswer("the connection closed within an answer")
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
            raise WrongAnswer("the connection closed before an answer was complete")
        self._framing = framing
        complete = framing.feed(data)
        if framing.head and not framing.head.startswith(_OK):
            raise WrongAnswer(framing.head[:80].decode("latin-1"))
        return complete

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
