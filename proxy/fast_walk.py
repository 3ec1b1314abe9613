"""One request's walk on the fast tier: the same steps as `handler`, without a task, pushed on by what arrives.

    begin --> own answer
      \\--> connection at hand, or _look_for and _found --> _send --> answer_started --> ... --> over

The client's connection calls `body`, `body_ended`, `gone`, `refuse`; the upstream's calls what `AnswerSink` has.
Whoever comes first ends the walk, and it ends once.
"""

import time

from msgspec.structs import replace

from proxy.answers import OPTIONS_ANSWER, own_answer
from proxy.client_answer import ClientEnd
from proxy.client_head import lines_of
from proxy.errors import (
    RequestError,
    UpstreamBroke,
    UpstreamError,
    UpstreamStale,
    UpstreamTimeout,
)
from proxy.fast_body import BodyIn, Tunnel
from proxy.fast_ending import Ending
from proxy.going import Going
from proxy.model import HeaderPairs
from proxy.onward import find_target, going_of
from proxy.reading import RequestHead
from proxy.relay import answer_lines, opening
from proxy.upstream import SWEEP_S, AnswerHead, Connection, Framing, Pool
from proxy.upstream.request import whole_chunked
from proxy.walk import Kit, choose, in_clients_words


class Walk(Ending, eq=False):
    """See the top of the file."""

    # --- what the client's connection calls --------------------------------------------------------

    def begin(self) -> None:
        """Take the first steps. The walk may be over when this returns."""
        head, record, kit = self.head, self.record, self.kit
        try:
            looks = self.client.looks(head.fields.pairs)
            course = self.course = choose(looks, head, record, kit.bits())
            if course is None:
                self._answer(OPTIONS_ANSWER)
                return
            going = self.going = course.lane.going or going_of(kit, looks, course, head, record)
            if going is None:
                self._answer(own_answer(course.decision.route, course.facts))
                return
            if not course.target:
                find_target(course)
            self.timeouts = going.timeouts
            pool = going.upstream.take_turn()
            connection = pool.take_idle(going.repeatable)
            if connection is not None:
                self._send(pool, connection)
            else:
                self._look_for(pool, going, fresh=False)
        except RequestError as error:
            self.refuse(error)

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

    # --- towards the upstream -----------------------------------------------------------------------

    def _look_for(self, first: Pool, going: Going, *, fresh: bool) -> None:
        """Wait for a connection."""
        if not self.uploaded:
            self.client.pause_reading()
        upstream, timeouts = going.upstream, self.timeouts
        found, failed, missed = self._found, self.refuse, self._count_attempt
        self.search = upstream.search(first, timeouts, found, failed, missed, fresh=fresh)
        self.search.begin()

    def _found(self, pool: Pool, connection: Connection) -> None:
        self.search = None
        self._less_time()
        self._send(pool, connection)

    def _less_time(self) -> None:
        """What is left of the request's time, which is kept to a sweep."""
        passed_s = time.monotonic() - self.began
        if passed_s >= SWEEP_S and self.going is not None:
            timeouts = self.going.timeouts
            self.timeouts = replace(timeouts, request_s=max(0.0, timeouts.request_s - passed_s))

    def _count_attempt(self) -> None:
        self.record.attempts += 1

    def _may_repeat(self, error: UpstreamError) -> bool:
        """It may be sent once more, and has not been: it is safe to, or not a byte of it went out."""
        if (
            self.is_over
            or self.repeated
            or self.going is None
            or not isinstance(error, UpstreamStale)
        ):
            return False
        return self.going.repeatable or not (error.sent or self.body_in)

    def _send(self, pool: Pool, connection: Connection) -> None:
        course, going, record, body_in = self.course, self.going, self.record, self.body_in
        assert course is not None
        assert going is not None
        assert record.identity is not None
        self.pool = pool
        self.connection = connection
        record.attempts += 1
        raw = going.head(course.target, pool.authority, record.identity, self.sent)
        uploading = body_in is not None
        connection.begin(raw, self, going.is_head, self.timeouts, uploading, going.switching)
        if body_in is not None:
            body_in.begin(connection, self.head.expects_100)

    # --- what the upstream's connection calls -------------------------------------------------------

    def answer_informed(self, status: int, headers: HeaderPairs) -> None:
        """An interim answer goes on, but `100`: the facade gave that itself (RFC 9110 15.2)."""
        if status != 100:
            lines = lines_of(in_clients_words(headers, self.snapshot, self.record))
            self._answering().inform(status, lines)

    def answer_whole(self, head: AnswerHead, framing: Framing, body: bytes) -> None:
        """The whole answer at once."""
        self.connection = None
        if self.is_over:
            return
        course, record, client = self.course, self.record, self.client
        assert course is not None
        if self.out or self.body_in or not self.head.keep_alive or client.draining:
            self.answer_started(head, framing, True)
            if body:
                self.answer_data(body)
            self.answer_ended([])
            return
        # As most answers are: what follows is what the three calls above come to.
        record.status = head.status
        record.sent_bytes = len(body)
        record.complete = self.is_over = True
        record.first_byte_s = record.total_s = time.monotonic() - self.began
        start = opening(head, course, self.snapshot, record)
        if framing == "chunked":
            body = whole_chunked(body)
            client.write(b"%btransfer-encoding: chunked\r\n\r\n%b" % (start, body))
        else:
            client.write(b"%b\r\n%b" % (start, body))
        self.kit.write_down(record, self.snapshot, course.logged)
        client.walk_over(True, True, False)

    def answer_started(self, head: AnswerHead, framing: Framing, goes_on: bool) -> None:
        """The final head."""
        self.record.first_byte_s = time.monotonic() - self.began
        if head.status == 101:
            self._switch(head)
            return
        assert self.course is not None
        out = self._answering()
        self._judge_keep(out)
        start = opening(head, self.course, self.snapshot, self.record)
        out.start(head.status, start, framing, goes_on)

    def answer_data(self, data: bytes) -> None:
        """Some of the body."""
        self._answering().data(data)

    def answer_ended(self, trailers: HeaderPairs) -> None:
        """The answer is complete."""
        self.connection = None
        if not self.is_over:
            self._answering().end(trailers)
            self._end(whole=True)

    def answer_failed(self, error: UpstreamError) -> None:
        """No answer, or no more of it."""
        self.connection = None
        if self.pool is not None and self.going is not None and self._may_repeat(error):
            # Once more, over a new connection (findings, 3).
            self.repeated = True
            self._less_time()
            self._look_for(self.pool, self.going, fresh=True)
        else:
            self.refuse(error)

    def _switch(self, head: AnswerHead) -> None:
        going = self.going
        assert self.connection is not None
        assert going is not None
        wanted = going.parts.upgrade
        if [value.lower() for name, value in head.pairs if name == b"upgrade"] != [wanted]:
            what = "switched to a protocol that it was not asked for"
            self.refuse(UpstreamBroke(f"backend {self._backend} {what}", self._backend))
            return
        self.tunnel = Tunnel(self.client, self.connection)
        lines = answer_lines(head.pairs, self.snapshot, self.record)
        self._answering().switch([*lines, b"connection: upgrade", b"upgrade: " + wanted])
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


def new_walk(kit: Kit, client: ClientEnd, head: RequestHead, body: bytes | None) -> Walk:
    """A walk that has not begun. `body` is the request's, if all of it came along."""
    snapshot = kit.tables.current
    record = kit.record(snapshot)
    began = time.monotonic()
    if body is None:
        body_in = BodyIn(client, head.fields.body.kind == "chunked")
        return Walk(kit, client, head, snapshot, record, began, b"", body_in)
    record.received_bytes = len(body)
    return Walk(kit, client, head, snapshot, record, began, body, None)
