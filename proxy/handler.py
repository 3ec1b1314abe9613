"""One request's walk, over ASGI. Each line of `_walk` is a step, each step a value."""

import asyncio
import time

from proxy.answers import OPTIONS_ANSWER, own_answer, problem
from proxy.asgi import ClientSide, Outbox, Receive, Scope, Send
from proxy.errors import ClientGone, MethodRefused, RequestError, TooLarge
from proxy.model import Decision, Facts, HeaderPairs
from proxy.outgoing import outgoing
from proxy.reading import Fields, RequestHead
from proxy.record import Record
from proxy.table import Snapshot
from proxy.upstream import Exchange
from proxy.walk import Kit, answer_fields, choose, looks_of, told_of


class Handler:
    """The facade as an ASGI application for `http` scopes."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        snapshot = self._kit.tables.current
        out = Outbox(send)
        record = self._kit.record(snapshot)
        try:
            await self._walk(scope, receive, out, snapshot, record)
        except RequestError as error:
            record.error = error
            # Too late for a status once the answer has begun: returning makes the server cut the connection.
            if not (out.status or isinstance(error, ClientGone)):
                await out.answer(problem(error), [*told_of(snapshot, record), *_farewell(error)])
        finally:
            self._write_down(record, out, snapshot, began)

    async def _walk(
        self, scope: Scope, receive: Receive, out: Outbox, snapshot: Snapshot, record: Record
    ) -> None:
        client_address = scope["client"]
        looks = looks_of(
            snapshot, scope["headers"], client_address[0] if client_address else "", scope["scheme"]
        )
        course = choose(looks, _head_of(scope), record, self._kit.bits())
        if course is None:
            await out.answer(OPTIONS_ANSWER, told_of(snapshot, record))
            return
        decision = course.decision
        facts = record.facts
        assert facts is not None
        if decision.ref is None:
            await out.answer(own_answer(decision.route, facts), told_of(snapshot, record))
            return
        client = _client_side(scope, receive, decision)
        try:
            exchange = await self._open(facts, decision, snapshot, record, client)
            try:
                await _pass_on(exchange, out, snapshot, record)
            finally:
                record.attempts = exchange.attempts
                exchange.abort()
        except asyncio.CancelledError:
            if client.fault is None:
                raise  # Not ours: the server is stopping.
            raise client.fault from None
        finally:
            await client.settle()
            record.received_bytes = client.received_bytes

    async def _open(
        self,
        facts: Facts,
        decision: Decision,
        snapshot: Snapshot,
        record: Record,
        client: ClientSide,
    ) -> Exchange:
        """Send the request on; its body follows in a task of `client`."""
        assert decision.ref is not None
        backend = snapshot.backends[decision.ref.backend]
        request = outgoing(facts, decision, backend, snapshot.table.forwarded, record.identity)
        limit = decision.route.limits.max_body_bytes
        if request.body.length > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        exchange = await self._kit.backends.of(backend).open(request)
        if exchange.has_body:
            client.start_upload(exchange)
        exchange.on_wait = client.watch
        return exchange

    def _write_down(self, record: Record, out: Outbox, snapshot: Snapshot, began: float) -> None:
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.complete = out.complete
        record.sent_bytes = out.sent_bytes
        record.total_s = time.monotonic() - began
        if out.started_at is not None:
            record.first_byte_s = out.started_at - began
        self._kit.write_down(record, snapshot)


async def _pass_on(exchange: Exchange, out: Outbox, snapshot: Snapshot, record: Record) -> None:
    status, headers = await exchange.head()
    await out.start(status, answer_fields(headers, snapshot, record))
    while (data := await exchange.next_chunk()) is not None:
        await out.chunk(data)
    await out.end()


def _farewell(error: RequestError) -> HeaderPairs:
    """Whoever sends what is refused may mean another thing with what follows: the connection ends."""
    ends = isinstance(error, MethodRefused | TooLarge)
    return [(b"connection", b"close")] if ends else []


def _client_side(scope: Scope, receive: Receive, decision: Decision) -> ClientSide:
    route = decision.route
    # For the server's own sweep over its connections, if it is ours.
    scope["facade.allowed"] = (route.timeouts, route.limits)
    return ClientSide(
        receive,
        route.limits.max_body_bytes,
        route.timeouts.total_s,
        lambda: scope.get("facade.fault"),
    )


def _head_of(scope: Scope) -> RequestHead:
    """The request as our server read it; or what another one says of it: an empty query is lost there."""
    head: RequestHead | None = scope.get("facade.head")
    if head is not None:
        return head
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    target = path + b"?" + query if query else path
    minor = int(scope["http_version"] != "1.0")
    return RequestHead(scope["method"], target, minor, Fields(scope["headers"]))
