"""One request's walk, over ASGI. Each line of `_walk` is a step, each step a value."""

import asyncio
import time
from collections.abc import Callable

from proxy.answers import OPTIONS_ANSWER, own_answer, problem
from proxy.asgi import OPENING, ClientSide, Outbox, Receive, Scope, Send
from proxy.errors import ClientGone, MethodRefused, RequestError, TooLarge, without_trace
from proxy.model import HeaderPairs, Route
from proxy.onward import find_target, going_of
from proxy.outgoing import body_of, outgoing
from proxy.reading import Fields, RequestHead
from proxy.record import Record
from proxy.relay import fields, opening
from proxy.table import Snapshot
from proxy.upstream import Exchange, HttpUpstream
from proxy.walk import Course, Kit, Looks, choose, looks_of, told_of


class Handler:
    """The facade as an ASGI application for `http` scopes."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        snapshot = self._kit.tables.current
        out = Outbox(send, OPENING in scope.get("extensions", ()))
        record = self._kit.record(snapshot)
        logged = b""
        try:
            logged = await self._walk(scope, receive, out, snapshot, record)
        except RequestError as error:
            record.error = without_trace(error)
            # Too late for a status once the answer has begun: returning makes the server cut the connection.
            if not (out.status or isinstance(error, ClientGone)):
                await out.answer(problem(error), [*told_of(snapshot, record), *_farewell(error)])
        finally:
            self._write_down(record, out, snapshot, began, logged)

    async def _walk(
        self, scope: Scope, receive: Receive, out: Outbox, snapshot: Snapshot, record: Record
    ) -> bytes:
        """Gives what the course knows of its log line."""
        head = _head_of(scope)
        looks = _looks_of(scope, head, snapshot)
        course = choose(looks, head, record, self._kit.bits())
        if course is None:
            await out.answer(OPTIONS_ANSWER, told_of(snapshot, record))
            return b""
        facts, decision = record.facts, course.decision
        assert facts is not None
        if decision.ref is None:
            await out.answer(own_answer(decision.route, facts), told_of(snapshot, record))
            return course.logged
        client = _client_side(scope, receive, decision.route)
        try:
            exchange = await self._open(looks, course, head, record)
            if exchange.has_body:
                client.start_upload(exchange)
            exchange.on_wait = client.watch
            try:
                await _pass_on(exchange, out, course, snapshot, record)
            finally:
                record.attempts = exchange.attempts
                exchange.abort()
        except asyncio.CancelledError:
            if client.fault is None:
                raise  # Not ours: the server is stopping.
            raise client.fault from None
        finally:
            if client.leave():
                await client.settle()
            record.received_bytes = client.received_bytes
        return course.logged

    async def _open(
        self, looks: Looks, course: Course, head: RequestHead, record: Record
    ) -> Exchange:
        """Send the request on, but for its body."""
        facts, decision, identity = record.facts, course.decision, record.identity
        assert facts is not None
        assert decision.ref is not None
        assert identity is not None
        snapshot = looks.snapshot
        backend = snapshot.backends[decision.ref.backend]
        upstream = self._kit.backends.of(backend)
        if isinstance(upstream, HttpUpstream):
            going = course.lane.going or going_of(self._kit, looks, course, head, record)
            assert going is not None
            if not course.target:
                find_target(course)
            return await upstream.ask(going.asked(course.target, identity))
        request = outgoing(facts, decision, backend, snapshot.table.forwarded, identity)
        limit = decision.route.limits.max_body_bytes
        if request.body.length > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        return await upstream.open(request)

    def _write_down(
        self, record: Record, out: Outbox, snapshot: Snapshot, began: float, logged: bytes
    ) -> None:
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.complete = out.complete
        record.sent_bytes = out.sent_bytes
        record.total_s = time.monotonic() - began
        if out.started_at is not None:
            record.first_byte_s = out.started_at - began
        self._kit.write_down(record, snapshot, logged)


async def _pass_on(
    exchange: Exchange, out: Outbox, course: Course, snapshot: Snapshot, record: Record
) -> None:
    head = await exchange.head()
    if out.takes_openings:
        start = opening(head, course, snapshot, record)
        await out.open(head.status, start, head.fields.length)
    else:
        await out.start(head.status, fields(head, course, snapshot, record))
    data: bytes | None = exchange.take()
    if exchange.over:
        await out.end(data or b"")
        return
    while data is not None:
        # The first may be empty: a server holds the head back until something of the body comes.
        await out.chunk(data)
        data = await exchange.next_chunk()
    await out.end()


def _farewell(error: RequestError) -> HeaderPairs:
    """Whoever sends what is refused may mean another thing with what follows: the connection ends."""
    ends = isinstance(error, MethodRefused | TooLarge)
    return [(b"connection", b"close")] if ends else []


def _client_side(scope: Scope, receive: Receive, route: Route) -> ClientSide:
    # For the server's own sweep over its connections, if it is ours.
    scope["facade.allowed"] = (route.timeouts, route.limits)
    return ClientSide(
        receive,
        route.limits.max_body_bytes,
        route.timeouts.total_s,
        lambda: scope.get("facade.fault"),
    )


def _head_of(scope: Scope) -> RequestHead:
    """The request as our server read it; or what another one says of it: an empty query is lost there.

    Raises BadRequest.
    """
    head: RequestHead | None = scope.get("facade.head")
    if head is not None:
        return head
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    target = path + b"?" + query if query else path
    minor = int(scope["http_version"] != "1.0")
    pairs: HeaderPairs = list(scope["headers"])
    return RequestHead(scope["method"], target, minor, Fields(pairs, body_of(pairs)))


def _looks_of(scope: Scope, head: RequestHead, snapshot: Snapshot) -> Looks:
    """What the connection remembers, if it is one of ours. Raises BadRequest."""
    remembered: Callable[[HeaderPairs], Looks] | None = scope.get("facade.looks")
    if remembered is not None:
        return remembered(head.headers)
    client = scope["client"]
    return looks_of(snapshot, head.headers, client[0] if client else "", scope["scheme"])
