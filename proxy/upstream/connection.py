"""One connection to an endpoint. Pushes what it hears into a sink, without a task or a future for each request.

It goes back to its pool only if both sides of an exchange ended cleanly: the upload was ended and is out of our
hands, the answer ended with its last byte and not one more, and nobody said `close`. All else closes it.

Time is kept by the pool's sweep. Nothing here reads a clock: what happens leaves a mark (`_stirred`), and the
next sweep notes when. Deadlines are so kept to one or two sweeps, never early.
"""

import asyncio
import select
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from proxy.errors import UpstreamBroke, UpstreamError, UpstreamStale, UpstreamTimeout
from proxy.http1.response_parser import HEAD, OVER, UNTIL_CLOSE, LastResponse, ResponseParser
from proxy.model import Timeouts
from proxy.tick import BufferedWriter, WriteBatch
from proxy.upstream.failures import NOT_HTTP, broken_off, not_http
from proxy.upstream.interfaces import ExchangeSink


class Owner(Protocol):
    """Who a connection belongs to while it is idle."""

    backend: str
    idle_timeout_s: float
    turn: WriteBatch
    last: LastResponse

    def released(self, connection: "Connection") -> None:
        """An exchange ended cleanly: the connection may be used again."""

    def forget(self, connection: "Connection") -> None:
        """The connection is closed, or about to be."""


class Connection(asyncio.Protocol):
    """See the top of the file. `reused`: an exchange before this one went over it."""

    __slots__ = (
        "_backlog_bytes",
        "_begun_at",
        "_blocked",
        "_closed",
        "_marked_at",
        "_outlet",
        "_owner",
        "_paused",
        "_reader",
        "_sink",
        "_stirred",
        "_timeouts",
        "_transport",
        "_unheard",
        "_uploading",
        "held_s",
        "reused",
    )

    _transport: asyncio.Transport
    _outlet: BufferedWriter
    _timeouts: Timeouts
    _unheard: Callable[[int], Sequence[object]]

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._reader = ResponseParser(owner.last)
        self._sink: ExchangeSink | None = None
        self._closed = self._paused = self._blocked = self._uploading = False
        self._stirred = True
        self._marked_at = self._begun_at = 0.0
        self._backlog_bytes = 0
        self.reused = False
        self.held_s = 0.0
        """How long the sink has kept the answer paused."""

    # --- what an owner and a sink may ask -----------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._closed

    def usable(self, repeatable: bool = False) -> bool:
        """Idle, and the kernel holds neither a surplus byte nor a close that the loop has not seen yet.

        For a `repeatable` request the kernel is asked only once a sweep has seen the connection idle: before
        that the event loop has only just looked, and asking costs 2 µs.
        """
        if self._closed or self._sink is not None:
            return False
        return (repeatable and self._stirred) or not self._unheard(0)

    def begin(
        self,
        head: bytes,
        sink: ExchangeSink,
        is_head: bool,
        timeouts: Timeouts,
        uploading: bool,
        switching: bool = False,
    ) -> None:
        """Send a request's head. With `uploading` its body follows: `write`, then `end_upload`.

        With `switching` it asks for another protocol: a 101 makes the connection a tunnel, `write` and
        `response_data` its two directions. Only right after `usable`: nothing may come between.
        """
        self._reader.begin(sink, is_head, switching)
        self._sink = sink
        self._timeouts = timeouts
        self._uploading = uploading
        self._stirred = True
        self._begun_at = 0.0
        self._outlet.write(head)

    def write(self, data: bytes) -> None:
        """More of the request, framed as its head said. Nothing happens once the upload is over."""
        if self._uploading and not self._closed:
            if self._outlet.unsent:
                self._outlet.write(data)  # In one piece with the head.
            else:
                self._transport.write(data)

    def write_eof(self) -> None:
        """After a 101: nothing more comes from us; the backend may go on."""
        if not self._closed and self._transport.can_write_eof():
            self._transport.write_eof()

    def close_tunnel(self) -> None:
        """After a 101: both have said all. What is written goes out; the sink hears nothing more."""
        self._sink = None
        if not self._closed:
            self._closed = True
            self._reader.stop()
            self._owner.forget(self)
            self._outlet.flush()
            self._transport.close()

    def write_through(self, data: bytes) -> None:
        """Bytes of another protocol, after a 101. They count as a sign of life."""
        if not self._closed:
            self._stirred = True
            self._transport.write(data)

    def end_upload(self) -> None:
        """The request is complete: from here on the upstream's time runs."""
        self._uploading = False
        self._stirred = True

    def pause_reading(self) -> None:
        """Hear no more for now. The silence is then ours, not the upstream's."""
        if not self._paused and not self._closed:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and not self._closed:
            self._paused = False
            self._stirred = True
            self.held_s = 0.0
            self._transport.resume_reading()

    def abort(self) -> None:
        """Give up the exchange, and the connection with it. The sink hears nothing more."""
        self._sink = None
        self._drop()

    def cut_off(self) -> None:
        """End the exchange from our side; the sink is told."""
        backend = self._owner.backend
        self._fail(UpstreamBroke(f"backend {backend} is being closed", backend))

    # --- what the event loop calls --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name.
        self._outlet = BufferedWriter(self._owner.turn, self._transport)
        self._unheard = _unheard(self._transport)

    def data_received(self, data: bytes) -> None:
        sink, reader = self._sink, self._reader
        if sink is None:
            self._drop()  # Bytes nobody asked for: whose answer would they be?
            return
        if self._outlet.unsent:
            self._lost(None)  # Nor is this an answer: the request was not sent yet.
            return
        try:
            reader.feed(data)
        except NOT_HTTP as error:
            self._fail(not_http(error, self._owner.backend))
            return
        if reader.phase == OVER:
            if self._sink is sink:
                self._finish(sink)
        elif reader.phase != HEAD:
            self._stirred = True

    def eof_received(self) -> bool:
        sink = self._sink
        if sink is not None and self._reader.switched and self._transport.can_write_eof():
            sink.backend_shut()
            return True
        self._ended()
        return False

    def _ended(self) -> None:
        sink = self._sink
        until_close = self._reader.phase == UNTIL_CLOSE
        if sink is not None and until_close and _ended_cleanly(self._transport):
            self._sink = None
            self._drop()
            sink.response_ended([])
        else:
            self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._lost(exc)

    def pause_writing(self) -> None:
        self._blocked = True
        if self._sink is not None:
            self._sink.upload_paused()

    def resume_writing(self) -> None:
        self._blocked = False
        if self._sink is not None:
            self._sink.upload_resumed()

    # --- what the sweep calls ---------------------------------------------------------------------

    def swept(self, now: float) -> None:
        """Note what happened since the last sweep, and end what takes too long. `now` in seconds, monotonic."""
        backlog = self._transport.get_write_buffer_size()
        if self._stirred or backlog != self._backlog_bytes:
            self._stirred = False
            self._backlog_bytes = backlog
            self._marked_at = now
        sink = self._sink
        if sink is None:
            if now - self._marked_at >= self._owner.idle_timeout_s:
                self._drop()
            return
        self._judge(now)
        if self._sink is not sink:
            return
        if self._begun_at:
            sink.waited(now - self._begun_at)
        else:
            self._begun_at = now

    def _judge(self, now: float) -> None:
        silence_s = now - self._marked_at
        timeouts = self._timeouts
        if self._paused:
            self.held_s += silence_s
            self._marked_at = now
        elif self._reader.phase != HEAD:
            if silence_s >= timeouts.stream_idle_s:
                self._timed_out("went silent in the middle of its answer")
        elif not self._uploading:
            if silence_s >= min(timeouts.backend_request_s, timeouts.request_s):
                self._timed_out("did not answer in time")
        elif not self._blocked:
            self._marked_at = now  # The client's silence, not the upstream's.
        elif silence_s >= timeouts.stream_idle_s:
            self._timed_out("stopped taking the request")

    # --- how an exchange ends ---------------------------------------------------------------------

    def _finish(self, sink: ExchangeSink) -> None:
        reader = self._reader
        # Whoever is given the connection begins at once, and the reader forgets.
        whole, trailers = reader.whole, reader.trailers
        self._sink = None
        if self._paused:
            self.resume_reading()
        if reader.keep and not self._uploading and not self._transport.get_write_buffer_size():
            self.reused = self._stirred = True
            self._owner.released(self)
        else:
            self._drop()
        if whole is None:
            sink.response_ended(trailers)
        else:
            sink.response_complete(*whole)

    def _timed_out(self, what: str) -> None:
        backend = self._owner.backend
        self._fail(UpstreamTimeout(f"backend {backend} {what}", backend))

    def _lost(self, exc: Exception | None) -> None:
        backend = self._owner.backend
        reader = self._reader
        if self._sink is None:
            self._drop()
        elif self._outlet.unsent:
            what = f"backend {backend} ended a connection before the request was sent"
            self._fail(UpstreamStale(what, backend, sent=False))
        elif self.reused and not reader.heard:
            self._fail(UpstreamStale(f"backend {backend} closed an idle connection", backend))
        else:
            where = "before it answered" if reader.phase == HEAD else "in the middle of its answer"
            self._fail(broken_off(exc, where, backend))

    def _fail(self, error: UpstreamError) -> None:
        sink, self._sink = self._sink, None
        self._drop()
        if sink is not None:
            sink.response_failed(error)

    def _drop(self) -> None:
        if not self._closed:
            self._closed = True
            self._reader.stop()
            self._outlet.drop()
            self._owner.forget(self)
            # Not close(): nothing is left that should still be sent, and TLS would linger.
            self._transport.abort()


def _ended_cleanly(transport: asyncio.Transport) -> bool:
    """Over TLS the end has to be told by `close_notify`: anyone can cut a TCP connection (RFC 9112 9.8)."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLError:
        return False


def _unheard(transport: asyncio.Transport) -> Callable[[int], Sequence[object]]:
    """A function that tells, after a wait of so many milliseconds, whether the kernel has something to read.

    Over TLS that is nothing to go by: session tickets come when nobody asks for them (RFC 8446 4.6.1).
    """
    if transport.get_extra_info("ssl_object") is not None:
        return lambda _: ()
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return poll.poll
