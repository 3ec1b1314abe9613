"""A request on the ASGI tier: the facade as an ASGI application. It awaits the steps of `fast_request`."""

import time
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from proxy.downstream.asgi import AsgiExtension, AsgiService
from proxy.downstream.asgi_types import HEAD_BLOCK, Receive, Scope, Send
from proxy.downstream.interfaces import (
    ActiveRequest,
    ClientConnection,
    ConnectionLimits,
    RequestService,
)
from proxy.errors import ClientGone, MethodRefused, RequestError, TooLarge, without_trace
from proxy.forwarding.asgi_exchange import AsgiExchange
from proxy.forwarding.asgi_io import AsgiRequestBody, AsgiResponse
from proxy.forwarding.asgi_recovery import forward_judged
from proxy.forwarding.copied import copy_of
from proxy.forwarding.current_routes import CurrentQuickRoutes
from proxy.forwarding.decided import Decided, decide_request
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.logins import private_connection
from proxy.forwarding.prepared_request import check_length, prepare
from proxy.forwarding.recovery import begin_recovery
from proxy.forwarding.response_headers import (
    facade_headers,
    own_cookies,
    problem_reply,
    response_fields,
    response_head,
)
from proxy.forwarding.usual_request import UsualRequest, usual_ids
from proxy.http1.connection_login import has_login_credentials
from proxy.http1.framing import NO_BODY
from proxy.http1.known_lines import KnownLines
from proxy.http1.local_reply import OPTIONS_REPLY, LocalReply
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_head import RequestFields, RequestHead, read_framing
from proxy.http1.request_writer import PreparedHead, has_body
from proxy.http1.response_head import ResponseHead
from proxy.model import BackendRef, Facts, FieldName, HeaderPairs, Route, Timeouts
from proxy.routing.direct_response import direct_response
from proxy.routing.next_step import attempt_timeouts
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.upstream_request import outgoing
from proxy.telemetry.request_record import Record
from proxy.upstream import Exchange, HttpUpstream


class Resolved(Struct, eq=False):
    """A request whose route is known: what all of its attempts have in common."""

    head: RequestHead
    snapshot: Snapshot
    client: ClientConnection | None
    """None if another server than ours called."""


class AsgiForwarder:
    """The facade as an ASGI application for `http` scopes."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._routes = CurrentQuickRoutes(forwarder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        draw_bp = self._forwarder.draw()
        out = AsgiResponse(send, HEAD_BLOCK in scope.get("extensions", ()))
        shared: AsgiExtension | None = scope.get("facade")
        usual = None if shared is None else self._usual(shared, draw_bp, began)
        if usual is not None and shared is not None:
            await self._respond_usual(usual, shared, receive, out)
            return
        snapshot = self._forwarder.table.current
        record = self._forwarder.record(snapshot, draw_bp)
        try:
            await self._respond(scope, receive, out, snapshot, record)
        except RequestError as error:
            await _fail(error, out, snapshot, record)
        finally:
            self._finish(record, out, snapshot, began)

    # --- usual requests -----------------------------------------------------------------------------

    def _usual(self, shared: AsgiExtension, draw_bp: int, began: float) -> UsualRequest | None:
        """None for a request that goes the general way."""
        head, client, forwarder = shared.head, shared.client, self._forwarder
        if not isinstance(head, QuickHead) or client.private is not None:
            return None
        routes = self._routes.get()
        plan = routes.plan(head, client, draw_bp)
        # An exchange sends a safe request a second time, but would send this one without its body.
        if plan is None or (head.has_length and plan.prepared.repeatable):
            return None
        bits = forwarder.random_bits()
        ids = usual_ids(plan.claimed, bits)
        return UsualRequest(forwarder, client, head, routes.snapshot, plan, bits, *ids, began)

    async def _respond_usual(
        self, usual: UsualRequest, shared: AsgiExtension, receive: Receive, out: AsgiResponse
    ) -> None:
        prepared, snapshot = usual.plan.prepared, usual.snapshot
        noted: Record | None = None

        async def start(_exchange: AsgiExchange, head: ResponseHead) -> None:
            nonlocal noted
            block = usual.response_block(head)
            if block is None:
                _, record, decided = usual.general_state()
                noted = record
                block = response_head(head, decided, snapshot, record)
            await out.open(head.status, block, head.fields.length)

        client = _client_side(shared, receive, prepared.route)
        exchange = AsgiExchange(client, out, start)
        sent = PreparedHead(usual.head.method, NO_BODY, prepared.timeouts, usual.raw)
        failure: RequestError | None = None
        try:
            await exchange.run(prepared.upstream.open_prepared(sent))
        except RequestError as error:
            failure = error
        finally:
            remarkable = noted is not None and (
                noted.dropped_cookies != () or noted.refused_head is not None
            )
            usually = out.complete and exchange.at_once and exchange.attempts == 1
            if usually and not remarkable:
                usual.finish(out.status, out.sent_bytes, time.monotonic() - usual.began)
            else:
                record = noted or usual.general_state()[1]
                record.attempts = exchange.attempts
                if failure is not None:
                    await _fail(failure, out, snapshot, record)
                self._finish(record, out, snapshot, usual.began)

    # --- requests of the general way ---------------------------------------------------------------------------------

    async def _respond(
        self, scope: Scope, receive: Receive, out: AsgiResponse, snapshot: Snapshot, record: Record
    ) -> None:
        """Respond to one request."""
        head = _head_of(scope)
        peer = scope["client"][0] if scope["client"] else ""
        moment = self._forwarder.moment(record.draw_bp)
        decided = decide_request(head, peer, scope["scheme"], snapshot, record, moment)
        if decided is None:
            await out.local_reply(OPTIONS_REPLY, facade_headers(snapshot, record))
            return
        decision = decided.decision
        if decision.ref is None:
            reply = direct_response(decision, decided.facts, decided.identity.request_id)
            await out.local_reply(reply, facade_headers(snapshot, record))
            return

        # The exchange is an argument: as part of the closure it would refer to itself, in a cycle (ADR 8).
        async def start(exchange: AsgiExchange, head: ResponseHead) -> None:
            decided = exchange.decided
            affinity = exchange.affinity_cookie(decided.facts)
            cookies = own_cookies(decided, affinity, snapshot, self._forwarder.clock())
            if out.takes_head_blocks:
                block = response_head(head, decided, snapshot, record)
                for cookie in cookies:
                    block = b"%bSet-Cookie: %b\r\n" % (block, cookie)
                await out.open(head.status, block, head.fields.length)
            else:
                fields = response_fields(head, decided, snapshot, record)
                added = [(FieldName(b"Set-Cookie"), cookie) for cookie in cookies]
                await out.start(head.status, [*fields, *added])

        shared: AsgiExtension | None = scope.get("facade")
        if shared is not None:
            shared.error_reply = lambda error: _own_reply(error, snapshot, record)
        client = _client_side(shared, receive, decision.route)
        connection = None if shared is None else shared.client
        exchange = AsgiExchange(client, out, start, decided=decided)
        request = Resolved(head, snapshot, connection)
        body = None if has_body(head.fields.body) else b""
        exchange.copy = copy_of(self._forwarder, snapshot, decided, record, body, time.monotonic())
        try:
            if decision.route.recovers and not _may_be_logged_in(decided.facts, connection):
                began = time.monotonic()
                client.has_body = has_body(head.fields.body)
                recovery = begin_recovery(self._forwarder, snapshot, record, decided, began)
                await forward_judged(exchange, partial(self._open, request), recovery)
            else:
                await exchange.run(self._open(request, decided, attempt_timeouts(decision)))
        finally:
            record.attempts = exchange.attempts
            record.received_bytes = client.received_bytes

    async def _open(self, request: Resolved, decided: Decided, timeouts: Timeouts) -> Exchange:
        """Send the head of the request to the backend of the decision. Raises RequestError."""
        snapshot, facts, decision = request.snapshot, decided.facts, decided.decision
        ref = decision.ref or BackendRef("-")
        backend = snapshot.backends[ref.backend]
        upstream = self._forwarder.upstreams.of(backend)
        if isinstance(upstream, HttpUpstream):
            prepared = prepare(request.head, decided, ref, snapshot, upstream)
            if timeouts is not prepared.timeouts:
                prepared = replace(prepared, timeouts=timeouts)
            private, logged_in = private_connection(
                request.client, facts, upstream, prepared.logs_in
            )
            sent_head, first = prepared.prepared_head(), upstream.pool_for(facts)
            return await upstream.open_prepared(sent_head, private, logged_in, first)
        forwarded = snapshot.table.forwarded
        sent = outgoing(facts, decision, backend, forwarded, decided.identity)
        check_length(sent.body.length, decision)
        return await upstream.open(replace(sent, timeouts=timeouts))

    def _finish(self, record: Record, out: AsgiResponse, snapshot: Snapshot, began: float) -> None:
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.complete = out.complete
        record.sent_bytes = out.sent_bytes
        record.total_s = time.monotonic() - began
        if out.started_at is not None:
            record.first_byte_s = out.started_at - began
        self._forwarder.finish(record, snapshot)


async def _fail(error: RequestError, out: AsgiResponse, snapshot: Snapshot, record: Record) -> None:
    """Respond with `error`, if that is still possible."""
    record.error = without_trace(error)
    # Too late for a status once the response has begun: returning makes the server close the connection.
    if not (out.status or isinstance(error, ClientGone)):
        await out.local_reply(_own_reply(error, snapshot, record), _close_after(error))


def _own_reply(error: RequestError, snapshot: Snapshot, record: Record) -> LocalReply:
    record.error = without_trace(error)
    reply = problem_reply(error, record, snapshot)
    headers = [*reply.headers, *facade_headers(snapshot, record)]
    return LocalReply(reply.status, headers, reply.body)


def _close_after(error: RequestError) -> HeaderPairs:
    """After CONNECT, TRACE or a body that is too large the next bytes may be no request: close the connection."""
    ends = isinstance(error, MethodRefused | TooLarge)
    return [(b"connection", b"close")] if ends else []


def _may_be_logged_in(facts: Facts, connection: ClientConnection | None) -> bool:
    """Whether the request may have to go over a connection that belongs to its client: it is sent once."""
    return has_login_credentials(facts.headers) or (
        connection is not None and connection.private is not None
    )


def _client_side(shared: AsgiExtension | None, receive: Receive, route: Route) -> AsgiRequestBody:
    if shared is not None:
        # The server's sweep over client connections checks these deadlines.
        shared.allowed = (route.timeouts, route.limits)
    return AsgiRequestBody(
        receive,
        route,
        lambda: None if shared is None else shared.fault,
    )


def _head_of(scope: Scope) -> RequestHead:
    """The request's head from our server; from another server, made from the scope, which loses an empty query.

    Raises BadRequest.
    """
    shared: AsgiExtension | None = scope.get("facade")
    if shared is not None:
        head = shared.head
        return head.strict() if isinstance(head, QuickHead) else head
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    target = path + b"?" + query if query else path
    minor = int(scope["http_version"] != "1.0")
    pairs: HeaderPairs = list(scope["headers"])
    return RequestHead(scope["method"], target, minor, RequestFields(pairs, read_framing(pairs)))


class AsgiTier(Struct, frozen=True):
    """The ASGI tier as the service of a listener.

    WebSockets and HTTP/1.0 go through the fast tier: ASGI passes on neither the bytes of WebSocket frames nor bodies
    without chunks.
    """

    asgi: AsgiService
    fast: RequestService

    @property
    def limits(self) -> ConnectionLimits:
        return self.fast.limits

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        if b"websocket" in head.upgrades or not head.minor:
            return self.fast.new_request(client, head, body)
        return self.asgi.new_request(client, head, body)

    @property
    def known(self) -> KnownLines | None:
        return self.fast.known

    def new_quick_request(self, client: ClientConnection, head: QuickHead) -> ActiveRequest:
        if not head.minor:
            return self.fast.new_quick_request(client, head)
        return self.asgi.new_quick_request(client, head)

    def refusal(self, error: RequestError) -> LocalReply:
        return self.fast.refusal(error)
