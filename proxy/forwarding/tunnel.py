"""A switched connection (101): bytes of another protocol in both directions, not read by the facade."""

import math
import time

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.downstream.lingering_close import LINGER_S
from proxy.errors import UpstreamBroke
from proxy.forwarding.decided import Decided
from proxy.http1.request_head import RequestHead
from proxy.http1.response_head import ResponseHead
from proxy.model import ALL_BP, HeaderPairs
from proxy.routing.decide import drains
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.upstream_request import upgrade_of
from proxy.telemetry.request_record import Record
from proxy.upstream import Connection


def open_tunnel(
    connection: Connection, request: RequestHead, head: ResponseHead, decided: Decided
) -> list[bytes]:
    """The last lines of a 101 for the client. `connection` is a tunnel then.

    Raises UpstreamBroke for another protocol than the request's, UpstreamBusy if there are too many tunnels.
    """
    wanted = upgrade_of(request)
    _check_protocol(head.pairs, wanted, decided.decision.backend or "-")
    connection.begin_tunnel()
    return [b"Connection: upgrade", b"Upgrade: " + wanted]


def _check_protocol(headers: HeaderPairs, wanted: bytes, backend: str) -> None:
    if [value.lower() for name, value in headers if name == b"upgrade"] != [wanted]:
        what = "switched to a protocol that it was not asked for"
        raise UpstreamBroke(f"backend {backend} {what}", backend)


_DRAIN_S = 5.0
"""The tunnels that a new table ends are closed spread over this time, because their clients reconnect."""


class Tunnel(Struct, eq=False):
    """The two directions of a connection after a 101. Each is half-closed separately (RFC 6455 7.1.1)."""

    client: ClientConnection
    connection: Connection
    snapshot: Snapshot
    """The table for which `is_drained` was computed last."""
    drains_at: float = math.inf
    half_ended_at: float = 0.0
    """When the first direction ended, monotonic; 0 while both are open."""

    def data(self, data: bytes) -> None:
        """Send bytes of the client to the backend."""
        self.connection.write_through(data)

    def client_ended(self) -> bool:
        """The client half-closed: half-close towards the backend. True if both directions have ended."""
        self.connection.write_eof()
        return self._ended()

    def backend_ended(self) -> bool:
        """The backend half-closed: half-close towards the client. True if both directions have ended."""
        self.client.write_eof()
        return self._ended()

    def is_stale(self, now: float) -> bool:
        """Whether one direction ended a while ago and the other did not. That peer may have gone without a close."""
        return self.half_ended_at > 0 and now - self.half_ended_at >= LINGER_S

    def is_drained(self, now: float, current: Snapshot, record: Record) -> bool:
        """Whether a newer table ends the tunnel (`tunnels: drain`), and its time within `_DRAIN_S` has come."""
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
