"""A facade without sockets. Input: bytes of a client. Output: bytes for backend and client, and log lines.

Fake transports replace the kernel. Everything else is the facade's code: listener's protocol, both tiers, pools.
"""

import asyncio
import json
import socket
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from msgspec import Struct

from proxy.config.load import load
from proxy.control.table_file import snapshot_of
from proxy.downstream.connection import DownstreamConnection
from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.quick_tier import QuickTier
from proxy.http1.known_lines import KnownLines
from proxy.mirroring.sender import CopySender
from proxy.routing.current_health import CurrentHealth
from proxy.routing.snapshot import CurrentTable, ReloadState
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.counters import CountedRoute, RequestCounters
from proxy.telemetry.log_line import LineWriter
from proxy.telemetry.shared_memory import SharedStats
from proxy.upstream import HttpUpstream, open_upstream
from proxy.upstream.connection import Connection
from proxy.upstream.pool import Pool
from proxy.upstream.registry import UpstreamRegistry

OK = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok"
_TICKS = 4


class Wire:
    """A transport whose peer reads everything immediately."""

    def __init__(self, protocol: asyncio.Protocol, peer: str) -> None:
        self.protocol = protocol
        self.peer = peer
        self.written = b""
        self.closed = False
        self._ends = (
            socket.socketpair()
        )  # A socket that is open and silent, for code that polls the kernel.

    def take(self) -> bytes:
        """The bytes written since the last call."""
        written, self.written = self.written, b""
        return written

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, pieces: Sequence[bytes]) -> None:
        self.written += b"".join(pieces)

    def get_extra_info(self, name: str) -> object:
        return {"peername": (self.peer, 1), "socket": self._ends[0]}.get(name)

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            for end in self._ends:
                end.close()
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close


class CountingCounters(RequestCounters):
    """Counts, beside all else, the requests that the quick way took to their end."""

    usual = 0

    def count_usual(self, labels: CountedRoute, status: int, *figures: Any) -> None:
        self.usual += 1
        super().count_usual(labels, status, *figures)


class Seen(Struct, frozen=True):
    """The result of some bytes of a client."""

    requests: list[tuple[str, bytes]]
    """Each with the name of its backend."""
    client: bytes
    closed: bool
    lines: list[dict[str, Any]]


class InProcess:
    """A facade on the fast tier. `quick` is whether it reads usual requests the quick way."""

    def __init__(
        self,
        table: str,
        *,
        quick: bool,
        peer: str = "192.0.2.9",
        copies: CopySender | None = None,
    ) -> None:
        self._peer = peer
        self.lines: list[bytes] = []
        self.draw_bp = 0
        self.bits = 7
        self.known = KnownLines()
        self.counters = CountingCounters(SharedStats().workers[0])
        upstreams = UpstreamRegistry(lambda backend, tls: open_upstream(backend, None, tls), 1.0)
        snapshot = snapshot_of(load(table.encode(), "t.yaml"), table.encode(), {}, 0.0)
        upstreams.adopt(snapshot.backends, snapshot.contexts)
        self.forwarder = Forwarder(
            CurrentTable(snapshot, ReloadState()),
            upstreams,
            cast(AccessLog, SimpleNamespace(enabled=True, offer=self.lines.append)),
            lambda: self.draw_bp,
            lambda: self.bits,
            self.counters,
            LineWriter(),
            CurrentHealth(),
            lambda: 7.0,
            copies,
        )
        self.tier = QuickTier(self.forwarder, self.known if quick else None)
        self.tracker = ConnectionTracker(100, lambda _: None, lambda _: None)
        self._backends: dict[str, Wire] = {}
        self._opened: dict[str, list[Wire]] = {}

    async def send(self, *pieces: bytes, response: bytes = OK) -> Seen:
        """Send the pieces over a new connection; backends respond with `response` each time."""
        protocol = DownstreamConnection(self.tier, self.tracker, set())
        client = Wire(protocol, self._peer)
        protocol.connection_made(cast(asyncio.Transport, client))
        requests: list[tuple[str, bytes]] = []
        for piece in pieces:
            if not client.closed:
                self._open_backends()
                protocol.data_received(piece)
                await self._respond(requests, response)
        closed = client.closed
        client.close()
        await self._respond(requests, response)
        lines = [json.loads(line) for line in self.lines]
        self.lines.clear()
        return Seen(requests, client.take(), closed, lines)

    async def send_one_by_one(self, requests: Iterable[bytes]) -> int:
        """Send each over one connection, after the response to the one before. Returns the number of responses."""
        protocol = DownstreamConnection(self.tier, self.tracker, set())
        client = Wire(protocol, self._peer)
        protocol.connection_made(cast(asyncio.Transport, client))
        count = 0
        for request in requests:
            self._open_backends()
            protocol.data_received(request)
            await self._respond([], OK)
            count += client.take().startswith(b"HTTP/1.1 200 OK")
            self.lines.clear()
        client.close()
        await asyncio.sleep(0)
        return count

    async def _respond(self, requests: list[tuple[str, bytes]], response: bytes) -> None:
        """Let backends respond as long as requests come."""
        asked = True
        while asked:
            for _ in range(_TICKS):
                await asyncio.sleep(0)
            asked = False
            for name, wire in self._backends.items():
                sent = wire.take()
                if sent:
                    requests.append((name, sent))
                    asked = not wire.closed
                    if asked:
                        wire.protocol.data_received(response)

    def _open_backends(self) -> None:
        """Open an idle connection to each backend."""
        for name, backend in self.forwarder.table.current.backends.items():
            if name not in self._backends or self._backends[name].closed:
                upstream = self.forwarder.upstreams.of(backend)
                assert isinstance(upstream, HttpUpstream)
                self._backends[name] = _connected(upstream.next_pool())

    def connect(self) -> Wire:
        """The connection of a client; its `protocol` gets the bytes."""
        protocol = DownstreamConnection(self.tier, self.tracker, set())
        client = Wire(protocol, self._peer)
        protocol.connection_made(cast(asyncio.Transport, client))
        return client

    def open_connections(self, backend: str, count: int) -> list[Wire]:
        """So many idle connections to a backend; those that are open stay."""
        upstream = self.forwarder.upstreams.of(self.forwarder.table.current.backends[backend])
        assert isinstance(upstream, HttpUpstream)
        opened = self._opened.setdefault(backend, [])
        while len(opened) < count:
            opened.append(_connected(upstream.next_pool()))
        return opened

    def close(self) -> None:
        for opened in self._opened.values():
            for wire in opened:
                wire.close()
        for wire in self._backends.values():
            wire.close()


def _connected(pool: Pool) -> Wire:
    connection = Connection(pool)
    wire = Wire(connection, "127.0.0.1")
    connection.connection_made(cast(Any, wire))
    pool._add(connection)
    return wire
