"""One connection of a client: uvicorn's protocol with limits of size, time and number (ADR 20).

uvicorn with httptools keeps a head of any size, waits for it without limit, and accepts HTTP/1.1
without Host. httptools passes on complete fields and keeps an incomplete one in its own memory;
therefore both are counted: `_head_bytes` what it passed on, `_unparsed` what it was given since the
head, or the last part of the body, began.

The deadlines of one request on a connection:

    accepted, or first byte ── head_timeout_s ──► head ── body_timeout_s ──► end of the body
        408, then closed                              closed: the handler has sent 408 before

A refused request ends the connection with a lingering close: the response, a half-close, and what the
client still sends is discarded for `linger_s`. A close at once would reset the connection, and the
client might lose the response.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, NoReturn

from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from flightspecial_service.errors import (
    HeadTooLarge,
    Malformed,
    RequestError,
    TargetTooLong,
    TooManyConnections,
    TooSlow,
)
from flightspecial_service.interface.http.problems import problem, title

MAX_TARGET_BYTES = 8 * 1024
MAX_HEAD_BYTES = 32 * 1024
MAX_FIELDS = 100

# RFC 3986 3.2.2 and 3.2.3: a host and a port. RFC 9110 7.2: it may be empty.
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%\[\]:-]*")


class Limits(Struct, frozen=True):
    """Limits of one listener."""

    max_connections: int = 1_000
    """Beyond it requests get 503; beyond an eighth more, connections are closed when accepted."""
    head_timeout_s: float = 10.0
    body_timeout_s: float = 15.0
    """Longer than a handler waits for a body, so that the client gets the 408 of the handler."""
    write_timeout_s: float = 30.0
    """For a client that accepts nothing of a response."""
    linger_s: float = 2.0

    @property
    def most_connections(self) -> int:
        """Connections that are accepted at all, those that get 503 included."""
        return self.max_connections + max(8, self.max_connections // 8)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with `limits`. `on_refusal` gets the status of each refused request."""

    def __init__(
        self, *arguments: Any, limits: Limits, on_refusal: Callable[[int], None], **more: Any
    ) -> None:
        super().__init__(*arguments, **more)
        self._limits = limits
        self._on_refusal = on_refusal
        self._refusal: RequestError | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        """The request that is being served; uvicorn's `cycle` is the one that was received last."""
        self._over_limit = False
        self._discarding = False
        self._untouched = True
        """Nothing was received yet."""
        self._in_head = True
        self._complete = False
        """The last request was received completely, and nothing of a next one."""
        self._begins_read = False
        """The next request to begin is the first one in what was received now."""
        self._head_bytes = 0
        self._unparsed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept, unless there are far too many connections."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > self._limits.most_connections:
            self.transport.abort()
            return
        self._over_limit = len(self.connections) > self._limits.max_connections
        self._set_deadline(self._limits.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self._clear_deadline()
        self._clear_write_deadline()
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then check what the parser keeps and whether a deadline is needed."""
        if self._ended():
            return
        self._begins_read = self._complete or self._untouched
        self._untouched = self._complete = False
        self._unparsed += len(data)
        super().data_received(data)
        if self._ended():
            return
        if self._complete:
            self._expect_next_request()
            return
        if self._unparsed > MAX_HEAD_BYTES:
            self._refusal = _head_too_large()
            self.send_400_response("")
        elif self._deadline is None:
            limits = self._limits
            self._set_deadline(limits.head_timeout_s if self._in_head else limits.body_timeout_s)

    # Callbacks of the parser. An exception stops it, and uvicorn calls send_400_response.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._complete = False
        self._in_head = True
        self._head_bytes = 0
        if not self._begins_read:
            self._unparsed = 0
        self._begins_read = False

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        super().on_url(url)
        self._head_bytes += len(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._refuse(TargetTooLong(f"a target has at most {MAX_TARGET_BYTES} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field. Trailers count, and are dropped: they are no header fields (RFC 9110 6.5.1)."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) >= MAX_FIELDS:
            self._refuse(_head_too_large())
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the number of connections and Host, then start the request."""
        self._in_head = False
        self._unparsed = 0
        self._clear_deadline()
        if self._over_limit:
            self._refuse(TooManyConnections("the service has too many connections"))
        self._check_host()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request was received."""
        self._complete = True
        self._unparsed = 0
        self._clear_deadline()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _check_host(self) -> None:
        """RFC 9112 3.2: exactly one valid Host in HTTP/1.1, at most one in HTTP/1.0."""
        hosts = [value for name, value in self.headers if name == b"host"]
        required = self.parser.get_http_version() != "1.0"
        if len(hosts) > 1 or (required and not hosts):
            self._refuse(Malformed(f"a request has one Host field, not {len(hosts)}"))
        if hosts and _HOST.fullmatch(hosts[0]) is None:
            self._refuse(Malformed("Host is a name or an address, and a port"))

    def _refuse(self, error: RequestError) -> NoReturn:
        self._refusal = error
        raise error

    def send_400_response(self, msg: str) -> None:
        """End the connection with the reason as application/problem+json."""
        self._discarding = True
        cycle = self._running
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or not cycle.more_body:
                # The response to the request before comes first, and is the last one.
                cycle.keep_alive = False
                self.pipeline.clear()
                return
            # The rest of this body cannot be read: the handler gets a disconnect.
            cycle.disconnected = True
            cycle.message_event.set()
        error = self._refusal or Malformed("this is not a request in HTTP/1.1")
        self._on_refusal(error.status)
        self.transport.write(_response_bytes(error))
        self._linger()

    def _ended(self) -> bool:
        return self._discarding or self.transport.is_closing()

    def _linger(self) -> None:
        self._discarding = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._set_deadline(self._limits.linger_s)

    def _expect_next_request(self) -> None:
        """uvicorn sets its timer after a response, but not if the request ends after its response."""
        cycle = self._running
        idle = cycle is not None and cycle.response_complete
        if idle and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also if the client has not read the last response."""
        self._end()

    # Deadlines.

    def _set_deadline(self, after_s: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(after_s, self._expired)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expired(self) -> None:
        self._deadline = None
        cycle = self._running
        if self._discarding or self._untouched or not self._in_head:
            self._end()
        elif cycle is not None and not cycle.response_complete:
            # A part of the next request came before the response to this one.
            self._set_deadline(self._limits.head_timeout_s)
        else:
            self._refusal = TooSlow(
                f"the head did not arrive within {self._limits.head_timeout_s:g} seconds"
            )
            self.send_400_response("")

    def _end(self) -> None:
        """Close; cut off a client that does not read, as a close would wait for it."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client reads more slowly than the response is written."""
        super().pause_writing()
        self._watch_writing(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has read."""
        self._clear_write_deadline()
        super().resume_writing()

    def _watch_writing(self, unsent: int) -> None:
        """Cut off the client if it reads nothing within the limit."""

        def check() -> None:
            left = self.transport.get_write_buffer_size()
            if left >= unsent:
                self.transport.abort()
            else:
                self._watch_writing(left)

        self._write_deadline = self.loop.call_later(self._limits.write_timeout_s, check)

    def _clear_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None


def _head_too_large() -> HeadTooLarge:
    return HeadTooLarge(f"a head has at most {MAX_HEAD_BYTES} bytes and {MAX_FIELDS} fields")


def _response_bytes(error: RequestError) -> bytes:
    response = problem(error)
    head = b"".join(b"%b: %b\r\n" % pair for pair in response.headers)
    status = b"HTTP/1.1 %d %b\r\n" % (error.status, title(error.status).encode())
    length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(response.body)
    return status + head + length + response.body
