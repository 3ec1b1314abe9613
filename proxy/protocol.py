"""uvicorn's HTTP protocol with what the facade needs: strict reading, bounds of time, problem+json, the raw target.

Serves the ASGI tier. `scope["facade.head"]` is the request as it was read, `scope["facade.fault"]` tells the
application why a request was given up, and it tells in `scope["facade.allowed"]` what its route allows.
"""

import time
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from proxy.bounds import Bounds, Phase, Progress
from proxy.clients import Clients
from proxy.endings import LINGER_S, begin_lingering, cut, has_unread
from proxy.errors import Overloaded, RequestError
from proxy.fast import AHEAD_BYTES, FastProtocol
from proxy.fast_refusal import refusal
from proxy.model import Limits, Timeouts
from proxy.reading.as_httptools import StrictParser
from proxy.walk import Kit

_ALLOWED = (Timeouts(), Limits())


class FacadeProtocol(HttpToolsProtocol):
    """One client connection."""

    parser: StrictParser  # type: ignore[assignment]
    hands_over = True
    """The fast tier takes what uvicorn cannot carry: WebSockets byte by byte, and HTTP/1.0, which knows no chunks."""

    def __init__(self, kit: Kit, clients: Clients, **of_server: Any) -> None:
        super().__init__(**of_server)
        snapshot = kit.tables.current
        self.parser = StrictParser(
            self, snapshot.max_head_bytes, snapshot.max_fields, lambda: self._busy
        )
        self._kit = kit
        self._clients = clients
        self._bounds = Bounds()
        self._requests = self._received_bytes = 0
        self._overloaded: Overloaded | None = None
        self._lingers_until = 0.0
        self._peer = ""

    # --- what the event loop and the server call ----------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        snapshot = self._kit.tables.current
        self._overloaded = self._clients.admit(
            self, self._peer, snapshot.table.listener, snapshot.trusted
        )

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._clients.leave(self, self._peer)

    def data_received(self, data: bytes) -> None:
        if self._lingers_until:
            return
        if self._overloaded is not None:
            self._refuse(self._overloaded)
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except RequestError as error:
            self._refuse(error)
        if self._busy and self.parser.held_bytes > AHEAD_BYTES:
            self.flow.pause_reading()

    def shutdown(self) -> None:
        # A request that is arriving just now is answered, or runs into its time-out.
        if self._busy or not (self.parser.held_bytes or has_unread(self.transport)):
            super().shutdown()

    def abort(self) -> None:
        """The time to drain is over."""
        self.transport.abort()

    # --- what the parser calls ----------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        head = self.parser.head
        self._requests += 1
        self._received_bytes = 0
        if self.hands_over and not self._busy and (head.upgrade == b"websocket" or not head.minor):
            self._hand_over()
            return
        # uvicorn takes a target apart by rules of its own, and would refuse some that are ours to judge.
        self.url = b"/"
        super().on_headers_complete()
        if self._clients.draining:
            self.cycle.keep_alive = False
        path, _, query = head.target.partition(b"?")
        scope = cast(dict[str, Any], self.scope)
        scope["raw_path"] = path
        scope["path"] = path.decode("latin-1")
        scope["query_string"] = query
        scope["facade.head"] = head

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or self._lingers_until:
            return
        try:
            self.parser.go_on()
        except RequestError as error:
            self._refuse(error)
        if self._busy:
            self._unset_keepalive_if_required()

    def on_body(self, body: bytes) -> None:
        self._received_bytes += len(body)
        super().on_body(body)

    # --- what the sweep calls -----------------------------------------------------------------------

    def swept(self, now: float) -> None:
        """Judge what the client takes of our time."""
        if self._lingers_until:
            if now >= self._lingers_until:
                self.transport.abort()
            return
        if self._overloaded is not None:
            self._refuse(self._overloaded)
            return
        scope = cast("dict[str, Any] | None", self.scope) or {}
        timeouts, limits = scope.get("facade.allowed", _ALLOWED)
        listener = self._kit.tables.current.table.listener
        verdict = self._bounds.judge(now, self._progress(), listener, timeouts, limits)
        if verdict is None:
            return
        if verdict.error is not None:
            self._refuse(verdict.error)
        elif self._busy:
            cut(self.transport)
        else:
            self.transport.close()

    def _progress(self) -> Progress:
        unsent = self.transport.get_write_buffer_size()
        phase: Phase = "answer"
        if not self._busy:
            phase = "head" if self.parser.held_bytes else "idle"
        elif self.cycle.more_body:
            phase = "body"
        return Progress(phase, self._requests, self._received_bytes, self.flow.read_paused, unsent)

    # --- inside -------------------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _refuse(self, error: RequestError) -> None:
        """What came is no request, or took too long: tell so, and end the connection."""
        if not isinstance(error, Overloaded):
            self._clients.refused(error.reason)
        if self._busy:
            cast(dict[str, Any], self.scope)["facade.fault"] = error
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                cut(self.transport)
                return
        if not self.transport.is_closing():
            self.transport.write(refusal(error))
            if begin_lingering(self.transport):
                self._lingers_until = time.monotonic() + LINGER_S
                self.flow.resume_reading()

    def _hand_over(self) -> None:
        """From here on the connection is the fast tier's."""
        self.connections.discard(self)
        self._clients.leave(self, self._peer)
        fast = FastProtocol(self._kit, self._clients, self.server_state)
        self.transport.set_protocol(fast)
        fast.connection_made(self.transport)
        self.parser.stop()
        fast.take_over(self.parser.head, self.parser.take_rest())
