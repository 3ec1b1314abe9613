"""A switched connection (101): bytes of another protocol in both directions, not read by the facade."""

import math
import time

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.downstream.lingering_close import LINGER_S
from proxy.errors import UpstreamBroke
from proxy.model import ALL_BP, HeaderPairs
from proxy.routing.decide import drains
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.request_record import Record
from proxy.upstream import Connection


def check_protocol(headers: HeaderPairs, wanted: bytes, backend: str) -> None:
    """Raises UpstreamBroke for a 101 whose Upgrade names another protocol than the client asked for."""
    if [value.lower() for name, value in headers if name == b"upgrade"] != [wanted]:
        what = "switched to a protocol that it was not asked for"
        raise UpstreamBroke(f"backend {backend} {what}", backend)


_DRAIN_S = 5.0
"""Tunnels that a new table ends do so within this time, not all at the same moment: their clients connect again."""


class Tunnel(Struct, eq=False):
    """Two directions of bytes that are not ours to read, after a 101. Each ends by itself (RFC 6455 7.1.1)."""

    client: ClientConnection
    connection: Connection
    snapshot: Snapshot
    """The table that was looked at last."""
    drains_at: float = math.inf
    half_ended_at: float = 0.0
    """When the first direction ended; 0 while both last."""

    def data(self, data: bytes) -> None:
        """From the client."""
        self.connection.write_through(data)

    def client_ended(self) -> bool:
        """The client has said all it will; the backend may go on. True if that was the second half."""
        self.connection.write_eof()
        return self._ended()

    def backend_ended(self) -> bool:
        """The backend has said all it will; the client may go on. True if that was the second half."""
        self.client.write_eof()
        return self._ended()

    def is_stale(self, now: float) -> bool:
        """One half is over, and the other stayed: a peer that is gone looks the same."""
        return self.half_ended_at > 0 and now - self.half_ended_at >= LINGER_S

    def is_drained(self, now: float, current: Snapshot, record: Record) -> bool:
        """Whether a newer table ends the tunnel (`tunnels: drain`), and its turn has come."""
        if current is not self.snapshot:
            self.snapshot = current
            route, decision = record.route, record.decision
            backend = None if decision is None else decision.backend
            if route is not None and backend is not None and drains(current.table, route, backend):
                self.drains_at = min(self.drains_at, now + _DRAIN_S * record.draw_bp / ALL_BP)
        return now >= self.drains_at

    def _ended(self) -> bool:
        second = self.half_ended_at > 0
        self.half_ended_at = self.half_ended_at or time.monotonic()
        return second
