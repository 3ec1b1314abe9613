"""Serves a request with an ASGI application: the server side of ASGI 3.0.

    begin --> a task: app(scope, receive, send) --> http.response.start --> http.response.body ... --> request_done

Two extensions are for our own applications. A head may be sent rendered, as a message of type `HEAD_BLOCK`. And
`scope["facade"]` is an `AsgiExtension`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from proxy.downstream.asgi_types import HEAD_BLOCK, App, Message
from proxy.downstream.client_response import ClientResponse
from proxy.downstream.interfaces import ActiveRequest, ClientConnection, ConnectionLimits
from proxy.errors import RequestError
from proxy.http1.fields import field_line
from proxy.http1.framing import BODILESS_STATUSES
from proxy.http1.local_reply import CACHE_CONTROL, CONTENT_TYPE, LocalReply, problem
from proxy.http1.quick_head import QuickHead
from proxy.http1.request_head import RequestHead
from proxy.http1.response_head import Framing
from proxy.http1.response_writer import CONTINUE, STATUS_LINES
from proxy.model import DEFAULTS, HeaderPairs, Limits, Timeouts

log = logging.getLogger(__name__)

HIGH_WATER_BYTES = 64 * 1024
"""The client is not read while more bytes than this wait for the application."""
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_EXTENSIONS: dict[str, dict[str, object]] = {HEAD_BLOCK: {}}
_APPLICATION_FAILED = LocalReply(
    500,
    [(CONTENT_TYPE, b"application/problem+json"), (CACHE_CONTROL, b"no-store")],
    b'{"type":"about:blank","title":"Internal Server Error","status":500,'
    b'"detail":"the server failed; its log tells more","reason":"internal"}',
)


class AsgiExtension(Struct, eq=False):
    """`scope["facade"]`: what our server and our own applications share about a request beside ASGI."""

    head: RequestHead | QuickHead
    """The request as the client sent it. A scope would lose an empty query."""
    client: ClientConnection
    fault: RequestError | None = None
    """Why the server ended the request early, if it did."""
    allowed: tuple[Timeouts, Limits] = DEFAULTS
    """Time-outs and limits of the route. The application sets them."""
    error_reply: Callable[[RequestError], LocalReply] = problem
    """The response if the server ends the request early. The application may set another."""


class AsgiService(Struct, frozen=True):
    """An ASGI application as the service of a listener. `tasks` holds the application's task of each active request."""

    app: App
    tasks: set[asyncio.Task[None]]
    limits_of: Callable[[], ConnectionLimits]

    @property
    def limits(self) -> ConnectionLimits:
        return self.limits_of()

    @property
    def known(self) -> None:
        """The strict reader reads all requests."""
        return None

    def new_quick_request(self, client: ClientConnection, head: QuickHead) -> ActiveRequest:
        return AsgiRequest(self.app, self.tasks, client, head, head.body)

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        return AsgiRequest(self.app, self.tasks, client, head, body)

    def refusal(self, error: RequestError) -> LocalReply:
        return problem(error)


class AsgiRequest:
    """Implements `ActiveRequest`, and the `receive` and `send` of one application task. `tasks` holds that task."""

    __slots__ = (
        "_app",
        "_body",
        "_body_received",
        "_client",
        "_drain_waiter",
        "_expects_100",
        "_extension",
        "_is_blocked",
        "_is_over",
        "_receive_waiter",
        "_remaining",
        "_response",
        "_scope",
        "_tasks",
        "received_bytes",
        "uploaded",
    )

    def __init__(
        self,
        app: App,
        tasks: set[asyncio.Task[None]],
        client: ClientConnection,
        head: RequestHead | QuickHead,
        body: bytes | None,
    ) -> None:
        self._app = app
        self._tasks = tasks
        self._client = client
        self._extension = AsgiExtension(head, client)
        self._response = ClientResponse(
            client, not head.minor, head.method == "HEAD", head.keep_alive
        )
        self._body = body or b""
        self._expects_100 = head.expects_100 and body is None
        self._body_received = self._is_over = self._is_blocked = False
        self._remaining: int | None = None
        self._receive_waiter: asyncio.Future[None] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self.uploaded = body is not None
        """Whether the whole request has come."""
        self.received_bytes = len(self._body)
        path, _, query = head.target.partition(b"?")
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1" if head.minor else "1.0",
            "server": client.server,
            "client": client.address,
            "scheme": client.scheme,
            "root_path": "",
            "headers": head.headers,
            "method": head.method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "extensions": _EXTENSIONS,
            "facade": self._extension,
        }

    # --- what the client's connection calls ---------------------------------------------------------

    def begin(self) -> None:
        """Start the application."""
        task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        """Time-outs and limits of the route; the defaults until the application sets them."""
        return self._extension.allowed

    def body(self, data: bytes) -> None:
        """Buffer bytes of the request's body for `receive`."""
        if self._is_over:
            return
        self.received_bytes += len(data)
        self._body += data
        if len(self._body) > HIGH_WATER_BYTES:
            self._client.pause_reading()
        self._wake()

    def body_ended(self, trailers: HeaderPairs) -> None:
        """The whole request has come. ASGI has no request trailers: they are dropped."""
        self.uploaded = True
        self._wake()

    def refuse(self, error: RequestError) -> None:
        """End the request with a local reply. If the response has begun, truncate it instead."""
        if self._is_over:
            return
        self._extension.fault = error
        self._response.keep = False
        self._reply(self._extension.error_reply(error))

    def client_disconnected(self) -> None:
        """The client closed the connection."""
        if not self._is_over:
            self._end(complete=False)

    def client_blocked(self, blocked: bool) -> None:
        """The client reads the response slower than it comes (True), or has caught up (False)."""
        self._is_blocked = blocked
        self._wake()

    def client_half_closed(self) -> None:
        """Only tunnels are half-closed, and ASGI has none."""

    def check_deadlines(self, now: float) -> None:
        """The application checks the time of the whole request."""

    # --- what the application calls -----------------------------------------------------------------

    async def receive(self) -> Message:
        """`receive` of ASGI: the next part of the body; after the end of the request `http.disconnect`."""
        while not self._is_over:
            if not self._body_received and (self._body or self.uploaded):
                data, self._body = self._body, b""
                self._body_received = self.uploaded
                self._client.resume_reading()
                return {"type": "http.request", "body": data, "more_body": not self.uploaded}
            if self._expects_100 and not self._response.status:
                self._expects_100 = False
                self._client.write(CONTINUE)
            waiter = self._receive_waiter
            if waiter is None or waiter.done():
                waiter = self._receive_waiter = asyncio.get_running_loop().create_future()
            await waiter
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """`send` of ASGI: a part of the response. Raises RuntimeError for an invalid one; ignores any after the end."""
        while self._is_blocked and not self._is_over:
            self._drain_waiter = asyncio.get_running_loop().create_future()
            await self._drain_waiter
        if self._is_over:
            return
        kind, begun = message["type"], self._response.status != 0
        if kind == "http.response.body" and begun:
            self._send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == HEAD_BLOCK and not begun:
            self._start(message["status"], message["head_block"], message["length"])
        elif kind == "http.response.start" and not begun:
            self._send_head(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"{kind} does not come {'after' if begun else 'before'} the head")

    # --- inside -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self.receive, self.send)
        except Exception:
            # The edge of the task: log the error, and end the response with a 500, or truncated.
            log.exception("the application failed: %s", self._scope["path"])
        if not self._is_over:
            self._response.keep = False
            self._reply(_APPLICATION_FAILED)

    def _send_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        out = self._response
        lines, length = [STATUS_LINES[status]], None
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                out.keep = out.keep and b"close" not in value.lower()
            elif name != b"transfer-encoding":
                lines.append(field_line((name, value)))
        if length is not None and status != 204:
            lines.append(b"Content-Length: %d" % length)
        lines.append(b"")
        head_block = b"\r\n".join(lines)
        if len(head_block.splitlines()) != len(lines) - 1 or 0 in head_block:
            raise RuntimeError("a header field has a line break or NUL in it")
        self._start(status, head_block, length)

    def _start(self, status: int, head_block: bytes, length: int | None) -> None:
        """Write a head. `head_block`: status line and fields with line ends, without framing but Content-Length."""
        out = self._response
        framing: Framing = "chunked" if length is None else "length"
        if out.is_head or status in BODILESS_STATUSES:
            framing = "none"
        if not self.uploaded or self._client.draining:
            # Where the next request would begin is unknown after a body that was not read to its end.
            out.keep = False
        self._remaining = length if framing == "length" else None if framing == "chunked" else 0
        # ASGI: a server sends the head with the first part of the body, not before (Response Start).
        out.start(status, head_block, framing, True)

    def _send_body(self, data: bytes, more: bool) -> None:
        out, remaining = self._response, self._remaining
        if remaining is not None:
            if out.is_head or out.status in BODILESS_STATUSES:
                data = b""
            if len(data) > remaining or (len(data) < remaining and not more):
                raise RuntimeError("the body is not as long as its Content-Length says")
            self._remaining = remaining - len(data)
        if data:
            out.data(data)
        if more:
            out.flush()
        else:
            out.end([])
            self._end(complete=True)

    def _reply(self, reply: LocalReply) -> None:
        """End with a local reply. If the response has begun, truncate it instead."""
        out = self._response
        if out.status:
            out.flush()
            self._end(complete=False)
        else:
            out.local_reply(reply, [])
            self._end(complete=True)

    def _end(self, complete: bool) -> None:
        self._is_over = True
        self._body = b""
        self._wake()
        out = self._response
        self._client.request_done(complete, out.keep and self.uploaded, out.by_close)

    def _wake(self) -> None:
        for future in (self._receive_waiter, self._drain_waiter):
            if future is not None and not future.done():
                future.set_result(None)
