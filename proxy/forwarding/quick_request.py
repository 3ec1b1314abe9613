r"""The usual request on the fast tier: request and response each come in one read, and no other event (ADR 21).

begin --> response_complete --> done
   \--> any other event: `general()` creates a `FastRequest` in the state of this one, which handles the rest
"""

import time

from proxy.downstream.client_response import OLD_KEEP_ALIVE_END
from proxy.downstream.interfaces import ClientConnection
from proxy.errors import RequestError, UpstreamError
from proxy.forwarding.current_routes import CurrentQuickRoutes
from proxy.forwarding.fast_request import FastRequest
from proxy.forwarding.fast_tier import FastTier
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.prepared_request import prepare
from proxy.forwarding.quick_routes import QuickPlan
from proxy.forwarding.recovery import Recovery
from proxy.forwarding.response_gate import ResponseGate
from proxy.forwarding.response_headers import refusal_reply
from proxy.forwarding.route_loads import RouteLoad
from proxy.forwarding.usual_request import UsualRequest, usual_ids
from proxy.http1.chunked import chunked_body
from proxy.http1.known_lines import KnownLines
from proxy.http1.local_reply import LocalReply
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_head import RequestHead
from proxy.http1.response_head import Framing, ResponseHead
from proxy.mirroring.copied_exchange import CopiedExchange
from proxy.mirroring.sender import CopySender
from proxy.mirroring.served import CopiedRequest
from proxy.model import HeaderPairs, Limits, Timeouts
from proxy.routing.response_ok import is_good
from proxy.routing.snapshot import Snapshot
from proxy.upstream import Connection, ExchangeSink, Pool


class QuickRequest(UsualRequest, eq=False):
    """A usual request on the fast tier. Implements `ActiveRequest` and `ExchangeSink`."""

    pool: Pool
    connection: Connection
    successor: FastRequest | None = None
    """Set by `general`. It then handles every event."""

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
        """The same request of the general way, with the same decision, already sent."""
        if self.successor is None:
            self.successor = self._general()
        return self.successor

    def sink(self) -> ExchangeSink:
        """Receives events of the upstream's connection after which this is a request of the general way."""
        return self.general().sink()

    def _general(self) -> FastRequest:
        snapshot = self.snapshot
        head, record, decided = self.general_state()
        request = FastRequest(
            self.forwarder,
            self.client,
            head,
            snapshot,
            record,
            self.began,
            self.head.body,
            None,
            decided,
            pool=self.pool,
            connection=self.connection,
        )
        ref = decided.decision.ref
        if ref is not None:
            upstream = self.plan.prepared.upstream
            request.prepared = prepare(head, decided, ref, snapshot, upstream)
        return request

    # --- called by the client's connection ----------------------------------------------------------

    def begin(self) -> None:
        """Send the request."""
        prepared = self.plan.prepared
        raw = self.raw(self.pool.authority)
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
        client, request = self.client, self.head
        block = None
        if self.successor is None and not client.draining:
            block = self.response_block(head)
        if block is None or (framing == "chunked" and not request.minor):
            self.sink().response_complete(head, framing, body)
            return
        total_s = time.monotonic() - self.began
        sent_bytes = len(body)
        coding = b""
        if framing == "chunked":
            coding = b"Transfer-Encoding: chunked\r\n"
            body = chunked_body(body)
        keep = request.keep_alive
        end = b"Connection: close\r\n\r\n"
        if keep:
            end = b"\r\n" if request.minor else OLD_KEEP_ALIVE_END
        client.write(b"%b%b%b%b" % (block, coding, end, body))
        self.finish(head.status, sent_bytes, total_s)
        client.request_done(True, keep, False)

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        self.sink().interim_response(status, headers)

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        self.sink().response_started(head, framing, more_follows)

    def response_data(self, data: bytes) -> None:
        self.sink().response_data(data)

    def response_ended(self, trailers: HeaderPairs) -> None:
        self.sink().response_ended(trailers)

    def response_failed(self, error: UpstreamError) -> None:
        self.sink().response_failed(error)

    def backend_half_closed(self) -> None:
        self.sink().backend_half_closed()

    def upload_paused(self) -> None:
        self.sink().upload_paused()

    def upload_resumed(self) -> None:
        self.sink().upload_resumed()

    def elapsed(self, seconds: float) -> None:
        """The sweep over client connections checks the deadlines."""


class MirroredRequest(QuickRequest, eq=False):
    """A usual request that is copied to another backend. What the copy needs of it is made after its response."""

    copy: CopiedExchange | None = None
    """Set by `CopySender` in the tick after the response, or by `general`."""

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        QuickRequest.response_complete(self, head, framing, body)
        copies = self.forwarder.copies
        if copies is not None and self.successor is None:
            if not copies.notes:
                copies.wake()
            copies.notes.append((self, head, body, time.monotonic()))

    def begin_copy(self, copies: CopySender) -> CopiedExchange:
        """What is copied of this request."""
        if self.copy is None:
            route = self.plan.prepared.route
            request, body = self._copied, self.head.body
            self.copy = copies.begin(route, self.snapshot, request, body, self.began)
        return self.copy

    def _copied(self) -> CopiedRequest:
        _, _, decided = self.general_state()
        return CopiedRequest(decided.facts, decided.decision, decided.identity)

    def _general(self) -> FastRequest:
        request, copies = QuickRequest._general(self), self.forwarder.copies
        if copies is not None:
            request.copy = self.begin_copy(copies)
        request.record.mirrored_to = request.decided.decision.mirrored_to[0]
        return request


class JudgedRequest(QuickRequest, eq=False, kw_only=True):
    """A usual request whose attempts are judged (ADR 28). `ResponseGate` gets any event but a good response."""

    load: RouteLoad
    period: int
    """As `ResponseGate.period`."""

    def begin(self) -> None:
        QuickRequest.begin(self)
        self.connection.leave_outcome()

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        prepared = self.plan.prepared
        if not is_good(prepared.route.response_ok, self.head.method, head, body):
            self.sink().response_complete(head, framing, body)
            return
        QuickRequest.response_complete(self, head, framing, body)
        if self.successor is None:
            self.pool.outcomes.report(head.status, self.period)
            self.forwarder.loads.end(self.load)

    def _general(self) -> FastRequest:
        request = QuickRequest._general(self)
        record, decided = request.record, request.decided
        recovery = Recovery(self.forwarder, self.snapshot, record, decided, self.began, self.load)
        request.gate = ResponseGate(request, recovery, period=self.period)
        return request


class QuickTier:
    """The fast tier as the service of a listener: usual requests go the quick way, all others the general way.

    Without `known` all go the general way.
    """

    __slots__ = ("_forwarder", "_general", "_routes", "known")

    def __init__(self, forwarder: Forwarder, known: KnownLines | None) -> None:
        self._forwarder = forwarder
        self._general = FastTier(forwarder)
        self._routes = CurrentQuickRoutes(forwarder)
        self.known = known

    @property
    def limits(self) -> Snapshot:
        return self._forwarder.table.current

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> FastRequest:
        return self._general.new_request(client, head, body)

    def new_quick_request(
        self, client: ClientConnection, head: QuickHead
    ) -> QuickRequest | FastRequest:
        """A request that has not begun."""
        forwarder = self._forwarder
        routes = self._routes.get()
        draw_bp = forwarder.draw()
        # With a private connection the request may have to go over that one.
        plan = None if client.private is not None else routes.plan(head, client, draw_bp)
        pool: Pool | None = None
        if plan is not None:
            prepared = plan.prepared
            pool = prepared.upstream.next_pool()
            connection = pool.take_idle(prepared.repeatable and not head.has_length)
            if connection is not None:
                bits = forwarder.random_bits()
                return QuickRequest(
                    forwarder,
                    client,
                    head,
                    routes.snapshot,
                    plan,
                    bits,
                    *usual_ids(plan.claimed, bits),
                    time.monotonic(),
                    pool,
                    connection,
                )
        elif client.private is None and routes.special is not None:
            plan = routes.special
            pool = plan.prepared.upstream.next_pool()
            connection = pool.take_idle(plan.prepared.repeatable and not head.has_length)
            if connection is not None:
                return self._special(client, head, plan, pool, connection)
        return self._general.new_request(client, head.strict(), head.body, draw_bp, pool)

    def _special(
        self,
        client: ClientConnection,
        head: QuickHead,
        plan: QuickPlan,
        pool: Pool,
        connection: Connection,
    ) -> QuickRequest:
        """A request that is judged or copied. Never both."""
        forwarder, snapshot, began = self._forwarder, self._routes.get().snapshot, time.monotonic()
        bits = forwarder.random_bits()
        ids = usual_ids(plan.claimed, bits)
        if plan.prepared.judged:
            load = forwarder.loads.begin(plan.prepared.route.name)
            return JudgedRequest(
                *(forwarder, client, head, snapshot, plan, bits, *ids, began, pool, connection),
                load=load,
                period=pool.outcomes.period,
            )
        return MirroredRequest(
            forwarder, client, head, snapshot, plan, bits, *ids, began, pool, connection
        )

    def refusal(self, error: RequestError) -> LocalReply:
        """The response to bytes that never became a request."""
        return refusal_reply(error, self.limits)
