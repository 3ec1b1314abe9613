"""A request on the ASGI tier: the facade as an ASGI application. The same steps as in `fast_request`, awaited."""

import asyncio
import time

from msgspec import Struct

from proxy.downstream.asgi import AsgiExtension, AsgiService
from proxy.downstream.asgi_types import HEAD_BLOCK, Receive, Scope, Send
from proxy.downstream.interfaces import ActiveRequest, ClientConnection
from proxy.errors import ClientGone, MethodRefused, RequestError, TooLarge, without_trace
from proxy.forwarding.asgi_io import AsgiRequestBody, AsgiResponse
from proxy.forwarding.fast_request import FastTier
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.logins import private_connection
from proxy.forwarding.prepared_request import Request, check_length, prepare
from proxy.forwarding.response_headers import facade_headers, response_fields, response_head
from proxy.forwarding.route_cache import (
    CachedDecision,
    ConnectionState,
    cached_decision,
    connection_state,
    new_connection_state,
)
from proxy.http1.local_reply import OPTIONS_REPLY, problem
from proxy.http1.request_head import RequestFields, RequestHead, read_framing
from proxy.model import BackendRef, HeaderPairs, Route
from proxy.routing.direct_response import direct_response
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import Identity, identify
from proxy.routing.transforms.upstream_request import outgoing, upstream_target
from proxy.telemetry.request_record import Record
from proxy.upstream import Exchange, HttpExchange, HttpUpstream


class Resolved(Struct, eq=False):
    """A request that goes to a backend: what it is sent with."""

    head: RequestHead
    snapshot: Snapshot
    cached: CachedDecision
    ref: BackendRef
    identity: Identity
    client: ClientConnection | None
    """None if another server than ours called."""


class AsgiForwarder:
    """The facade as an ASGI application for `http` scopes."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        snapshot = self._forwarder.table.current
        out = AsgiResponse(send, HEAD_BLOCK in scope.get("extensions", ()))
        record = self._forwarder.record(snapshot)
        logged = b""
        try:
            logged = await self._respond(scope, receive, out, snapshot, record)
        except RequestError as error:
            record.error = without_trace(error)
            # Too late for a status once the response has begun: returning makes the server close the connection.
            if not (out.status or isinstance(error, ClientGone)):
                own = facade_headers(snapshot, record)
                await out.answer(problem(error), [*own, *_close_after(error)])
        finally:
            self._finish(record, out, snapshot, began, logged)

    async def _respond(
        self, scope: Scope, receive: Receive, out: AsgiResponse, snapshot: Snapshot, record: Record
    ) -> bytes:
        """Respond to one request. Returns the cached part of its log line."""
        head = _head_of(scope)
        state = _state_of(scope, head, snapshot)
        identity = record.identity = identify(state.said, self._forwarder.random_bits())
        cached = cached_decision(state, head, record)
        if cached is None:
            await out.answer(OPTIONS_REPLY, facade_headers(snapshot, record))
            return b""
        decision = cached.decision
        if decision.ref is None:
            reply = direct_response(decision.route, cached.facts)
            await out.answer(reply, facade_headers(snapshot, record))
            return cached.logged
        client = _client_side(scope, receive, decision.route)
        try:
            await self._forward(
                Resolved(head, snapshot, cached, decision.ref, identity, _connection_of(scope)),
                client,
                out,
                record,
            )
        except asyncio.CancelledError:
            if client.fault is None:
                raise  # Not ours: the server is stopping.
            raise client.fault from None
        finally:
            if client.leave():
                await client.settle()
            record.received_bytes = client.received_bytes
        return cached.logged

    async def _forward(
        self, request: Resolved, client: AsgiRequestBody, out: AsgiResponse, record: Record
    ) -> None:
        exchange = await self._open(request)
        if exchange.has_body:
            client.start_upload(exchange)
        exchange.on_elapsed = client.watch
        try:
            await _pass_on(exchange, out, request, record)
        finally:
            record.attempts = exchange.attempts
            exchange.abort()

    async def _open(self, request: Resolved) -> Exchange:
        """Send the head of the request to its backend. Raises RequestError."""
        snapshot, cached, identity = request.snapshot, request.cached, request.identity
        facts, decision = cached.facts, cached.decision
        backend = snapshot.backends[request.ref.backend]
        upstream = self._forwarder.upstreams.of(backend)
        if isinstance(upstream, HttpUpstream):
            prepared = cached.entry.prepared
            if prepared is None:
                source = Request(request.head, facts, decision, request.ref, identity)
                prepared = prepare(source, snapshot, upstream)
                if prepared.adds_ids:
                    cached.entry.prepared = prepared
            if not cached.target:
                cached.target = upstream_target(facts, decision)
            private, logged_in = private_connection(
                request.client, facts, upstream, prepared.logs_in
            )
            asked = prepared.asked(cached.target, identity)
            first = upstream.pool_for(facts)
            return await upstream.open_prepared(asked, private, logged_in, first)
        sent = outgoing(facts, decision, backend, snapshot.table.forwarded, identity)
        check_length(sent.body.length, decision)
        return await upstream.open(sent)

    def _finish(
        self, record: Record, out: AsgiResponse, snapshot: Snapshot, began: float, logged: bytes
    ) -> None:
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.complete = out.complete
        record.sent_bytes = out.sent_bytes
        record.total_s = time.monotonic() - began
        if out.started_at is not None:
            record.first_byte_s = out.started_at - began
        self._forwarder.finish(record, snapshot, logged)


async def _pass_on(
    exchange: Exchange, out: AsgiResponse, request: Resolved, record: Record
) -> None:
    head = await exchange.head()
    cached, snapshot = request.cached, request.snapshot
    cookie = _affinity_cookie(exchange, cached)
    if out.takes_head_blocks:
        start = response_head(head, cached, snapshot, request.identity)
        if cookie is not None:
            start = b"%bset-cookie: %b\r\n" % (start, cookie)
        await out.open(head.status, start, head.fields.length)
    else:
        fields = response_fields(head, cached, snapshot, record)
        if cookie is not None:
            fields = [*fields, (b"set-cookie", cookie)]
        await out.start(head.status, fields)
    data: bytes | None = exchange.take()
    if exchange.complete:
        await out.end(data or b"")
        return
    while data is not None:
        # The first may be empty: a server holds the head back until something of the body comes.
        await out.chunk(data)
        data = await exchange.next_chunk()
    await out.end()


def _affinity_cookie(exchange: Exchange, cached: CachedDecision) -> bytes | None:
    """The value of Set-Cookie that keeps the client with its endpoint, if it has to get one."""
    return (
        exchange.pool.affinity_cookie(cached.facts) if isinstance(exchange, HttpExchange) else None
    )


def _close_after(error: RequestError) -> HeaderPairs:
    """After CONNECT, TRACE or a body that is too large the next bytes may be no request: close the connection."""
    ends = isinstance(error, MethodRefused | TooLarge)
    return [(b"connection", b"close")] if ends else []


def _client_side(scope: Scope, receive: Receive, route: Route) -> AsgiRequestBody:
    shared: AsgiExtension | None = scope.get("facade")
    if shared is not None:
        # The server's sweep over client connections checks these deadlines.
        shared.allowed = (route.timeouts, route.limits)
    return AsgiRequestBody(
        receive,
        route.limits.max_body_bytes,
        route.timeouts.total_s,
        lambda: None if shared is None else shared.fault,
    )


def _head_of(scope: Scope) -> RequestHead:
    """The request as our server read it; from another server, out of the scope, which loses an empty query.

    Raises BadRequest.
    """
    shared: AsgiExtension | None = scope.get("facade")
    if shared is not None:
        return shared.head
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    target = path + b"?" + query if query else path
    minor = int(scope["http_version"] != "1.0")
    pairs: HeaderPairs = list(scope["headers"])
    return RequestHead(scope["method"], target, minor, RequestFields(pairs, read_framing(pairs)))


def _connection_of(scope: Scope) -> ClientConnection | None:
    shared: AsgiExtension | None = scope.get("facade")
    return None if shared is None else shared.client


def _state_of(scope: Scope, head: RequestHead, snapshot: Snapshot) -> ConnectionState:
    """The state of the connection, if it is one of our server. Raises BadRequest."""
    shared: AsgiExtension | None = scope.get("facade")
    if shared is not None:
        return connection_state(shared.client, head.headers, snapshot)
    client = scope["client"]
    return new_connection_state(
        snapshot, head.headers, client[0] if client else "", scope["scheme"]
    )


class AsgiTier(Struct, frozen=True):
    """The ASGI tier as the service of a listener.

    ASGI carries neither WebSockets byte by byte nor HTTP/1.0, which has no chunks: they go through the fast tier.
    """

    asgi: AsgiService
    fast: FastTier

    @property
    def limits(self) -> Snapshot:
        return self.fast.limits

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        if head.upgrade == b"websocket" or not head.minor:
            return self.fast.new_request(client, head, body)
        return self.asgi.new_request(client, head, body)
