"""Usual requests that are copied to another backend (ADR 34), or whose attempts are judged (ADR 28)."""

from proxy.comparison.observation import Observation
from proxy.forwarding.fast_request import FastRequest
from proxy.forwarding.quick_request import QuickRequest
from proxy.forwarding.recovery import Recovery
from proxy.forwarding.response_gate import ResponseGate
from proxy.forwarding.route_loads import RouteLoad
from proxy.http1.response_head import Framing, ResponseHead
from proxy.mirroring.copied_exchange import CopiedExchange
from proxy.mirroring.sender import CopySender
from proxy.mirroring.served import CopiedRequest, Served
from proxy.model import Facts, Route
from proxy.routing.mirrored_request import mirror_of
from proxy.routing.response_ok import is_good
from proxy.routing.transforms.trace_context import Identity


class MirroredRequest(QuickRequest, eq=False):
    """A usual request that is copied to another backend. What the copy needs of it is made after its response."""

    copy: CopiedExchange | None = None
    """Set by `CopySender` after the response, or by `general`."""

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        QuickRequest.response_complete(self, head, framing, body)
        copies = self.forwarder.copies
        if copies is not None and self.successor is None:
            copies.note(self, head, body)

    @property
    def copied_route(self) -> Route:
        return self.plan.prepared.route

    def handed_over(self, head: ResponseHead, body: bytes, at: float) -> Served | None:
        """The same value as `CopiedExchange.take` makes, without a decision."""
        plan, request, client = self.plan, self.head, self.client
        prepared = plan.prepared
        route = prepared.route
        mirror = mirror_of(route)
        if max(len(body), len(request.body)) > mirror.max_body_bytes:
            return None
        duration_s = at - self.began
        if mirror.compare is None:
            response = Observation(failure="broke", duration_s=duration_s)
        else:
            response = Observation(head.status, head.fields.pairs, body, duration_s=duration_s)
        peer, query = client.peer, request.query
        return Served(
            self.snapshot.version,
            route.name,
            prepared.matched.number - 1,
            prepared.ref.backend,
            prepared.copied_to,
            Facts(
                request.method,
                request.host,
                request.path,
                query[1:],
                request.headers,
                plan.client.decode(),
                client.scheme,
                peer,
                peer in self.snapshot.trusted,
                query != b"",
                request.minor,
            ),
            Identity(
                self.request_id,
                self.traceparent,
                self.trace_id,
                plan.claimed.traceparent is not None,
            ),
            request.body,
            response,
            at,
        )

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
