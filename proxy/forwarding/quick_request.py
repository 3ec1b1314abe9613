r"""The usual request on the fast tier: whole, answered whole, and nothing happens in between (ADR 21).

    begin --> response_complete --> done
       \--> anything else: `general()` makes a `FastRequest` in the state that this one is in, and hands it everything

It keeps no record and makes no decision anew: one struct, one format a head, one line of the log.
"""

import time

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.errors import RequestError, UpstreamError
from proxy.forwarding.decided import UNDECIDED, decide_request
from proxy.forwarding.fast_request import FastRequest, FastTier
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.prepared_request import prepare
from proxy.forwarding.quick_routes import QuickPlan, QuickRoutes
from proxy.http1.chunked import chunked_body
from proxy.http1.known_lines import KnownLines
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_head import RequestHead
from proxy.http1.response_head import Framing, ResponseHead
from proxy.model import HeaderPairs, Limits, Timeouts
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.response import unchanged
from proxy.routing.transforms.trace_context import ONES
from proxy.telemetry.log_line import USUAL_LINE
from proxy.upstream import Connection, Pool

_PER_CENT = 0.01


class QuickRequest(Struct, eq=False):
    """Implements `ActiveRequest` and `ExchangeSink`. All fields are given at its making, but `successor`."""

    tier: "QuickTier"
    client: ClientConnection
    head: QuickHead
    snapshot: Snapshot
    plan: QuickPlan
    draw_bp: int
    bits: int
    request_id: bytes
    trace_id: bytes
    traceparent: bytes
    began: float
    pool: Pool
    connection: Connection
    successor: FastRequest | None = None
    """Set by `general`: from then on everything is its business."""

    @property
    def uploaded(self) -> bool:
        return True

    @property
    def received_bytes(self) -> int:
        return len(self.head.body)

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        prepared = self.plan.prepared
        return prepared.timeouts, prepared.limits

    def general(self) -> FastRequest:
        """The request of the general way in the state of this one: decided alike, and sent."""
        if self.successor is None:
            self.successor = self._general()
        return self.successor

    def _general(self) -> FastRequest:
        forwarder, client, snapshot = self.tier.forwarder, self.client, self.snapshot
        head, body = self.head.strict(), self.head.body
        record = forwarder.record(snapshot, self.draw_bp)
        record.received_bytes = len(body)
        record.attempts = 1
        decided = decide_request(head, client.peer, client.scheme, snapshot, record, self.bits)
        request = FastRequest(
            forwarder,
            client,
            head,
            snapshot,
            record,
            self.began,
            body,
            None,
            decided or UNDECIDED,
            pool=self.pool,
            connection=self.connection,
        )
        if decided is not None and decided.decision.ref is not None:
            upstream = self.plan.prepared.upstream
            request.prepared = prepare(head, decided, decided.decision.ref, snapshot, upstream)
        return request

    # --- called by the client's connection ----------------------------------------------------------

    def begin(self) -> None:
        """Send the request."""
        head, plan, pool = self.head, self.plan, self.pool
        prepared = plan.prepared
        host = prepared.host
        if host is None:
            host = head.host if prepared.preserve_host else pool.authority
        body = head.body
        length = b"content-length: %d\r\n" % len(body) if head.has_length else b""
        raw = (
            b"%b %b%b HTTP/1.1\r\nhost: %b\r\n%bx-request-id: %b\r\ntraceparent: %b\r\n%b%b\r\n%b"
            % (
                prepared.method,
                plan.path,
                head.query,
                host,
                plan.block,
                self.request_id,
                self.traceparent,
                prepared.added,
                length,
                body,
            )
        )
        self.connection.begin(raw, self, prepared.is_head, prepared.timeouts, False)

    def body(self, data: bytes) -> None:
        self.general().body(data)

    def body_ended(self, trailers: HeaderPairs) -> None:
        """The request is complete from the beginning."""

    def refuse(self, error: RequestError) -> None:
        self.general().refuse(error)

    def client_disconnected(self) -> None:
        self.general().client_disconnected()

    def client_blocked(self, blocked: bool) -> None:
        self.general().client_blocked(blocked)

    def client_half_closed(self) -> None:
        self.general().client_half_closed()

    def check_deadlines(self, now: float) -> None:
        if self.successor is not None or now - self.began >= self.plan.prepared.timeouts.total_s:
            self.general().check_deadlines(now)

    # --- called by the upstream's connection --------------------------------------------------------

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        snapshot, client, plan, request = self.snapshot, self.client, self.plan, self.head
        prepared = plan.prepared
        fields = None
        if self.successor is None and not (prepared.edits_response or client.draining):
            fields = unchanged(head, snapshot.decision_header)
        if fields is None or (framing == "chunked" and not request.minor):
            self.general().response_complete(head, framing, body)
            return
        total_s = time.monotonic() - self.began
        sent_bytes = len(body)
        coding = b""
        if framing == "chunked":
            coding = b"transfer-encoding: chunked\r\n"
            body = chunked_body(body)
        keep = request.keep_alive
        client.write(
            b"%bx-request-id: %b\r\n%b%b%b%b"
            % (
                fields[0],
                self.request_id,
                prepared.decision_line if plan.may_see_decision else b"",
                coding,
                b"\r\n" if keep else b"connection: close\r\n\r\n",
                body,
            )
        )
        self._finish(head.status, sent_bytes, total_s)
        client.request_done(True, keep, False)

    def _finish(self, status: int, sent_bytes: int, total_s: float) -> None:
        plan, head, forwarder = self.plan, self.head, self.tier.forwarder
        prepared = plan.prepared
        received_bytes = len(head.body)
        forwarder.counters.count_usual(
            prepared.counted, status, received_bytes, sent_bytes, total_s
        )
        log = forwarder.access_log
        if log.enabled:
            now = time.time()
            second = int(now)
            total_ms = total_s * 1e3
            line = USUAL_LINE % (
                forwarder.writer.second(second),
                (now - second) * 1e6,
                self.draw_bp * _PER_CENT,
                status,
                received_bytes,
                sent_bytes,
                total_ms,
                total_ms,
                self.request_id,
                self.trace_id,
                prepared.logged,
                plan.client,
                prepared.method,
                head.host,
                head.path,
                plan.read,
            )
            log.offer(line)

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        self.general().interim_response(status, headers)

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        self.general().response_started(head, framing, more_follows)

    def response_data(self, data: bytes) -> None:
        self.general().response_data(data)

    def response_ended(self, trailers: HeaderPairs) -> None:
        self.general().response_ended(trailers)

    def response_failed(self, error: UpstreamError) -> None:
        self.general().response_failed(error)

    def backend_half_closed(self) -> None:
        self.general().backend_half_closed()

    def upload_paused(self) -> None:
        self.general().upload_paused()

    def upload_resumed(self) -> None:
        self.general().upload_resumed()

    def elapsed(self, seconds: float) -> None:
        """The sweep over client connections checks the deadlines."""


class QuickTier:
    """The fast tier as the service of a listener: usual requests go the quick way, all others the general way.

    Without `known` all go the general way.
    """

    __slots__ = ("_routes", "forwarder", "general", "known")

    def __init__(self, forwarder: Forwarder, known: KnownLines | None) -> None:
        self.forwarder = forwarder
        self.general = FastTier(forwarder)
        self.known = known
        self._routes = QuickRoutes(forwarder, forwarder.table.current)

    @property
    def limits(self) -> Snapshot:
        return self.forwarder.table.current

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> FastRequest:
        return self.general.new_request(client, head, body)

    def new_quick_request(
        self, client: ClientConnection, head: QuickHead
    ) -> QuickRequest | FastRequest:
        """A request that has not begun."""
        forwarder, routes = self.forwarder, self._routes
        snapshot = forwarder.table.current
        if routes.snapshot is not snapshot:
            routes = self._routes = QuickRoutes(forwarder, snapshot)
        draw_bp = forwarder.draw()
        plan = routes.plan(head, client, draw_bp)
        pool: Pool | None = None
        if plan is not None:
            prepared = plan.prepared
            pool = prepared.upstream.next_pool()
            connection = pool.take_idle(prepared.repeatable and not head.has_length)
            if connection is not None:
                bits = forwarder.random_bits()
                digits = b"%048x" % (bits | ONES)
                trace_id = digits[:32]
                claimed = plan.claimed
                traceparent = claimed.traceparent
                if traceparent is None:
                    traceparent = b"00-%b-%b-00" % (trace_id, digits[32:])
                else:
                    trace_id = traceparent[3:35]
                return QuickRequest(
                    self,
                    client,
                    head,
                    snapshot,
                    plan,
                    draw_bp,
                    bits,
                    claimed.request_id or digits[:32],
                    trace_id,
                    traceparent,
                    time.monotonic(),
                    pool,
                    connection,
                )
        return self.general.new_request(client, head.strict(), head.body, draw_bp, pool)
