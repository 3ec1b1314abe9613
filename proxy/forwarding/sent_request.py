"""A request of the general way on the fast tier, on its way to a backend: connections, attempts, and what is sent.

`FastRequest` adds the client's side and the response.
"""

from abc import abstractmethod

from msgspec import Struct

from proxy.downstream.interfaces import ClientConnection
from proxy.errors import UpstreamError
from proxy.forwarding.attempts import Attempts
from proxy.forwarding.copied import copy_of
from proxy.forwarding.decided import Decided
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.logins import private_connection
from proxy.forwarding.prepared_request import PreparedRequest, prepare
from proxy.forwarding.request_body import RequestBody
from proxy.forwarding.response_gate import ResponseGate
from proxy.http1.request_head import RequestHead
from proxy.mirroring.copied_exchange import CopiedExchange
from proxy.model import BackendRef, Facts, Timeouts
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.request_record import Record
from proxy.upstream import Connection, ExchangeSink, Pool, PrivateConnections


class SentRequest(Struct, eq=False):
    """Mutable state of one request."""

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
    prepared: PreparedRequest | None = None
    pool: Pool | None = None
    """The pool of the endpoint that was chosen, or that the request was sent to last."""
    connection: Connection | None = None
    attempts: Attempts | None = None
    private: PrivateConnections | None = None
    """The owner of the connection after this request, if the request logs it in."""
    gate: ResponseGate | None = None
    """If the attempts of the route are judged."""
    copy: CopiedExchange | None = None
    """The copy of the request for another backend, if it is mirrored."""
    is_over: bool = False

    @abstractmethod
    def sink(self) -> ExchangeSink:
        """Receives the outcome of each attempt."""

    @property
    def uploaded(self) -> bool:
        """Whether the whole request has come."""
        return self.body_in is None or self.body_in.complete

    # --- sending ----------------------------------------------------------------------------------

    def send_to(self, ref: BackendRef) -> None:
        """Send the request to the backend of `ref`. Raises RequestError."""
        decided, client, snapshot = self.decided, self.client, self.snapshot
        upstream = self.forwarder.http_upstream(snapshot.backends[ref.backend])
        prepared = self.prepared = prepare(self.head, decided, ref, snapshot, upstream)
        may_be_logged_in = prepared.logs_in or client.private is not None
        if self.gate is not None and (may_be_logged_in or prepared.switching):
            self.close_gate()  # The connection, or what follows on it, belongs to this client.
        if may_be_logged_in and self._send_logged_in(prepared, decided.facts):
            return
        pool = self.pool or upstream.pool_for(decided.facts)
        if prepared.switching:
            pool.check_tunnels()
        elif not self.record.attempts:
            body = self.sent if self.body_in is None else None
            self.copy = copy_of(self.forwarder, snapshot, decided, self.record, body, self.began)
        connection = pool.take_idle(prepared.repeatable)
        if connection is not None:
            self._send(pool, connection, prepared, self._timeouts(prepared))
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

    def _acquire(self, attempts: Attempts, first: Pool, *, fresh: bool) -> None:
        if not self.uploaded:
            self.client.pause_reading()
        self.attempts = attempts
        failed = self.sink().response_failed
        attempts.acquire(first, self._acquired, failed, self._count_attempt, fresh=fresh)

    def _acquired(self, pool: Pool, connection: Connection) -> None:
        attempts = self.attempts
        if attempts is not None:
            attempts.search = None
            self._send(pool, connection, attempts.prepared, attempts.timeouts())

    def _count_attempt(self) -> None:
        self.record.attempts += 1

    def _timeouts(self, prepared: PreparedRequest) -> Timeouts:
        """The timeouts of an attempt; of a later one, less the time that has passed."""
        if self.gate is None or not self.record.attempts:
            return prepared.timeouts
        return self.gate.recovery.timeouts()

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
        sink, switching = self.sink(), prepared.switching
        connection.begin(raw, sink, prepared.is_head, timeouts, uploading, switching)
        if self.gate is not None:
            connection.leave_outcome()
            self.gate.period = connection.period
        if body_in is not None:
            body_in.begin(connection, self.head.expects_100)

    # --- after an attempt -------------------------------------------------------------------------

    def repeats_stale(self, error: UpstreamError) -> bool:
        """Send the request once more, if it may have met the end of an idle connection. False if not."""
        pool, prepared = self.pool, self.prepared
        if pool is None or prepared is None or self.is_over:
            return False
        attempts = self.attempts or Attempts(prepared, self.began)
        if not attempts.may_repeat(error, self.body_in is not None):
            return False
        # Over a new connection: the next idle one may be about to close, too (RFC 9112 9.3.1).
        attempts.repeated = True
        self._acquire(attempts, pool, fresh=True)
        return True

    @property
    def has_whole_body(self) -> bool:
        """Whether the body, as far as it has come, can be sent again."""
        return self.body_in is None or self.body_in.is_at_hand

    def rewind(self) -> None:
        """Give the current attempt up. `send_again` follows, maybe after a pause."""
        self.release()
        if self.body_in is not None:
            self.body_in.rewind()
            if not self.uploaded:
                self.client.pause_reading()

    def send_again(self, decided: Decided) -> None:
        """Begin another attempt, with this decision. Raises RequestError."""
        self.decided, self.pool, self.attempts = decided, None, None
        ref = decided.decision.ref
        if ref is not None:
            self.send_to(ref)

    def release(self) -> None:
        """Close the connection to the backend, or stop waiting for one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort()
        if self.attempts is not None:
            self.attempts.stop()
        if self.gate is not None:
            self.gate.stop()

    def close_gate(self) -> None:
        """No attempt is judged any more."""
        gate, self.gate = self.gate, None
        if gate is not None:
            gate.stop()
            gate.recovery.end()
