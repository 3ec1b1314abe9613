"""The origin: sends the response that the end of the path names, as cheaply as Python can. argv: port.

`…/download` is 1 MB, `…/stalled-download` 512 MB, `…/stalled-upload` is never read; all other paths are 0.5 KB,
after the body of the request. A request that does not fit its target gets a 404.
"""

import contextlib
import select
import socket
import sys

from tests.bench import wire

_SMALL = wire.response_head(len(wire.SMALL)) + wire.SMALL
_NOT_SO = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_LENGTHS = {b"download": wire.DOWNLOAD_BYTES, b"stalled-download": wire.STALLED_BYTES}
_BLOCK = memoryview(wire.BLOCK)
_READ, _WRITE, _NOTHING = select.EPOLLIN, select.EPOLLIN | select.EPOLLOUT, 0


class Connection:
    """One connection of a proxy."""

    __slots__ = ("_framing", "_left", "_peer", "wants")

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._framing: wire.Framing | None = None
        self._left = 0
        self.wants = _READ

    def read(self, buffer: bytearray) -> bool:
        """Read available bytes; False once the peer has closed."""
        framing = self._framing
        if framing is not None and framing.counted():
            number = self._peer.recv_into(buffer)
            if number and framing.count(number):
                self._respond(framing.head)
            return number > 0
        data = self._peer.recv(65_536)
        whole = framing is None and data.startswith(b"GET ") and data.endswith(b"\r\n\r\n")
        if whole and b"hunked" not in data:  # Some proxies send an empty chunked body with a GET.
            self._respond(data)
            return True
        if framing is None and len(data) - data.find(b"\r\n\r\n") == wire.POST_BYTES + 4:
            head = data[: -wire.POST_BYTES]
            if wire.content_length(head.lower()) == wire.POST_BYTES:
                self._respond(head)
                return True
        if data:
            self._fed(framing or wire.Framing(), data)
        return bool(data)

    def _fed(self, framing: wire.Framing, data: bytes) -> None:
        self._framing = framing
        if framing.feed(data):
            self._respond(framing.head)
        elif b"/stalled-upload " in framing.head[:200]:
            self.wants = _NOTHING

    def _respond(self, head: bytes) -> None:
        self._framing = None
        last = head[: head.find(b" ", 5)].rpartition(b"/")[2]
        length = _LENGTHS.get(last)
        if length is None:
            self._peer.send(_NOT_SO if _is_other(head, last) else _SMALL)
            return
        response_head = wire.response_head(length)
        sent = self._peer.sendmsg([response_head, _BLOCK])
        self._left = length + len(response_head) - sent
        self.write()

    def write(self) -> None:
        """Write more of a long response until the peer's buffer is full."""
        try:
            while self._left:
                self._left -= self._peer.send(_BLOCK[: self._left])
        except BlockingIOError:
            self.wants = _WRITE
        else:
            self.wants = _READ

    def close(self) -> None:
        """Close the connection."""
        self._peer.close()


def _is_other(head: bytes, last: bytes) -> bool:
    """A POST that is none, or one of the unlike targets that is always the same."""
    return (last == b"post" and not head.startswith(b"POST ")) or last == b"item"


def serve(port: int) -> None:
    """Respond until the process ends."""
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    listener.setblocking(False)
    poller = select.epoll()
    poller.register(listener, _READ)
    connections: dict[int, tuple[Connection, int]] = {}
    buffer = bytearray(wire.BUFFER_BYTES)
    listening = listener.fileno()
    while True:
        for number, event in poller.poll():
            if number == listening:
                _accepted(listener, poller, connections)
                continue
            connection, wanted = connections[number]
            try:
                alive = connection.read(buffer) if event & _READ else not event & select.EPOLLHUP
                if event & select.EPOLLOUT:
                    connection.write()
            except BlockingIOError:
                continue
            except OSError:
                alive = False
            if not alive:
                del connections[number]
                poller.unregister(number)
                connection.close()
            elif connection.wants != wanted:
                connections[number] = connection, connection.wants
                poller.modify(number, connection.wants)


def _accepted(
    listener: socket.socket, poller: select.epoll, connections: dict[int, tuple[Connection, int]]
) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            peer, _ = listener.accept()
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connections[peer.fileno()] = Connection(peer), _READ
            poller.register(peer, _READ)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        serve(int(sys.argv[1]))
