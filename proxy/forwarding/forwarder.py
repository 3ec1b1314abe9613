"""The objects that both tiers need to forward a request, and the beginning and end of its record."""

import time
from collections.abc import Callable

from msgspec import Struct, field

from proxy.errors import RequestError, Unsupported
from proxy.forwarding.route_loads import RouteLoads
from proxy.mirroring.sender import CopySender
from proxy.model import Backend, Moment
from proxy.routing.current_health import CurrentHealth
from proxy.routing.snapshot import CurrentTable, Snapshot
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.counters import RequestCounters
from proxy.telemetry.log_line import LineWriter, refused_line
from proxy.telemetry.request_record import Record
from proxy.upstream import HttpUpstream
from proxy.upstream.registry import UpstreamRegistry


class Forwarder(Struct, frozen=True):
    """The objects that every request needs. `server.app.build` creates one for each process."""

    table: CurrentTable
    upstreams: UpstreamRegistry
    access_log: AccessLog
    draw: Callable[[], int]
    """A uniform whole number from [0, 10,000). Called once for each request."""
    random_bits: Callable[[], int]
    """`trace_context.RANDOM_BITS` random bits. Called once for each request."""
    counters: RequestCounters
    writer: LineWriter
    health: CurrentHealth
    """The health of the backends that the table monitors."""
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""
    copies: CopySender | None = None
    """None in a process that copies no requests."""
    loads: RouteLoads = field(default_factory=RouteLoads)
    """The requests under way of routes whose attempts are judged."""

    def record(self, snapshot: Snapshot, draw_bp: int | None = None) -> Record:
        """The empty record of a request that begins now. `draw_bp` is its draw, if it has one already."""
        return Record(snapshot.version, self.draw() if draw_bp is None else draw_bp)

    def moment(self, draw_bp: int) -> Moment:
        """The moment of a request of the general way that has been drawn `draw_bp`."""
        health = self.health.current
        return Moment(draw_bp, self.clock(), self.random_bits(), health=health)

    def finish(self, record: Record, snapshot: Snapshot) -> None:
        """Count a request that has ended, and log it."""
        self.counters.count_request(record)
        log = self.access_log
        if log.enabled:
            log.offer(self.writer.line(record, snapshot.reads, time.time()))

    def log_refused(self, error: RequestError, peer: str) -> None:
        """Log a message that is refused before there is a request."""
        log = self.access_log
        if log.enabled:
            log.offer(refused_line(error, peer, self.table.current.version, time.time()))

    def http_upstream(self, backend: Backend) -> HttpUpstream:
        """Our own client for `backend`. Raises Unsupported where an httpx transport takes its place."""
        upstream = self.upstreams.of(backend)
        if not isinstance(upstream, HttpUpstream):
            raise Unsupported("a backend behind a foreign transport is asked by the ASGI tier only")
        return upstream
