"""One request's walk on the fast tier: the same steps as `handler`, without a task, pushed on by what arrives.

    begin --> own answer
      \\--> connection at hand, or _connect (a task, only then) --> _send --> answer_started --> ... --> over

The client's connection calls `body`, `body_ended`, `gone`, `refuse`; the upstream's calls what `AnswerSink` has.
Whoever comes first ends the walk, and it ends once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from proxy.answers import OPTIONS_ANSWER, Answer, own_answer, problem
from proxy.errors import (
    ClientGone,
    MethodRefused,
    RequestError,
    TooLarge,
    Unsupported,
    UpstreamBroke,
    UpstreamError,
    UpstreamStale,
    UpstreamTimeout,
)
from proxy.fast_answer import AnswerOut, ClientEnd
from proxy.fast_body import BodyIn, Tunnel
from proxy.fast_head import lines_of
from proxy.fast_lines import answer_lines, request_lines
from proxy.model import SAFE_METHODS, Decision, HeaderPairs, Limits, Timeouts
from proxy.outgoing import target_and_host
from proxy.reading import RequestHead
from proxy.record import Record
from proxy.table import Snapshot
from proxy.upstream import Connection, Framing, HttpUpstream, Pool, fresh
from proxy.upstream.request import HeadParts, check_target, has_body
from proxy.walk import Kit, choose, in_clients_words, told_of

Having = Callable[[], Awaitable[tuple[Pool, Connection]]]
"""Waits for a connection."""
_ANYTHING = (Timeouts(), Limits())


class Walk(Struct, eq=False):
    """See the top of the file. Replaced by nothing, filled in as it goes: the fields are its own."""

    kit: Kit
    client: ClientEnd
    head: RequestHead
    snapshot: Snapshot
    record: Record
    out: AnswerOut
    began: float
    body_in: BodyIn | None
    """Of a request that has one."""
    upstream: HttpUpstream | None = None
    pool: Pool | None = None
    parts: HeadParts | None = None
    timeouts: Timeouts = _ANYTHING[0]
    """What is left of the route's, once a connection had to be waited for."""
    connection: Connection | None = None
    task: asyncio.Task[None] | None = None
    is_over: bool = False
    repeated: bool = False
    tunnel: Tunnel | None = None

    # --- what the client's connection calls --------------------------------------------------------

    def begin(self) -> None:
        """Take the first steps. The walk may be over when this returns."""
        try:
            self._set_out()
        except RequestError as error:
            self.refuse(error)

    @property
    def uploaded(self) -> bool:
        """The request is complete."""
        return self.body_in is None or self.body_in.complete

    def body(self, data: bytes) -> None:
        """Some of the request's body; or, once `switched`, whatever the client sends."""
        if self.is_over:
            return
        received_bytes = self.record.received_bytes = self.record.received_bytes + len(data)
        if self.tunnel is not None:
            self.tunnel.data(data)
        elif received_bytes > self.allowed[1].max_body_bytes:
            self._refuse_size()
        elif self.body_in is not None:
            self.body_in.data(data)

    def body_ended(self, trailers: HeaderPairs) -> None:
        """The request is complete."""
        if self.body_in is not None:
            self.body_in.end(trailers)

    def refuse(self, error: RequestError) -> None:
        """End the walk with an answer of the facade's own, or, if one has begun, by cutting it short."""
        if self.is_over:
            return
        self.record.error = error
        self._let_go()
        if self.out.status:
            self.out.flush()
            self._end(whole=False)
        else:
            if isinstance(error, MethodRefused):
                # Whoever sends such a thing may mean another thing with what follows.
                self.out.keep = False
            self._answer(problem(error))

    def gone(self) -> None:
        """The client left."""
        if not self.is_over:
            self.record.error = ClientGone("the client left before its answer was complete")
            self._let_go()
            self._end(whole=False)

    def client_blocked(self, blocked: bool) -> None:
        """The client takes the answer slower than it comes."""
        if self.connection is not None:
            if blocked:
                self.connection.pause_reading()
            else:
                self.connection.resume_reading()

    def swept(self, now: float) -> None:
        """Judge the time of the request as a whole. `now` as `time.monotonic()` tells it."""
        total_s = self.allowed[0].total_s
        if self.tunnel is not None:
            if self.tunnel.is_stale(now):
                self._end_tunnel(self.tunnel)
        elif now - self.began >= total_s:
            self.refuse(UpstreamTimeout(f"the request took longer than {total_s:g} s in all"))

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        """What the route allows; the defaults until it is known."""
        decision = self.record.decision
        return _ANYTHING if decision is None else (decision.route.timeouts, decision.route.limits)

    # --- towards the upstream -----------------------------------------------------------------------

    def _set_out(self) -> None:
        head, record, kit = self.head, self.record, self.kit
        looks = self.client.looks(head.fields.pairs)
        decision = choose(looks, head.method, head.target, head.minor, record, kit.bits())
        if decision is None:
            self._answer(OPTIONS_ANSWER)
            return
        ref, facts, identity = decision.ref, record.facts, record.identity
        assert facts is not None
        assert identity is not None
        if ref is None:
            self._answer(own_answer(decision.route, facts))
            return
        body = head.fields.body
        if body.length > decision.route.limits.max_body_bytes:
            self._refuse_size()
            return
        backend = self.snapshot.backends[ref.backend]
        target, host = target_and_host(facts, decision, backend)
        check_target(target)
        lines = request_lines(looks, decision, facts, identity)
        self.parts = HeadParts(facts.method, target, host, lines, body, self._upgrade())
        self.timeouts = decision.route.timeouts
        upstream = self.upstream = _ours(kit, decision, self.snapshot)
        pool = upstream.take_turn()
        connection = pool.take_idle(self.is_repeatable)
        if connection is not None:
            self._send(pool, connection)
        else:
            self._wait_for(partial(upstream.connect, pool, self.timeouts, self._count_attempt))

    def _upgrade(self) -> bytes:
        """Only a WebSocket's opening goes on as one (RFC 6455 4.1); other protocols, h2c too, are not taken up."""
        head = self.head
        wanted = head.fields.upgrade
        if wanted != b"websocket" or head.method != "GET" or self.body_in is not None:
            return b""
        return wanted if head.minor else b""

    def _wait_for(self, having: Having) -> None:
        if not self.uploaded:
            self.client.pause_reading()
        self.task = asyncio.get_running_loop().create_task(self._connect(having))

    async def _connect(self, having: Having) -> None:
        try:
            pool, connection = await having()
        except RequestError as error:
            self.task = None
            self.refuse(error)
        else:
            self._arrived(pool, connection)

    def _arrived(self, pool: Pool, connection: Connection) -> None:
        self.task = None
        if self.is_over:
            pool.released(connection)
            return
        took_s = time.monotonic() - self.began
        timeouts = self.timeouts
        self.timeouts = replace(timeouts, request_s=max(0.0, timeouts.request_s - took_s))
        self._send(pool, connection)

    def _count_attempt(self) -> None:
        self.record.attempts += 1

    @property
    def is_repeatable(self) -> bool:
        """It may be sent once more: safe, without a body, not sent twice already."""
        head = self.head
        return not self.repeated and self.body_in is None and head.method in SAFE_METHODS

    def _send(self, pool: Pool, connection: Connection) -> None:
        parts = self.parts
        assert parts is not None
        self.pool = pool
        self.connection = connection
        self.record.attempts += 1
        raw = parts.to(pool.authority)
        is_head, switching = parts.method == "HEAD", parts.upgrade != b""
        body_in = self.body_in
        connection.begin(raw, self, is_head, self.timeouts, body_in is not None, switching)
        if body_in is not None:
            body_in.begin(connection, self.head.expects_100)

    # --- what the upstream's connection calls -------------------------------------------------------

    def answer_informed(self, status: int, headers: HeaderPairs) -> None:
        """An interim answer goes on, but `100`: the facade gave that itself (RFC 9110 15.2)."""
        if status != 100:
            self.out.inform(status, lines_of(in_clients_words(headers, self.snapshot, self.record)))

    def answer_started(
        self, status: int, headers: HeaderPairs, framing: Framing, goes_on: bool
    ) -> None:
        """The final head."""
        self.record.first_byte_s = time.monotonic() - self.began
        lines = answer_lines(headers, self.snapshot, self.record)
        if status == 101:
            self._switch(headers, lines)
            return
        length = None
        for name, value in headers:
            if name == b"content-length":
                length = value
        self._judge_keep()
        self.out.start(status, lines, framing, length, goes_on)

    def answer_data(self, data: bytes) -> None:
        """Some of the body."""
        self.out.data(data)

    def answer_ended(self, trailers: HeaderPairs) -> None:
        """The answer is complete."""
        self.connection = None
        if not self.is_over:
            self.out.end(trailers)
            self._end(whole=True)

    def answer_failed(self, error: UpstreamError) -> None:
        """No answer, or no more of it."""
        self.connection = None
        again = isinstance(error, UpstreamStale) and self.is_repeatable and not self.is_over
        if again and self.pool is not None:
            # Once more, over a new connection (findings, 3).
            self.repeated = True
            rest_s = max(0.0, self.timeouts.request_s - (time.monotonic() - self.began))
            self._wait_for(partial(fresh, self.pool, min(self.timeouts.connect_s, rest_s)))
        else:
            self.refuse(error)

    def _switch(self, headers: HeaderPairs, lines: list[bytes]) -> None:
        assert self.connection is not None
        assert self.parts is not None
        if [value.lower() for name, value in headers if name == b"upgrade"] != [self.parts.upgrade]:
            what = "switched to a protocol that it was not asked for"
            self.refuse(UpstreamBroke(f"backend {self._backend} {what}", self._backend))
            return
        self.tunnel = Tunnel(self.client, self.connection)
        self.out.switch([*lines, b"connection: upgrade", b"upgrade: " + self.parts.upgrade])
        self.client.switched()

    def answer_shut(self) -> None:
        """The backend has said all it will over a tunnel."""
        if self.tunnel is not None and self.tunnel.backend_ended():
            self._end_tunnel(self.tunnel)

    def client_shut(self) -> None:
        """The client has said all it will over a tunnel."""
        if self.tunnel is not None and self.tunnel.client_ended():
            self._end_tunnel(self.tunnel)

    def _end_tunnel(self, tunnel: Tunnel) -> None:
        self.connection = None
        tunnel.connection.close_tunnel()
        if not self.is_over:
            self._end(whole=True)

    @property
    def _backend(self) -> str:
        decision = self.record.decision
        return (decision.backend if decision is not None else None) or "-"

    def upload_paused(self) -> None:
        """The upstream is slower than the client."""
        self.client.pause_reading()

    def upload_resumed(self) -> None:
        self.client.resume_reading()

    def waited(self, seconds: float) -> None:
        """The clients' own sweep watches over the whole."""

    # --- how it ends --------------------------------------------------------------------------------

    def _refuse_size(self) -> None:
        limit = self.allowed[1].max_body_bytes
        self.refuse(TooLarge(f"the body is larger than {limit} bytes"))

    def _judge_keep(self) -> None:
        """A body that was not read to its end leaves no place where the next request begins."""
        if not self.uploaded or self.client.draining:
            self.out.keep = False

    def _answer(self, answer: Answer) -> None:
        """A whole answer of the facade's own."""
        self.record.first_byte_s = time.monotonic() - self.began
        self._judge_keep()
        self.out.whole(answer, told_of(self.snapshot, self.record))
        self._end(whole=True)

    def _let_go(self) -> None:
        """Give up what is under way towards the upstream."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        task, self.task = self.task, None
        if task is not None:
            task.cancel()

    def _end(self, whole: bool) -> None:
        self.is_over = True
        record, out = self.record, self.out
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.sent_bytes = out.sent_bytes
        record.complete = whole
        record.total_s = time.monotonic() - self.began
        self.kit.write_down(record, self.snapshot)
        self.client.walk_over(whole, out.keep and self.uploaded, out.by_close)


def new_walk(kit: Kit, client: ClientEnd, head: RequestHead) -> Walk:
    """A walk that has not begun."""
    snapshot = kit.tables.current
    fields = head.fields
    old = not head.minor
    out = AnswerOut(client, old, head.method == "HEAD", not (old or fields.close))
    body = fields.body
    body_in = BodyIn(client, body.kind == "chunked") if has_body(body) else None
    return Walk(kit, client, head, snapshot, kit.record(snapshot), out, time.monotonic(), body_in)


def _ours(kit: Kit, decision: Decision, snapshot: Snapshot) -> HttpUpstream:
    assert decision.ref is not None
    upstream = kit.backends.of(snapshot.backends[decision.ref.backend])
    if not isinstance(upstream, HttpUpstream):
        raise Unsupported("a backend behind a foreign transport is asked by the ASGI tier only")
    return upstream
