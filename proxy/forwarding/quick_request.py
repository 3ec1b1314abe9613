r"""The usual request on the fast tier: request and response each come in one read, and no other event (ADR 21).

begin --> response_complete --> done
   \--> any other event: `general()` creates a `FastRequest` in the state of this one, which handles the rest
"""

import time

from proxy.downstream.client_response import OLD_KEEP_ALIVE_END
from proxy.errors import RequestError, UpstreamError
from proxy.forwarding.fast_request import FastRequest
from proxy.forwarding.prepared_request import prepare
from proxy.forwarding.usual_request import UsualRequest
from proxy.http1.chunked import chunked_body
from proxy.http1.response_head import Framing, ResponseHead
from proxy.model import HeaderPairs, Limits, Timeouts
from proxy.upstream import Connection, ExchangeSink, Pool


class QuickRequest(UsualRequest, eq=False):
    """A usual request on the fast tier. Implements `ActiveRequest` and `ExchangeSink`."""

    pool: Pool
    connection: Connection
    successor: FastRequest | None = None
    """Set by `general`. It then handles every event."""

    @property
    def uploaded(self) -> bool:
        return True

    @property
    def received_bytes(self) -> int:
        return len(self.head.body)

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        prepared = self.plan.prepared
        return prepared.timeouts, prepared.limits

    def general(self) -> FastRequest:
        """The same request of the general way, with the same decision, already sent."""
        if self.successor is None:
            self.successor = self._general()
        return self.successor

    def sink(self) -> ExchangeSink:
        """Receives events of the upstream's connection after which this is a request of the general way."""
        return self.general().sink()

    def _general(self) -> FastRequest:
        snapshot = self.snapshot
        head, record, decided = self.general_state()
        request = FastRequest(
            self.forwarder,
            self.client,
            head,
            snapshot,
            record,
            self.began,
            self.head.body,
            None,
            decided,
            pool=self.pool,
            connection=self.connection,
        )
        ref = decided.decision.ref
        if ref is not None:
            upstream = self.plan.prepared.upstream
            request.prepared = prepare(head, decided, ref, snapshot, upstream)
        return request

    # --- called by the client's connection ----------------------------------------------------------

    def begin(self) -> None:
        """Send the request."""
        prepared = self.plan.prepared
        raw = self.raw(self.pool.authority)
        self.connection.begin(raw, self, prepared.is_head, prepared.timeouts, False)

    def body(self, data: bytes) -> None:
        self.general().body(data)

    def body_ended(self, trailers: HeaderPairs) -> None:
        """The request is complete from the beginning."""

    def refuse(self, error: RequestError) -> None:
        self.general().refuse(error)

    def client_disconnected(self) -> None:
        self.general().client_disconnected()

    def client_blocked(self, blocked: bool) -> None:
        self.general().client_blocked(blocked)

    def client_half_closed(self) -> None:
        self.general().client_half_closed()

    def check_deadlines(self, now: float) -> None:
        if self.successor is not None or now - self.began >= self.plan.prepared.timeouts.total_s:
            self.general().check_deadlines(now)

    # --- called by the upstream's connection --------------------------------------------------------

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        client, request = self.client, self.head
        block = None
        if self.successor is None and not client.draining:
            block = self.response_block(head)
        if block is None or (framing == "chunked" and not request.minor):
            self.sink().response_complete(head, framing, body)
            return
        total_s = time.monotonic() - self.began
        sent_bytes = len(body)
        coding = b""
        if framing == "chunked":
            coding = b"Transfer-Encoding: chunked\r\n"
            body = chunked_body(body)
        keep = request.keep_alive
        end = b"Connection: close\r\n\r\n"
        if keep:
            end = b"\r\n" if request.minor else OLD_KEEP_ALIVE_END
        client.write(b"%b%b%b%b" % (block, coding, end, body))
        self.finish(head.status, sent_bytes, total_s)
        client.request_done(True, keep, False)

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        self.sink().interim_response(status, headers)

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        self.sink().response_started(head, framing, more_follows)

    def response_data(self, data: bytes) -> None:
        self.sink().response_data(data)

    def response_ended(self, trailers: HeaderPairs) -> None:
        self.sink().response_ended(trailers)

    def response_failed(self, error: UpstreamError) -> None:
        self.sink().response_failed(error)

    def backend_half_closed(self) -> None:
        self.sink().backend_half_closed()

    def upload_paused(self) -> None:
        self.sink().upload_paused()

    def upload_resumed(self) -> None:
        self.sink().upload_resumed()

    def elapsed(self, seconds: float) -> None:
        """The sweep over client connections checks the deadlines."""
