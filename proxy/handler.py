"""One request's walk, over ASGI. Each line of `_walk` is a step, each step a value."""

import asyncio
import time
from collections.abc import Callable

from proxy.answers import own_answer, problem
from proxy.asgi import ClientSide, Outbox, Receive, Scope, Send
from proxy.backends import Backends
from proxy.decide import decide
from proxy.errors import BadRequest, ClientGone, NoRoute, RequestError, TooLarge
from proxy.facts import check_limits, read_facts
from proxy.headers import client_headers
from proxy.mapping import mapped_back
from proxy.match import match
from proxy.model import Decision, Facts, HeaderPairs
from proxy.outgoing import outgoing
from proxy.record import Record, decision_value, log_line
from proxy.table import Snapshot, Tables
from proxy.telemetry import AccessLog
from proxy.upstream import Exchange


class Handler:
    """The facade as an ASGI application for `http` scopes.

    `draw` gives a whole number from [0, 10,000), uniform, once for each request.
    """

    def __init__(
        self, tables: Tables, backends: Backends, access_log: AccessLog, draw: Callable[[], int]
    ) -> None:
        self._tables = tables
        self._backends = backends
        self._access_log = access_log
        self._draw = draw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        snapshot = self._tables.current
        out = Outbox(send)
        record = Record(snapshot.version, self._draw())
        try:
            await self._walk(scope, receive, out, snapshot, record)
        except RequestError as error:
            record.error = error
            # Too late for a status once the answer has begun: returning makes the server cut the connection.
            if not (out.status or isinstance(error, ClientGone)):
                await out.answer(problem(error), told(snapshot, record))
        finally:
            self._write_down(record, out, snapshot, began)

    async def _walk(
        self, scope: Scope, receive: Receive, out: Outbox, snapshot: Snapshot, record: Record
    ) -> None:
        facts = record.facts = _facts(scope, snapshot)
        route = record.route = match(snapshot.index, facts)
        if route is None:
            raise NoRoute(f"no route takes {facts.method} {facts.path.decode('latin-1')}")
        check_limits(facts, route.limits)
        decision = record.decision = decide(snapshot.table, route, facts, record.draw_bp)
        if decision.ref is None:
            await out.answer(own_answer(route, facts), told(snapshot, record))
            return
        client = ClientSide(receive, route.limits.max_body_bytes)
        try:
            exchange = await self._open(facts, decision, snapshot, client)
            try:
                await _pass_on(exchange, decision, out, snapshot, record)
            finally:
                exchange.abort()
        except asyncio.CancelledError:
            if client.fault is None:
                raise  # Not ours: the server is stopping.
            raise client.fault from None
        finally:
            await client.settle()
            record.received_bytes = client.received_bytes

    async def _open(
        self, facts: Facts, decision: Decision, snapshot: Snapshot, client: ClientSide
    ) -> Exchange:
        """Send the request on; its body follows in a task of `client`."""
        assert decision.ref is not None
        backend = snapshot.backends[decision.ref.backend]
        request = outgoing(facts, decision, backend, snapshot.table.forwarded)
        limit = decision.route.limits.max_body_bytes
        if request.body.length > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        exchange = await self._backends.of(backend).open(request)
        if exchange.has_body:
            client.start_upload(exchange)
        else:
            exchange.on_wait = client.watch
        return exchange

    def _write_down(self, record: Record, out: Outbox, snapshot: Snapshot, began: float) -> None:
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.complete = out.complete
        record.sent_bytes = out.sent_bytes
        record.total_s = time.monotonic() - began
        if out.started_at is not None:
            record.first_byte_s = out.started_at - began
        self._access_log.offer(log_line(record, snapshot.reads, time.time()))


async def _pass_on(
    exchange: Exchange, decision: Decision, out: Outbox, snapshot: Snapshot, record: Record
) -> None:
    status, headers = await exchange.head()
    assert decision.ref is not None
    assert record.facts is not None
    backend = snapshot.backends[decision.ref.backend]
    headers = mapped_back(headers, decision, backend, record.facts.host)
    kept = client_headers(headers, decision, snapshot.decision_header)
    await out.start(status, [*kept, *told(snapshot, record)])
    while (data := await exchange.next_chunk()) is not None:
        await out.chunk(data)
    await out.end()


def _facts(scope: Scope, snapshot: Snapshot) -> Facts:
    headers: HeaderPairs = scope["headers"]
    client = scope["client"]
    facts = read_facts(
        scope["method"],
        scope.get("facade.target") or _target(scope),
        headers,
        client[0] if client else "",
        scope["scheme"],
        snapshot.trusted,
    )
    if not facts.host and scope["http_version"] == "1.1":
        raise BadRequest("the request has no Host header (RFC 9112 3.2)")
    return facts


def _target(scope: Scope) -> bytes:
    """What another server than ours says of the target: an empty query is lost there."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def told(snapshot: Snapshot, record: Record) -> HeaderPairs:
    """The decision header, for the clients that may see it."""
    facts = record.facts
    if facts is None or facts.client not in snapshot.exposed:
        return []
    return [(snapshot.decision_header, decision_value(record))]
