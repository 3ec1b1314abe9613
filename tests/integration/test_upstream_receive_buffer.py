"""The bound of what the kernel keeps of a connection: a mirror that floods fills no more than that for each copy."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from proxy.model import Backend, Endpoint
from proxy.upstream import Exchange, open_upstream
from proxy.upstream.exchange import HIGH_WATER_BYTES
from tests.integration.upstream_client import closed_at_end, outgoing

_BOUND_BYTES = 64 * 1024
_READ_BYTES = 16 * 1024 * 1024
"""While so much is read, the kernel enlarges the buffer of a connection that has no bound."""
_MOST_UNREAD_BYTES = 2 * HIGH_WATER_BYTES + 4 * _BOUND_BYTES
"""What the exchange keeps, with its last read, and what the kernel keeps for both sides."""


class Flood:
    """A backend that responds without end to its first request. `sent` is in bytes."""

    def __init__(self, listening: socket.socket) -> None:
        self.sent = 0
        self._listening = listening

    def run(self) -> None:
        piece = bytes(16 * 1024)
        with contextlib.suppress(OSError):  # The upstream closes the connection in the end.
            peer, _ = self._listening.accept()
            with peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(piece))
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
                while True:
                    self.sent += peer.send(piece)


@contextmanager
def flood() -> Iterator[tuple[Flood, Backend]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        flood = Flood(listening)
        thread = threading.Thread(target=flood.run)
        thread.start()
        yield flood, Backend("a", (Endpoint("http", "127.0.0.1", listening.getsockname()[1]),))
        thread.join(10)


async def unread(flood: Flood, exchange: Exchange) -> int:
    """Bytes that the backend could send to a reader that reads fast, and then stops."""
    received = 0
    while received < _READ_BYTES:
        received += len(await exchange.next_chunk() or b"")
    sent = -1
    while sent < flood.sent:
        sent = flood.sent
        await asyncio.sleep(0.5)
    return sent - received


async def test_a_backend_fills_no_more_than_the_bound() -> None:
    with flood() as (sending, backend):
        async with closed_at_end(open_upstream(backend, receive_buffer_bytes=_BOUND_BYTES)) as own:
            exchange = await own.open(outgoing())
            async with asyncio.timeout(30):
                await exchange.head()
                left = await unread(sending, exchange)
            exchange.abort()
    assert left < _MOST_UNREAD_BYTES
