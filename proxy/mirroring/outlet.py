"""The way of copied requests from a worker to the mirror process: messages over a socket that never makes it wait.

A text is sent as one or more messages of at most 32 KiB. Messages are sent whole or not at all, so either process may
be replaced at any time: the other one misses a text, and reads the next one.
"""

import asyncio
import socket
from collections import deque

from proxy.mirroring.served import Batch, decoded, encoded

MAX_MESSAGE = 32 * 1024
_BEGINS, _ENDS = 1, 2
_MAX_QUEUED_BYTES = 4 * 1024 * 1024
_SOCKET_BYTES = 1024 * 1024


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """The ends of the worker and of the mirror process."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for each in ends:
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
    return ends


class Outlet:
    """The worker's end. It is full while more than 4 MiB wait for room in the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""
        return self._queued_bytes >= _MAX_QUEUED_BYTES

    def receive(self, batch: Batch) -> None:
        """Send requests that have ended, now or once there is room in the socket."""
        messages = messages_of(encoded(batch))
        was_idle = not self._queue
        self._queue.extend(messages)
        self._queued_bytes += sum(map(len, messages))
        if was_idle:
            self._write()
            if self._queue:
                asyncio.get_running_loop().add_writer(self._end, self._on_room)

    def _on_room(self) -> None:
        self._write()
        if not self._queue:
            asyncio.get_running_loop().remove_writer(self._end)

    def _write(self) -> None:
        queue = self._queue
        while queue:
            try:
                self._end.send(queue[0])
            except ConnectionError:
                queue.clear()  # The facade ends: nobody has the other end any more.
                self._queued_bytes = 0
                return
            except OSError:
                return  # No room: EAGAIN; ENOBUFS on BSD.
            self._queued_bytes -= len(queue.popleft())

    def close(self) -> None:
        """Send nothing more."""
        if self._queue:
            asyncio.get_running_loop().remove_writer(self._end)
        self._queue.clear()
        self._end.close()


def messages_of(text: bytes) -> list[bytes]:
    """The messages that carry a text."""
    size = MAX_MESSAGE - 1
    if len(text) <= size:
        return [b"%c%b" % (_BEGINS | _ENDS, text)]
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    last = len(parts) - 1
    return [
        b"%c%b" % ((at == 0) * _BEGINS | (at == last) * _ENDS, part)
        for at, part in enumerate(parts)
    ]


class Texts:
    """Puts the messages of one worker together again."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, message: bytes) -> Batch | None:
        """The batch that ends with this message. Raises DecodeError."""
        flags = message[0]
        if flags & _BEGINS:
            self._parts = []
        elif not self._parts:
            return None  # The beginning went to the mirror process before this one.
        self._parts.append(message[1:])
        if not flags & _ENDS:
            return None
        parts, self._parts = self._parts, []
        return decoded(b"".join(parts))
