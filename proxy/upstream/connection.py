"""One connection to an endpoint. It calls a sink, and needs no task or future for a request.

The connection is released to its pool only if both directions of the exchange ended cleanly: the whole request was
sent, the response ended without surplus bytes, and neither side sent `close`. Otherwise it is closed.

The pool's sweep checks the deadlines. The connection does not read the clock: an event sets `_active`, and the next
sweep notes the time. A deadline is noticed up to two sweeps late, and never early.
"""

from typing import TYPE_CHECKING

from proxy.errors import UpstreamBroke, UpstreamError, UpstreamStale, UpstreamTimeout
from proxy.http1.response_parser import HEAD, OVER, UNTIL_CLOSE
from proxy.model import Timeouts
from proxy.upstream.backend_socket import BackendSocket
from proxy.upstream.connection_owner import ConnectionOwner
from proxy.upstream.deadlines import Wait, overdue_text
from proxy.upstream.failures import (
    NOT_HTTP,
    broken_off,
    early_end,
    ended_unsent,
    not_http,
    speaks_http2,
)
from proxy.upstream.interfaces import ExchangeSink
from proxy.upstream.socket_state import is_clean_end, peek, unread_bytes

if TYPE_CHECKING:
    from proxy.upstream.private_connections import PrivateConnections


class Connection(BackendSocket):
    """`reused`: this is not the first exchange of the connection."""

    __slots__ = (
        "_active_at",
        "_backlog_bytes",
        "_first_sweep_at",
        "_is_retired",
        "_is_uploading",
        "_is_write_blocked",
        "_opened_at",
        "_owner",
        "_parser",
        "_sink",
        "_timeouts",
        "first_bytes",
        "is_counted",
        "outcomes",
        "period",
        "private",
        "reused",
    )

    _timeouts: Timeouts
    is_counted: bool
    """Set by `ObservedConnection` only: the current exchange has an outcome."""

    def __init__(self, owner: ConnectionOwner) -> None:
        super().__init__(owner.write_batch)
        self._owner = owner
        self._parser = owner.new_parser()
        self._sink: ExchangeSink | None = None
        self._is_write_blocked = self._is_uploading = False
        self.first_bytes = b""
        """Bytes that the backend sent while no request was active."""
        self._is_retired = False
        self._active_at = self._first_sweep_at = self._opened_at = 0.0
        self._backlog_bytes = 0
        self.reused = False
        self.outcomes = owner.outcomes
        self.period = 0
        """The period of the endpoint's availability in which the current exchange began (`Outcomes`)."""
        self.private: PrivateConnections | None = None
        """Set before `begin` if the request logs in the connection: it then belongs to one client connection."""

    # --- called by the pool and the sink ------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._is_closed

    def usable(self, repeatable: bool = False) -> bool:
        """Whether the connection is idle, and the kernel has no byte and no close that the loop has not read yet.

        For a `repeatable` request the kernel is polled only if a sweep has passed since the last event: a poll costs
        2 µs, and before that sweep the event loop has polled the connection recently.
        """
        if self._is_closed or self._sink is not None:
            return False
        return (repeatable and self._active) or not self._unread(0)

    def peek(self) -> bytes:
        """Bytes that the backend sent while no request was active, if any are known. For an error's text."""
        return self.first_bytes or peek(self._transport)

    def begin(
        self,
        head: bytes,
        sink: ExchangeSink,
        is_head: bool,
        timeouts: Timeouts,
        uploading: bool,
        switching: bool = False,
    ) -> None:
        """Send a request's head. With `uploading` the body follows: `write`, then `end_upload`.

        `switching`: the request has an Upgrade field. A 101 then makes the connection a tunnel. Call this in the same
        tick as `usable`.
        """
        self._parser.begin(sink, is_head, switching)
        self._sink = sink
        self._timeouts = timeouts
        self._is_uploading = uploading
        self._active = True
        self._first_sweep_at = 0.0
        self.period = self.outcomes.period
        self._writer.write(head)

    def leave_outcome(self) -> None:
        """The caller of `begin` judges the response, and reports the outcome to the pool."""
        self.is_counted = True

    def write(self, data: bytes) -> None:
        """Send bytes of the request's body, framed. Does nothing after the end of the upload."""
        if self._is_uploading and not self._is_closed:
            if self._writer.unsent:
                self._writer.write(data)  # One write together with the head.
            else:
                self._transport.write(data)

    def begin_tunnel(self) -> None:
        """After a 101: the connection counts as a tunnel from now on. Raises UpstreamBusy if there are too many."""
        self._owner.add_tunnel(self)

    @property
    def is_streaming(self) -> bool:
        """Whether the head of a response has come, and not yet the end of its body."""
        return self._sink is not None and self._parser.phase != HEAD

    def close_tunnel(self) -> None:
        """After a 101: close after sending what is buffered. The sink is not called any more."""
        self._sink = None
        if not self._is_closed:
            self._is_closed = True
            self._parser.stop()
            self._owner.discard(self)
            self._writer.flush()
            self._transport.close()

    def end_upload(self) -> None:
        """The whole request was written. From now on the response time-out runs."""
        self._is_uploading = False
        self._active = True

    def abort(self) -> None:
        """Give up the exchange, and close the connection. The sink is not called any more."""
        self._sink = None
        self._abort()

    def retire(self) -> None:
        """Take no further request: close now, or after the exchange."""
        self._is_retired = True
        if self._sink is None:
            self._abort()

    def close(self) -> None:
        """Close the connection. Its exchange fails."""
        backend = self._owner.backend
        self._fail(UpstreamBroke(f"backend {backend} is being closed", backend))

    # --- called by the event loop -------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        sink, parser = self._sink, self._parser
        if sink is None:
            self.first_bytes = data[:16]
            self._abort()  # No request is active: these bytes are no response.
            return
        if self._writer.unsent and speaks_http2(data):
            self._fail(early_end(data, self._owner.backend))
            return
        if self._writer.unsent:
            self._fail_lost(
                None
            )  # The request was not sent yet: these bytes are no response to it.
            return
        try:
            parser.feed(data)
        except NOT_HTTP as error:
            self._fail(not_http(error, self._owner.backend, data))
            return
        if parser.phase == OVER:
            if self._sink is sink:
                self._finish(sink)
        elif parser.phase != HEAD:
            self._response_goes_on()

    def _response_goes_on(self) -> None:
        """A part of the response has come, and not yet its end."""
        self._active = True

    def eof_received(self) -> bool:
        sink = self._sink
        if sink is not None and self._parser.switched and self._transport.can_write_eof():
            sink.backend_half_closed()
            return True
        self._end_of_stream()
        return False

    def _end_of_stream(self) -> None:
        sink = self._sink
        until_close = self._parser.phase == UNTIL_CLOSE
        if sink is not None and until_close and is_clean_end(self._transport):
            self._sink = None
            self._abort()
            sink.response_ended([])
        else:
            self._fail_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_closed:
            self._read_rest()
        if not self._is_closed:
            self._fail_lost(exc)

    def _read_rest(self) -> None:
        """Parse what came before the connection was lost, and the loop has not read.

        A backend may respond to the head and close while the body is on its way. The next write fails then, and the
        loop reads no more, but the kernel still has the response (RFC 9112 9.5). It holds no more than its own buffer.
        """
        self._is_paused = False
        self._is_uploading = True  # `_finish` must not release this connection.
        while self._sink is not None and not self._is_closed:
            data = self._unread_bytes()
            if not data:
                return
            self.data_received(data)

    def _unread_bytes(self) -> bytes:
        return unread_bytes(self._transport)

    def pause_writing(self) -> None:
        self._is_write_blocked = True
        if self._sink is not None:
            self._sink.upload_paused()

    def resume_writing(self) -> None:
        self._is_write_blocked = False
        if self._sink is not None:
            self._sink.upload_resumed()

    # --- called by the sweep ------------------------------------------------------------------------

    def check_deadlines(self, now: float) -> None:
        """Note when the last event was, and end what has taken too long. `now` in seconds, monotonic."""
        backlog = self._transport.get_write_buffer_size()
        if self._active or backlog != self._backlog_bytes:
            self._active = False
            self._backlog_bytes = backlog
            self._active_at = now
        self._opened_at = self._opened_at or now
        max_age_s = self._owner.max_age_s
        if max_age_s is not None and now - self._opened_at >= max_age_s:
            self.retire()
        sink = self._sink
        if sink is None:
            if self._is_closed:
                return
            # A private connection lives as long as its client's: the login would be lost.
            if self.private is None and now - self._active_at >= self._owner.idle_timeout_s:
                self._abort()
            return
        self._check_exchange(now)
        if self._sink is not sink:
            return
        if self._first_sweep_at:
            sink.elapsed(now - self._first_sweep_at)
        else:
            self._first_sweep_at = now

    def _check_exchange(self, now: float) -> None:
        silence_s = now - self._active_at
        if self._is_paused:
            self.paused_s += silence_s
            self._active_at = now
            return
        wait = self._wait()
        if wait == "client":
            self._active_at = now
            return
        overdue = overdue_text(wait, silence_s, self._timeouts)
        if overdue is not None:
            backend = self._owner.backend
            self._fail(UpstreamTimeout(f"backend {backend} {overdue}", backend))

    def _wait(self) -> Wait:
        parser = self._parser
        if parser.phase != HEAD:
            return "tunnel" if parser.switched else "body"
        if not self._is_uploading:
            return "head"
        return "upload" if self._is_write_blocked else "client"

    # --- how an exchange ends ---------------------------------------------------------------------

    def _finish(self, sink: ExchangeSink) -> None:
        parser = self._parser
        # Read before `release`: the next request may begin inside that call, and resets the parser.
        complete, trailers = parser.complete, parser.trailers
        self._sink = None
        if self._is_paused:
            self.resume_reading()
        is_clean = parser.keep and not (self._is_uploading or self._is_retired)
        if is_clean and not self._transport.get_write_buffer_size():
            self.reused = self._active = True
            if self.private is not None:
                self.private.keep(self._owner, self)
            elif parser.has_login:
                self._abort()  # A login that began without credentials: no other client may continue it.
            else:
                self._owner.release(self)
        else:
            self._abort()
        if complete is None:
            sink.response_ended(trailers)
        else:
            sink.response_complete(*complete)

    def _fail_lost(self, exc: Exception | None) -> None:
        parser, backend = self._parser, self._owner.backend
        if self._sink is None:
            self._abort()
        elif self._writer.unsent:
            self._fail(ended_unsent(backend))
        elif self.reused and not parser.has_received:
            self._fail(UpstreamStale(f"backend {backend} closed an idle connection", backend))
        else:
            where = "before it answered" if parser.phase == HEAD else "in the middle of its answer"
            self._fail(broken_off(exc, where, backend))

    def _fail(self, error: UpstreamError) -> None:
        sink, self._sink = self._sink, None
        self._abort()
        if sink is not None:
            sink.response_failed(error)

    def _abort(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._parser.stop()
            self._writer.drop()
            self._owner.discard(self)
            # Not close(): nothing is left to send, and a TLS transport would wait for the peer.
            self._transport.abort()
