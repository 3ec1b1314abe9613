"""A walk's own values on the fast tier, and the ways in which it ends. The steps are in `fast_walk`."""

import time

from msgspec import Struct

from proxy.answers import Answer, problem
from proxy.client_answer import AnswerOut, ClientEnd
from proxy.errors import ClientGone, MethodRefused, RequestError, TooLarge
from proxy.fast_body import BodyIn, Tunnel
from proxy.going import Going
from proxy.model import Limits, Timeouts
from proxy.reading import RequestHead
from proxy.record import Record
from proxy.table import Snapshot
from proxy.upstream import Connection, Pool, Search
from proxy.walk import Course, Kit, told_of

_ANYTHING = (Timeouts(), Limits())


class Ending(Struct, eq=False):
    """Replaced by nothing, filled in as the walk goes: the fields are its own. It ends once."""

    kit: Kit
    client: ClientEnd
    head: RequestHead
    snapshot: Snapshot
    record: Record
    began: float
    sent: bytes
    """The request's body, if it came along with the head."""
    body_in: BodyIn | None
    """The request's body, if it did not."""
    out: AnswerOut | None = None
    course: Course | None = None
    going: Going | None = None
    pool: Pool | None = None
    timeouts: Timeouts = _ANYTHING[0]
    """What is left of the route's, once a connection had to be waited for."""
    connection: Connection | None = None
    search: Search | None = None
    """Goes on while there is no connection yet."""
    is_over: bool = False
    repeated: bool = False
    tunnel: Tunnel | None = None

    @property
    def uploaded(self) -> bool:
        """The request is complete."""
        return self.body_in is None or self.body_in.complete

    @property
    def received_bytes(self) -> int:
        """Of the request's body."""
        return self.record.received_bytes

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        """What the route allows; the defaults until it is known."""
        decision = self.record.decision
        return _ANYTHING if decision is None else (decision.route.timeouts, decision.route.limits)

    def refuse(self, error: RequestError) -> None:
        """End the walk with an answer of the facade's own, or, if one has begun, by cutting it short."""
        if self.is_over:
            return
        self.record.error = error
        self._let_go()
        out = self._answering()
        if out.status:
            out.flush()
            self._end(whole=False)
        else:
            if isinstance(error, MethodRefused):
                # Whoever sends such a thing may mean another thing with what follows.
                out.keep = False
            self._answer(problem(error))

    def gone(self) -> None:
        """The client left."""
        if not self.is_over:
            self.record.error = ClientGone("the client left before its answer was complete")
            self._let_go()
            self._end(whole=False)

    # --- how it ends --------------------------------------------------------------------------------

    def _refuse_size(self) -> None:
        limit = self.allowed[1].max_body_bytes
        self.refuse(TooLarge(f"the body is larger than {limit} bytes"))

    def _answering(self) -> AnswerOut:
        out = self.out
        if out is None:
            head = self.head
            out = self.out = AnswerOut(
                self.client, not head.minor, head.method == "HEAD", head.keep_alive
            )
        return out

    def _judge_keep(self, out: AnswerOut) -> None:
        """A body that was not read to its end leaves no place where the next request begins."""
        if not self.uploaded or self.client.draining:
            out.keep = False

    def _answer(self, answer: Answer) -> None:
        """A whole answer of the facade's own."""
        self.record.first_byte_s = time.monotonic() - self.began
        out = self._answering()
        self._judge_keep(out)
        out.own(answer, told_of(self.snapshot, self.record))
        self._end(whole=True)

    def _let_go(self) -> None:
        """Give up what is under way towards the upstream."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        search, self.search = self.search, None
        if search is not None:
            search.stop()

    def _end(self, whole: bool) -> None:
        self.is_over = True
        record, out = self.record, self._answering()
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.sent_bytes = out.sent_bytes
        record.complete = whole
        record.total_s = time.monotonic() - self.began
        logged = b"" if self.course is None else self.course.logged
        self.kit.write_down(record, self.snapshot, logged)
        self.client.walk_over(whole, out.keep and self.uploaded, out.by_close)
