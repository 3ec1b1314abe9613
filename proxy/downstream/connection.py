"""One client connection. What it does with a request is its tier's: a walk of `fast_walk`, or a `cycle` (ADR 15).

Requests are answered one after the other; what a client sends ahead is held, and not read beyond a bound.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import cast

from proxy.downstream.client_response import refusal
from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.downstream.interfaces import ActiveRequest, Drainable, RequestService
from proxy.downstream.lingering_close import LINGER_S, begin_lingering, cut, has_unread
from proxy.downstream.timeouts import ClientTimeouts, Expiry, Phase, Progress
from proxy.errors import Overloaded, RequestError
from proxy.http1.request_head import RequestHead
from proxy.http1.request_parser import RequestParser
from proxy.model import HeaderPairs, Limits, Timeouts
from proxy.tick import BufferedWriter

AHEAD_BYTES = 64 * 1024
"""What a client may send ahead of its turn before we stop reading."""
_ANYTHING = (Timeouts(), Limits())


class DownstreamConnection(asyncio.Protocol):
    """See the top of the file."""

    __slots__ = (
        "_blocked",
        "_bounds",
        "_clients",
        "_connections",
        "_held",
        "_in_reader",
        "_lingers_until",
        "_outlet",
        "_overloaded",
        "_reader",
        "_reading",
        "_service",
        "_transport",
        "_tunnel",
        "_walk",
        "_walks",
        "address",
        "peer",
        "scheme",
        "server",
        "state",
        "write",
    )

    _transport: asyncio.Transport
    _outlet: BufferedWriter
    write: Callable[[bytes], None]
    """Sends some bytes of the answer."""

    def __init__(
        self, service: RequestService, clients: ConnectionTracker, connections: set[Drainable]
    ) -> None:
        limits = service.limits
        self._service = service
        self._clients = clients
        self._connections = connections
        self._reader = RequestParser(self, limits.max_head_bytes, limits.max_fields)
        self._bounds = ClientTimeouts()
        self._walk: ActiveRequest | None = None
        self.state: object = None
        self._walks = 0
        self._held = b""
        self._reading = True
        self._blocked = self._tunnel = self._in_reader = False
        self._overloaded: Overloaded | None = None
        self._lingers_until = 0.0
        self.peer = ""
        self.scheme = "http"
        self.address: tuple[str, int] | None = None
        self.server: tuple[str, int | None] | None = None

    # --- what the event loop and the server call ----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name.
        self._outlet = BufferedWriter(self._clients.turn, self._transport)
        self.write = self._outlet.write
        peer, own = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        if isinstance(peer, tuple):
            self.address = peer[0], peer[1]
            self.peer = peer[0]
        if isinstance(own, tuple):
            self.server = own[0], own[1]
        if transport.get_extra_info("ssl_object") is not None:
            self.scheme = "https"
        self._connections.add(self)
        limits = self._service.limits
        self._overloaded = self._clients.admit(self, self.peer, limits.listener, limits.trusted)

    def connection_lost(self, exc: Exception | None) -> None:
        self._held = b""
        self._outlet.drop()
        self._connections.discard(self)
        self._clients.leave(self, self.peer)
        if self._walk is not None:
            self._walk.client_disconnected()
        self._reader.stop()

    def eof_received(self) -> bool:
        self.go_on()
        walk = self._walk
        if walk is not None and self._tunnel and self._transport.can_write_eof():
            walk.client_shut()
            return True
        # Of a request, a client that will send no more is one that leaves: the two look the same.
        if walk is not None:
            walk.client_disconnected()
        self._outlet.flush()
        return False

    def data_received(self, data: bytes) -> None:
        if self._walk is None:
            if self._held:  # More than one read is not kept.
                data, self._held = self._held + data, b""
            elif not self._clients.intake.admits(self):
                self._held = data
                return
        self._take(data)

    def go_on(self) -> None:
        """Begin what had to wait for its turn."""
        data, self._held = self._held, b""
        if data and not self._transport.is_closing():
            self._take(data)

    def _take(self, data: bytes) -> None:
        if self._tunnel:
            if self._walk is not None:
                self._walk.body(data)
            return
        if self._lingers_until:
            return
        if self._overloaded is not None:
            self._refuse(self._overloaded)
            return
        self._in_reader = True
        try:
            self._reader.feed(data)
            if self._walk is None:
                self._read_on()
        except RequestError as error:
            self._refuse(error)
        finally:
            self._in_reader = False
        reader = self._reader
        if reader.held and self._walk is not None and reader.held_bytes > AHEAD_BYTES:
            self.pause_reading()

    def pause_writing(self) -> None:
        self._blocked = True
        if self._walk is not None:
            self._walk.client_blocked(True)

    def resume_writing(self) -> None:
        self._blocked = False
        if self._walk is not None:
            self._walk.client_blocked(False)
        elif not self._lingers_until:
            self._next()

    def shutdown(self) -> None:
        """The server drains. A connection between two requests ends; one with a request ends after its answer."""
        held = self._held or self._reader.held_bytes
        if self._walk is None and not held and not has_unread(self._transport):
            self._close()

    def abort(self) -> None:
        """Be gone."""
        self._transport.abort()

    # --- what the sweep calls -----------------------------------------------------------------------

    def swept(self, now: float) -> None:
        """Judge what the client takes of our time."""
        if self._lingers_until:
            if now >= self._lingers_until:
                self._transport.abort()
            return
        if self._overloaded is not None:
            self._refuse(self._overloaded)
            return
        walk = self._walk
        timeouts, limits = _ANYTHING if walk is None else walk.allowed
        verdict = self._bounds.check(
            now, self._progress(), self._service.limits.listener, timeouts, limits
        )
        if verdict is not None:
            self._end_by(verdict)
        elif walk is not None:
            walk.check_deadlines(now)

    def _progress(self) -> Progress:
        walk = self._walk
        unsent = self._transport.get_write_buffer_size()
        if walk is None:
            phase: Phase = "head" if self._held or self._reader.held_bytes else "idle"
            return Progress(phase, self._walks, unsent_bytes=unsent)
        if walk.uploaded:
            return Progress("answer", self._walks, unsent_bytes=unsent)
        return Progress("body", self._walks, walk.received_bytes, not self._reading, unsent)

    def _end_by(self, verdict: Expiry) -> None:
        error = verdict.error
        if error is None:
            if self._walk is not None:
                self._walk.client_disconnected()
            if self._transport.is_closing():
                self._transport.abort()
            self._close()
            return
        if self._walk is None:
            self._refuse(error)
        else:
            self._clients.refused(error.reason)
            self._walk.refuse(error)

    # --- what the reader calls ----------------------------------------------------------------------

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        self._walks += 1
        self._walk = walk = self._service.new_request(self, head, body)
        walk.begin()

    def request_data(self, data: bytes) -> None:
        if self._walk is not None:
            self._walk.body(data)

    def request_ended(self, trailers: HeaderPairs) -> None:
        if self._walk is not None:
            self._walk.body_ended(trailers)

    # --- what a walk calls --------------------------------------------------------------------------

    @property
    def draining(self) -> bool:
        return self._clients.draining

    def write_all(self, pieces: Sequence[bytes]) -> None:
        self._outlet.flush()
        self._transport.writelines(pieces)

    def write_eof(self) -> None:
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._outlet.flush()
            self._transport.write_eof()

    def pause_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def switched(self) -> None:
        self._tunnel = True
        rest = self._reader.take_rest()
        self.resume_reading()
        if rest and self._walk is not None:
            self._walk.body(rest)

    def request_done(self, whole: bool, keep: bool, by_close: bool) -> None:
        walk, self._walk = self._walk, None
        if self._transport.is_closing():
            return
        if whole and keep and not self._tunnel:
            if not self._in_reader:
                self._next()
        elif whole:
            if self._tunnel or walk is None or walk.uploaded:
                self._close()
            else:
                self._linger()
        elif by_close:
            self._outlet.flush()
            cut(self._transport)
        else:
            self._close()

    # --- inside -------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Go on with what the client sent ahead; called from outside the reader only."""
        reader = self._reader
        if self._reading and not (reader.held or self._blocked):
            reader.proceed()  # As most clients do, it waited for its answer.
            return
        self._in_reader = True
        try:
            self._read_on()
        except RequestError as error:
            self._refuse(error)
        finally:
            self._in_reader = False
        if self._walk is None or self._reader.held_bytes <= AHEAD_BYTES:
            self.resume_reading()

    def _read_on(self) -> None:
        """Read request after request, as long as each is answered at once and the client takes the answers."""
        reader = self._reader
        while self._walk is None and reader.waits and not self._blocked:
            if self._lingers_until or self._transport.is_closing():
                return
            reader.proceed()

    def _refuse(self, error: RequestError) -> None:
        """What came is no request, or may not be one: tell so, and end the connection."""
        if self._walk is not None:
            self._walk.refuse(error)
            return
        if self._lingers_until or self._transport.is_closing():
            return
        if not isinstance(error, Overloaded):
            self._clients.refused(error.reason)
        self._outlet.write(refusal(error))
        self._linger()

    def _close(self) -> None:
        """After what is written."""
        self._outlet.flush()
        self._transport.close()

    def _linger(self) -> None:
        self._outlet.flush()
        if begin_lingering(self._transport):
            self._lingers_until = time.monotonic() + LINGER_S
            self.resume_reading()
