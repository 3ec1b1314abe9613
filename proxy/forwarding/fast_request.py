r"""A request on the fast tier: the steps of `asgi_app` without a task, called by events.

    begin --> local reply
      \--> idle connection, or acquire and _acquired --> _send --> response_started --> ... --> done

The client's connection calls the methods of `ActiveRequest`, the upstream's those of `ExchangeSink`. If the attempts of
the route are judged, `ResponseGate` gets the latter first, and may send the request again.
The first event that ends the request counts; later events are ignored.
"""

import time

from proxy.downstream.client_response import ClientResponse
from proxy.errors import ClientGone, MethodRefused, RequestError, UpstreamError
from proxy.forwarding.decided import decide_request
from proxy.forwarding.limit_errors import body_too_large, total_exceeded
from proxy.forwarding.recovery import begin_recovery
from proxy.forwarding.response_gate import ResponseGate
from proxy.forwarding.response_headers import (
    backend_cookies,
    client_fields,
    facade_headers,
    problem_reply,
    response_head,
    switch_lines,
)
from proxy.forwarding.sent_request import SentRequest
from proxy.forwarding.tunnel import Tunnel, open_tunnel
from proxy.http1.local_reply import OPTIONS_REPLY, LocalReply
from proxy.http1.response_head import Framing, ResponseHead
from proxy.http1.response_writer import lines_of
from proxy.model import DEFAULTS, HeaderPairs, Limits, Timeouts
from proxy.routing.direct_response import direct_response
from proxy.upstream import ExchangeSink


class FastRequest(SentRequest, eq=False):
    """Mutable state of one request. `_end` runs exactly once."""

    out: ClientResponse | None = None
    tunnel: Tunnel | None = None

    def sink(self) -> ExchangeSink:
        return self.gate or self

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
        client, snapshot, record = self.client, self.snapshot, self.record
        forwarder = self.forwarder
        moment = forwarder.moment(record.draw_bp)
        decided = decide_request(self.head, client.peer, client.scheme, snapshot, record, moment)
        if decided is None:
            self._reply(OPTIONS_REPLY)
            return
        self.decided = decided
        decision = decided.decision
        if decision.ref is None:
            self._reply(direct_response(decision, decided.facts, decided.identity.request_id))
            return
        if decision.route.recovers:
            recovery = begin_recovery(forwarder, snapshot, record, decided, self.began)
            self.gate = ResponseGate(self, recovery)
            if self.body_in is not None:
                self.body_in.keeps = True
        self.send_to(decision.ref)

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
        self.release()
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
            self.release()
            self._end(whole=False)

    def client_half_closed(self) -> None:
        if self.tunnel is not None and self.tunnel.client_ended():
            self._end_tunnel(self.tunnel)

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
        out, snapshot, decided = self._response(), self.snapshot, self.decided
        self._drop_keep_alive(out)
        start = response_head(head, decided, snapshot, self.record)
        for cookie in backend_cookies(decided, self.pool, snapshot, self.forwarder.clock()):
            start = b"%bSet-Cookie: %b\r\n" % (start, cookie)
        out.start(head.status, start, framing, more_follows)

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
        if not self.repeats_stale(error):
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
        connection, decided, snapshot = self.connection, self.decided, self.snapshot
        if connection is None:
            return
        cookies = backend_cookies(decided, self.pool, snapshot, self.forwarder.clock())
        try:
            lines = open_tunnel(connection, self.head, head, decided)
        except UpstreamError as error:
            self.refuse(error)
            return
        fields = switch_lines(head.pairs, decided, snapshot, self.record)
        self.tunnel = Tunnel(self.client, connection, snapshot)
        self._response().switch([*fields, *(b"Set-Cookie: " + each for each in cookies), *lines])
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

    def _end(self, whole: bool) -> None:
        self.is_over = True
        record, out = self.record, self._response()
        record.status = out.status or (record.error.status if record.error is not None else 0)
        record.sent_bytes = out.sent_bytes
        record.complete = whole
        record.total_s = time.monotonic() - self.began
        if self.copy is not None:
            self.copy.over(record.error, whole)
        if self.gate is not None:
            self.close_gate()  # It refers to this request (ADR 8).
        self.forwarder.finish(record, self.snapshot)
        self.client.request_done(whole, out.keep and self.uploaded, out.by_close)
