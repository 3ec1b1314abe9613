r"""A request on the fast tier: the steps of `asgi_app` without a task, called by events.

    begin --> local reply
      \--> idle connection, or acquire and _acquired --> _send --> response_started --> ... --> done

The client's connection calls the methods of `ActiveRequest`, the upstream's those of `ExchangeSink`.
The first event that ends the request counts; later events are ignored.
"""

import time

from msgspec import Struct

from proxy.downstream.client_response import ClientResponse
from proxy.downstream.interfaces import ClientConnection
from proxy.errors import (
    ClientGone,
    MethodRefused,
    RequestError,
    UpstreamError,
)
from proxy.forwarding.attempts import Attempts
from proxy.forwarding.copied import copy_of
from proxy.forwarding.decided import Decided, decide_request
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.limit_errors import body_too_large, total_exceeded
from proxy.forwarding.logins import private_connection
from proxy.forwarding.prepared_request import PreparedRequest, prepare
from proxy.forwarding.request_body import RequestBody
from proxy.forwarding.response_headers import (
    client_fields,
    facade_headers,
    own_cookies,
    problem_reply,
    response_head,
    switch_lines,
)
from proxy.forwarding.tunnel import Tunnel, check_protocol
from proxy.http1.local_reply import OPTIONS_REPLY, LocalReply
from proxy.http1.request_head import RequestHead
from proxy.http1.response_head import Framing, ResponseHead
from proxy.http1.response_writer import lines_of
from proxy.mirroring.copy import Copy
from proxy.model import DEFAULTS, Facts, HeaderPairs, Limits, Timeouts
from proxy.routing.direct_response import direct_response
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.facade_fields import client_origin
from proxy.routing.transforms.upstream_request import upgrade_of
from proxy.telemetry.request_record import Record
from proxy.upstream import Connection, Pool, PrivateConnections


class FastRequest(Struct, eq=False):
    """Mutable state of one request. `_end` runs exactly once."""

    forwarder: Forwarder
    client: ClientConnection
    head: RequestHead
    snapshot: Snapshot
    record: Record
    began: float
    sent: bytes
    """The request's body, if it came with the head; else empty."""
    body_in: RequestBody | None
    """The request's body, if it comes after the head; else None."""
    decided: Decided
    """`UNDECIDED` until the route is known."""
    out: ClientResponse | None = None
    prepared: PreparedRequest | None = None
    pool: Pool | None = None
    """The pool of the endpoint that was chosen, or that the request was sent to last."""
    connection: Connection | None = None
    attempts: Attempts | None = None
    tunnel: Tunnel | None = None
    private: PrivateConnections | None = None
    """The owner of the connection after this request, if the request logs it in."""
    copy: Copy | None = None
    """The copy of the request for another backend, if it is mirrored."""
    is_over: bool = False

    @property
    def uploaded(self) -> bool:
        return self.body_in is None or self.body_in.complete

    @property
    def received_bytes(self) -> int:
        return self.record.received_bytes

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        decision = self.record.decision
        return DEFAULTS if decision is None else (decision.route.timeouts, decision.route.limits)

    # --- what the client's connection calls -------------------------------------------------------

    def begin(self) -> None:
        try:
            self._begin()
        except RequestError as error:
            self.refuse(error)

    def _begin(self) -> None:
        """Raises RequestError."""
        client, head, snapshot, forwarder = self.client, self.head, self.snapshot, self.forwarder
        moment = forwarder.moment(self.record.draw_bp)
        decided = decide_request(head, client.peer, client.scheme, snapshot, self.record, moment)
        if decided is None:
            self._reply(OPTIONS_REPLY)
            return
        self.decided = decided
        ref = decided.decision.ref
        if ref is None:
            reply = direct_response(decided.decision, decided.facts, decided.identity.request_id)
            self._reply(reply)
            return
        upstream = forwarder.http_upstream(snapshot.backends[ref.backend])
        prepared = self.prepared = prepare(head, decided, ref, snapshot, upstream)
        may_be_logged_in = prepared.logs_in or client.private is not None
        if may_be_logged_in and self._send_logged_in(prepared, decided.facts):
            return
        pool = self.pool or upstream.pool_for(decided.facts)
        if prepared.switching:
            pool.check_tunnels()
        else:
            body = self.sent if self.body_in is None else None
            self.copy = copy_of(forwarder, snapshot, decided, self.record, body, self.began)
        connection = pool.take_idle(prepared.repeatable)
        if connection is not None:
            self._send(pool, connection, prepared, prepared.timeouts)
        else:
            self._acquire(Attempts(prepared, self.began), pool, fresh=False)

    def _send_logged_in(self, prepared: PreparedRequest, facts: Facts) -> bool:
        """Send the request over the connection that this client has logged in, if there is one."""
        self.private, logged_in = private_connection(
            self.client, facts, prepared.upstream, prepared.logs_in
        )
        if logged_in is None:
            return False
        self._send(*logged_in, prepared, prepared.timeouts)
        return True

    def body(self, data: bytes) -> None:
        if self.is_over:
            return
        received_bytes = self.record.received_bytes = self.record.received_bytes + len(data)
        if self.tunnel is not None:
            self.tunnel.data(data)
        elif received_bytes > self.allowed[1].max_body_bytes:
            self.refuse(body_too_large(self.decided.decision.route))
        elif self.body_in is not None:
            self.body_in.data(data)
            if self.copy is not None:
                self.copy.request_data(data)

    def body_ended(self, trailers: HeaderPairs) -> None:
        if self.body_in is not None:
            self.body_in.end(trailers)
            if self.copy is not None:
                self.copy.request_ended()

    def client_blocked(self, blocked: bool) -> None:
        if self.connection is not None:
            if blocked:
                self.connection.pause_reading()
            else:
                self.connection.resume_reading()

    def check_deadlines(self, now: float) -> None:
        timeouts, tunnel = self.allowed[0], self.tunnel
        if tunnel is not None:
            current = self.forwarder.table.current
            if tunnel.is_stale(now) or tunnel.is_drained(now, current, self.record):
                self._end_tunnel(tunnel)
        elif now - self.began >= timeouts.total_s:
            self.refuse(total_exceeded(timeouts))

    def refuse(self, error: RequestError) -> None:
        if self.is_over:
            return
        self.record.error = error
        self._release()
        out = self._response()
        if out.status:
            out.flush()
            self._end(whole=False)
        else:
            if isinstance(error, MethodRefused):
                # After CONNECT or TRACE a client may not mean HTTP by the next bytes: close the connection.
                out.keep = False
            self._reply(problem_reply(error, self.record, self.snapshot))

    def client_disconnected(self) -> None:
        if not self.is_over:
            self.record.error = ClientGone("the client left before its answer was complete")
            self._release()
            self._end(whole=False)

    def client_half_closed(self) -> None:
        if self.tunnel is not None and self.tunnel.client_ended():
            self._end_tunnel(self.tunnel)

    # --- getting a connection, and sending -----------------------------------------------------------------------

    def _acquire(self, attempts: Attempts, first: Pool, *, fresh: bool) -> None:
        if not self.uploaded:
            self.client.pause_reading()
        self.attempts = attempts
        attempts.acquire(first, self._acquired, self.refuse, self._count_attempt, fresh=fresh)

    def _acquired(self, pool: Pool, connection: Connection) -> None:
        attempts = self.attempts
        if attempts is not None:
            attempts.search = None
            self._send(pool, connection, attempts.prepared, attempts.timeouts())

    def _count_attempt(self) -> None:
        self.record.attempts += 1

    def _send(
        self, pool: Pool, connection: Connection, prepared: PreparedRequest, timeouts: Timeouts
    ) -> None:
        record, body_in = self.record, self.body_in
        self.pool = pool
        self.connection = connection
        record.attempts += 1
        raw = prepared.head(pool.authority, self.sent)
        uploading = body_in is not None
        if self.private is not None:
            connection.private = self.private
        connection.begin(raw, self, prepared.is_head, timeouts, uploading, prepared.switching)
        if body_in is not None:
            body_in.begin(connection, self.head.expects_100)

    # --- what the upstream's connection calls -------------------------------------------------------

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        # The facade itself has sent the client `100 Continue` (RFC 9110 15.2.1).
        if status != 100:
            fields = client_fields(headers, self.decided, self.snapshot, self.record)
            self._response().interim(status, lines_of(fields))

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        self.connection = None
        if not self.is_over:
            self.response_started(head, framing, True)
            if body:
                self.response_data(body)
            self.response_ended([])

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        self.record.first_byte_s = time.monotonic() - self.began
        if head.status == 101:
            self._switch(head)
            return
        if self.copy is not None:
            self.copy.response_head(head)
        out = self._response()
        self._drop_keep_alive(out)
        start = response_head(head, self.decided, self.snapshot, self.record)
        for cookie in self._cookies():
            start = b"%bSet-Cookie: %b\r\n" % (start, cookie)
        out.start(head.status, start, framing, more_follows)

    def _cookies(self) -> list[bytes]:
        """The values of Set-Cookie that the facade itself adds to the response."""
        affinity, facts, pool = None, self.decided.facts, self.pool
        if pool is not None and pool.affinity is not None:
            affinity = pool.affinity_cookie(facts, client_origin(facts)[0])
        return own_cookies(self.decided, affinity, self.snapshot, self.forwarder.clock())

    def response_data(self, data: bytes) -> None:
        self._response().data(data)
        if self.copy is not None:
            self.copy.response_data(data)

    def response_ended(self, trailers: HeaderPairs) -> None:
        self.connection = None
        if not self.is_over:
            self._response().end(trailers)
            self._end(whole=True)

    def response_failed(self, error: UpstreamError) -> None:
        self.connection = None
        pool, prepared = self.pool, self.prepared
        if pool is not None and prepared is not None and not self.is_over:
            attempts = self.attempts or Attempts(prepared, self.began)
            if attempts.may_repeat(error, self.body_in is not None):
                # Over a new connection: the next idle one may be about to close, too (RFC 9112 9.3.1).
                attempts.repeated = True
                self._acquire(attempts, pool, fresh=True)
                return
        self.refuse(error)

    def backend_half_closed(self) -> None:
        if self.tunnel is not None and self.tunnel.backend_ended():
            self._end_tunnel(self.tunnel)

    def upload_paused(self) -> None:
        self.client.pause_reading()

    def upload_resumed(self) -> None:
        self.client.resume_reading()

    def elapsed(self, seconds: float) -> None:
        """The sweep over client connections checks the deadlines."""

    # --- tunnels ----------------------------------------------------------------------------------

    def _switch(self, head: ResponseHead) -> None:
        connection, wanted, decided = self.connection, upgrade_of(self.head), self.decided
        if connection is None:
            return
        try:
            check_protocol(head.pairs, wanted, decided.decision.backend or "-")
            connection.begin_tunnel()
        except UpstreamError as error:
            self.refuse(error)
            return
        self.tunnel = Tunnel(self.client, connection, self.snapshot)
        lines = switch_lines(head.pairs, decided, self.snapshot, self.record)
        lines += [b"Set-Cookie: " + cookie for cookie in self._cookies()]
        self._response().switch([*lines, b"Connection: upgrade", b"Upgrade: " + wanted])
        self.client.switch_protocols()

    def _end_tunnel(self, tunnel: Tunnel) -> None:
        self.connection = None
        tunnel.connection.close_tunnel()
        if not self.is_over:
            self._end(whole=True)

    # --- how the request ends -----------------------------------------------------------------------

    def _response(self) -> ClientResponse:
        out = self.out
        if out is None:
            head = self.head
            out = self.out = ClientResponse(
                self.client, not head.minor, head.method == "HEAD", head.keep_alive
            )
        return out

    def _drop_keep_alive(self, out: ClientResponse) -> None:
        """After a body that was not read to its end, the beginning of the next request is unknown: close."""
        if not self.uploaded or self.client.draining:
            out.keep = False

    def _reply(self, reply: LocalReply) -> None:
        self.record.first_byte_s = time.monotonic() - self.began
        out = self._response()
        self._drop_keep_alive(out)
        out.local_reply(reply, facade_headers(self.snapshot, self.record))
        self._end(whole=True)

    def _release(self) -> None:
        """Close the connection to the backend, or stop waiting for one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        if self.attempts is not None:
            self.attempts.stop()

    def _end(self, whole: bool) -> None:
        self.is_over = True
        record, out = self.record, self._response()
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.sent_bytes = out.sent_bytes
        record.complete = whole
        record.total_s = time.monotonic() - self.began
        if self.copy is not None:
            self.copy.over(record.error, whole)
        self.forwarder.finish(record, self.snapshot)
        self.client.request_done(whole, out.keep and self.uploaded, out.by_close)
