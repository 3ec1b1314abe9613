"""One client connection: an HTTP/1.1 server for one socket.

It parses requests and gives each to the listener's `RequestService`: the fast tier or the ASGI tier (ADR 15).
Requests are handled one after the other. Pipelined requests wait in the parser's buffer, which is bounded.
"""

import asyncio

from proxy.downstream.client_response import refusal
from proxy.downstream.client_socket import ClientSocket
from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.downstream.interfaces import ActiveRequest, Closable, Drainable, RequestService
from proxy.downstream.lingering_close import has_failed, has_unread, probe_peer, reset
from proxy.downstream.timeouts import ClientTimeouts, Expiry, Phase, Progress
from proxy.errors import Overloaded, RequestError
from proxy.http1.quick_head import QuickHead, read_quick
from proxy.http1.request_head import RequestHead
from proxy.http1.request_parser import COMPLETE, RequestParser
from proxy.model import DEFAULTS, HeaderPairs

MAX_LAST_BYTES = 2048
"""A larger request is parsed each time, because an idle connection must stay small."""
AHEAD_BYTES = 64 * 1024
"""The connection is not read while more bytes than this wait in the parser behind the active request."""


class DownstreamConnection(ClientSocket):
    """Implements `ClientConnection` for the active request, `RequestSink` for the parser, `Drainable` for the listener.

    States: a request is active (`_request`); no request is; or the connection lingers: the facade has half-closed it,
    and discards further bytes of the client.
    """

    __slots__ = (
        "_connections",
        "_held",
        "_is_parsing",
        "_is_tunnel",
        "_is_write_blocked",
        "_known",
        "_last_data",
        "_last_head",
        "_overloaded",
        "_parser",
        "_request",
        "_request_count",
        "_service",
        "_timeouts",
        "_tracker",
        "private",
    )

    def __init__(
        self, service: RequestService, tracker: ConnectionTracker, connections: set[Drainable]
    ) -> None:
        super().__init__(tracker.write_batch)
        self._service = service
        self._tracker = tracker
        self._connections = connections
        self._known = service.known
        self._parser: RequestParser | None = None
        self._timeouts: ClientTimeouts | None = None
        self._request: ActiveRequest | None = None
        self.private: Closable | None = None
        self._request_count = 0
        self._held = b""
        """One read that waits for admission (ADR 19)."""
        self._is_write_blocked = self._is_tunnel = self._is_parsing = False
        self._overloaded: Overloaded | None = None
        self._last_data = b""
        self._last_head: QuickHead | None = None

    # --- called by the event loop, the listener and `Admission` ---------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.add(self)
        limits = self._service.limits
        self._overloaded = self._tracker.add(self, self.peer, limits.listener, limits.trusted)

    def connection_lost(self, exc: Exception | None) -> None:
        self._held = b""
        self._writer.drop()
        self._connections.discard(self)
        self._tracker.remove(self, self.peer)
        if self._request is not None:
            self._request.client_disconnected()
        if self.private is not None:
            self.private.close()
        if self._parser is not None:
            self._parser.stop()

    def eof_received(self) -> bool:
        self.resume()
        request = self._request
        if request is not None and self._is_tunnel and self._may_half_close:
            request.client_half_closed()
            return True
        if request is not None and request.uploaded and self._may_half_close:
            # The client may have left, too. `check_deadlines` and failed writes notice that.
            self._is_half_closed = True
            probe_peer(self._transport)
            return True
        if request is not None:
            request.client_disconnected()
        self._writer.flush()
        return False

    def data_received(self, data: bytes) -> None:
        if self._request is None:
            if self._held:  # At most one read waits: with the second the request begins.
                data, self._held = self._held + data, b""
            elif not self._tracker.admission.admit(self):
                self._held = data
                return
        self._receive(data)

    def resume(self) -> None:
        """Parse the read that waited for admission."""
        data, self._held = self._held, b""
        if data and not self._transport.is_closing():
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        if self._is_tunnel:
            if self._request is not None:
                self._request.body(data)
            return
        if self._lingers_until:
            return
        if self._overloaded is not None:
            self._refuse(self._overloaded)
            return
        if self._receive_quick(data):
            return
        parser = self._parser
        if parser is None:
            parser = self._new_parser()
        self._is_parsing = True
        try:
            parser.feed(data)
            if self._request is None:
                self._parse_buffered(parser)
        except RequestError as error:
            self._refuse(error)
        finally:
            self._is_parsing = False
        if parser.held and self._request is not None and parser.held_bytes > AHEAD_BYTES:
            self.pause_reading()

    def _receive_quick(self, data: bytes) -> bool:
        """Begin a usual request, if `data` is one and no other is active or buffered (ADR 21)."""
        known, parser = self._known, self._parser
        if self._request is not None or known is None:
            return False
        if parser is not None and not parser.is_idle:
            return False
        # Some clients send the same bytes again and again on a connection: health checks, pollers, load tests.
        head = self._last_head
        if head is None or data != self._last_data:
            head = read_quick(data, known)
            if head is None:
                return False
            if not head.keep_alive:
                self.ends_after_response = True
            elif len(data) <= MAX_LAST_BYTES:
                self._last_data, self._last_head = data, head
        if parser is not None:
            parser.phase = COMPLETE
        self._begin(self._service.new_quick_request(self, head))
        return True

    def _new_parser(self) -> RequestParser:
        """Create the parser, for the first bytes that are not a usual request."""
        limits = self._service.limits
        parser = self._parser = RequestParser(self, limits.max_head_bytes, limits.max_fields)
        if self._request is not None:
            parser.phase = COMPLETE
        return parser

    def _begin(self, request: ActiveRequest) -> None:
        self._request_count += 1
        self._request = request
        request.begin()

    def pause_writing(self) -> None:
        self._is_write_blocked = True
        if self._request is not None:
            self._request.client_blocked(True)

    def resume_writing(self) -> None:
        self._is_write_blocked = False
        if self._request is not None:
            self._request.client_blocked(False)
        elif not self._lingers_until:
            self._next_request()
            self._close_if_done()

    def shutdown(self) -> None:
        """The listener drains: close if idle. An active request and bytes that have come are served first."""
        if self._request is None and not self._has_bytes and not has_unread(self._transport):
            self._close()

    def abort(self) -> None:
        """Close without sending what is buffered."""
        self._transport.abort()

    # --- called by the tracker's sweep ----------------------------------------------------------------

    def check_deadlines(self, now: float) -> None:
        """End what has taken too long. `now` in seconds, monotonic."""
        if self._lingers_until:
            if now >= self._lingers_until:
                self._transport.abort()
            return
        if self._overloaded is not None:
            self._refuse(self._overloaded)
            return
        if self._is_half_closed and has_failed(self._transport):
            self._transport.abort()
            return
        request = self._request
        timeouts, limits = DEFAULTS if request is None else request.allowed
        if self._timeouts is None:
            self._timeouts = ClientTimeouts()
        listener = self._service.limits.listener
        expiry = self._timeouts.check(now, self._progress(), listener, timeouts, limits)
        if expiry is not None:
            self._expire(expiry)
        elif request is not None:
            request.check_deadlines(now)

    @property
    def _has_bytes(self) -> bool:
        """Whether bytes have come that are no request yet."""
        return bool(self._held or (self._parser is not None and self._parser.held_bytes))

    def _progress(self) -> Progress:
        request = self._request
        unsent = self._transport.get_write_buffer_size()
        if request is None:
            phase: Phase = "head" if self._has_bytes or not self._request_count else "idle"
            return Progress(phase, self._request_count, unsent_bytes=unsent)
        if request.uploaded:
            return Progress("response", self._request_count, unsent_bytes=unsent)
        paused = not self._is_reading
        return Progress("body", self._request_count, request.received_bytes, paused, unsent)

    def _expire(self, expiry: Expiry) -> None:
        error = expiry.error
        if error is None:
            if self._request is not None:
                self._request.client_disconnected()
            if self._transport.is_closing():
                self._transport.abort()
            self._close()
            return
        if self._request is None:
            if self._has_bytes:
                self._refuse(error)
            else:  # Browsers open connections ahead of time. They would take a 408 for a response to a request.
                self._close()
        else:
            self._tracker.count_refused(error.reason)
            self._request.refuse(error)

    # --- called by the parser -------------------------------------------------------------------------

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        self._begin(self._service.new_request(self, head, body))

    def request_data(self, data: bytes) -> None:
        if self._request is not None:
            self._request.body(data)

    def request_ended(self, trailers: HeaderPairs) -> None:
        if self._request is not None:
            self._request.body_ended(trailers)

    # --- called by the active request -----------------------------------------------------------------

    @property
    def draining(self) -> bool:
        return self._tracker.draining

    def switch_protocols(self) -> None:
        self._is_tunnel = True
        rest = b"" if self._parser is None else self._parser.take_rest()
        self.resume_reading()
        if rest and self._request is not None:
            self._request.body(rest)
        if self._is_half_closed and self._request is not None:
            self._request.client_half_closed()

    def request_done(self, complete: bool, keep: bool, by_close: bool) -> None:
        request, self._request = self._request, None
        if self._transport.is_closing():
            return
        if complete and keep and not self._is_tunnel:
            if not self._is_parsing:  # Else `_parse_buffered` goes on when the parser returns.
                self._next_request()
                if self._is_half_closed:
                    self._close_if_done()
        elif complete:
            if self._is_tunnel or request is None or request.uploaded:
                self._close()
            else:
                self._linger()
        elif by_close:
            self._writer.flush()
            reset(self._transport)
        else:
            self._close()

    # --- inside ---------------------------------------------------------------------------------------

    def _next_request(self) -> None:
        """Parse pipelined requests. Not called while the parser runs."""
        parser = self._parser
        if parser is None:
            return
        if self._is_reading and not (parser.held or self._is_write_blocked):
            parser.proceed()  # The usual case: the client has sent nothing ahead.
            return
        self._is_parsing = True
        try:
            self._parse_buffered(parser)
        except RequestError as error:
            self._refuse(error)
        finally:
            self._is_parsing = False
        if self._request is None or parser.held_bytes <= AHEAD_BYTES:
            self.resume_reading()

    def _close_if_done(self) -> None:
        """Close after the last response to a client that sends no more."""
        if self._is_half_closed and self._request is None and not self._is_write_blocked:
            self._close()

    def _parse_buffered(self, parser: RequestParser) -> None:
        """Parse buffered requests until one stays active, or the client does not read its responses fast enough."""
        while self._request is None and parser.is_complete and not self._is_write_blocked:
            if self._lingers_until or self._transport.is_closing():
                return
            parser.proceed()

    def _refuse(self, error: RequestError) -> None:
        """Respond with `error`, then end the connection: for bytes that are no request, or an overload."""
        if self._request is not None:
            self._request.refuse(error)
            return
        if self._lingers_until or self._transport.is_closing():
            return
        if not isinstance(error, Overloaded):  # The tracker has counted that.
            self._tracker.count_refused(error.reason)
            self._tracker.log_refused(error, self.peer)
        self._writer.write(refusal(self._service.refusal(error)))
        self._linger()
