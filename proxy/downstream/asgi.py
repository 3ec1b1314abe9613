"""One request as an ASGI application is told of it: the ASGI tier's counterpart of `fast_walk`.

    begin --> a task: app(scope, receive, send) --> http.response.start --> http.response.body ... --> over

A head may also be sent as the extension `facade.opening`: a status, and the lines of it as bytes that need no look.
Beside what ASGI 3.0 defines, `scope["facade"]` is an `AsgiExtension`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from msgspec import Struct

from proxy.downstream.asgi_types import OPENING, Message, Receive, Scope, Send
from proxy.downstream.client_response import ClientResponse
from proxy.downstream.interfaces import ActiveRequest, ClientConnection, ConnectionLimits
from proxy.errors import RequestError
from proxy.http1.local_reply import LocalReply, problem
from proxy.http1.request_head import RequestHead
from proxy.http1.response_head import Framing
from proxy.http1.response_writer import CONTINUE, STATUS_LINES
from proxy.model import DEFAULTS, HeaderPairs, Limits, Timeouts

log = logging.getLogger(__name__)

App = Callable[[Scope, Receive, Send], Awaitable[None]]
HIGH_WATER_BYTES = 64 * 1024
"""A body that the application does not take is read no further than this and one read more."""
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_NO_BODY = frozenset((204, 304))
_EXTENSIONS: dict[str, dict[str, object]] = {OPENING: {}}
_FAILED = LocalReply(
    500,
    [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")],
    b'{"type":"about:blank","title":"Internal Server Error","status":500,'
    b'"detail":"the server failed; its log tells more","reason":"internal"}',
)


class AsgiExtension(Struct, eq=False):
    """What the server and an application of ours tell each other of a request beside ASGI: `scope["facade"]`."""

    head: RequestHead
    """The request as it was read."""
    client: ClientConnection
    fault: RequestError | None = None
    """Why the server gave the request up."""
    allowed: tuple[Timeouts, Limits] = DEFAULTS
    """What the route allows; the application sets it."""


class AsgiService(Struct, frozen=True):
    """An ASGI application as a service of a listener. `tasks` holds the application's task of each active request."""

    app: App
    tasks: set[asyncio.Task[None]]
    limits_of: Callable[[], ConnectionLimits]

    @property
    def limits(self) -> ConnectionLimits:
        return self.limits_of()

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        return AsgiRequest(self.app, self.tasks, client, head, body)


class AsgiRequest:
    """See the top of the file. `tasks` holds the application's task while it runs."""

    __slots__ = (
        "_app",
        "_blocked",
        "_body",
        "_client",
        "_drained",
        "_expects_100",
        "_heard_all",
        "_left",
        "_out",
        "_over",
        "_scope",
        "_shared",
        "_tasks",
        "_waiter",
        "received_bytes",
        "uploaded",
    )

    def __init__(
        self,
        app: App,
        tasks: set[asyncio.Task[None]],
        client: ClientConnection,
        head: RequestHead,
        body: bytes | None,
    ) -> None:
        self._app = app
        self._tasks = tasks
        self._client = client
        self._shared = AsgiExtension(head, client)
        self._out = ClientResponse(client, not head.minor, head.method == "HEAD", head.keep_alive)
        self._body = body or b""
        self._expects_100 = head.expects_100 and body is None
        self._heard_all = self._over = self._blocked = False
        self._left: int | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.uploaded = body is not None
        """The request is complete."""
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
            "facade": self._shared,
        }

    # --- what the client's connection calls ---------------------------------------------------------

    def begin(self) -> None:
        """Start the application."""
        task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def allowed(self) -> tuple[Timeouts, Limits]:
        """What the route allows; the defaults until the application tells."""
        return self._shared.allowed

    def body(self, data: bytes) -> None:
        """Some of the request's body."""
        if self._over:
            return
        self.received_bytes += len(data)
        self._body += data
        if len(self._body) > HIGH_WATER_BYTES:
            self._client.pause_reading()
        self._wake()

    def body_ended(self, trailers: HeaderPairs) -> None:
        """The request is complete. ASGI has no place for trailers."""
        self.uploaded = True
        self._wake()

    def refuse(self, error: RequestError) -> None:
        """Give the request up: with an answer, or, if one has begun, by cutting that short."""
        if self._over:
            return
        self._shared.fault = error
        self._out.keep = False
        self._answer(problem(error))

    def client_disconnected(self) -> None:
        """The client left."""
        if not self._over:
            self._end(whole=False)

    def client_blocked(self, blocked: bool) -> None:
        """The client takes the answer slower than it comes."""
        self._blocked = blocked
        self._wake()

    def client_shut(self) -> None:
        """Nothing here becomes a tunnel."""

    def check_deadlines(self, now: float) -> None:
        """The application keeps its own time."""

    # --- what the application calls -----------------------------------------------------------------

    async def receive(self) -> Message:
        """The next part of the body, then that the client left, or that all is over."""
        while not self._over:
            if not self._heard_all and (self._body or self.uploaded):
                data, self._body = self._body, b""
                self._heard_all = self.uploaded
                self._client.resume_reading()
                return {"type": "http.request", "body": data, "more_body": not self.uploaded}
            if self._expects_100 and not self._out.status:
                self._expects_100 = False
                self._client.write(CONTINUE)
            waiter = self._waiter
            if waiter is None or waiter.done():
                waiter = self._waiter = asyncio.get_running_loop().create_future()
            await waiter
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """A part of the answer. Raises RuntimeError for what is none. Silent after the end, as servers are."""
        while self._blocked and not self._over:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        if self._over:
            return
        kind, begun = message["type"], self._out.status != 0
        if kind == "http.response.body" and begun:
            self._send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == OPENING and not begun:
            self._begin(message["status"], message["opening"], message["length"])
        elif kind == "http.response.start" and not begun:
            self._send_head(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"{kind} does not come {'after' if begun else 'before'} the head")

    # --- inside -------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self.receive, self.send)
        except Exception:
            # The edge of the request's task: the log learns why, the client that it failed, or a cut answer.
            log.exception("the application failed: %s", self._scope["path"])
        if not self._over:
            self._out.keep = False
            self._answer(_FAILED)

    def _send_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        out = self._out
        lines, length = [STATUS_LINES[status]], None
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                out.keep = out.keep and b"close" not in value.lower()
            elif name != b"transfer-encoding":
                lines.append(b"%b: %b" % (name, value))
        if length is not None and status != 204:
            lines.append(b"content-length: %d" % length)
        lines.append(b"")
        opening = b"\r\n".join(lines)
        if len(opening.splitlines()) != len(lines) - 1 or 0 in opening:
            raise RuntimeError("a header field has a line break or NUL in it")
        self._begin(status, opening, length)

    def _begin(self, status: int, opening: bytes, length: int | None) -> None:
        """`opening` is status line and fields, whole lines, with the length but no other framing."""
        out = self._out
        framing: Framing = "chunked" if length is None else "length"
        if out.is_head or status in _NO_BODY:
            framing = "none"
        if not self.uploaded or self._client.draining:
            # A body that was not read to its end leaves no place where the next request begins.
            out.keep = False
        self._left = length if framing == "length" else None if framing == "chunked" else 0
        # A server waits for the first part of the body: only then is the answer under way (ASGI, Response Start).
        out.start(status, opening, framing, True)

    def _send_body(self, data: bytes, more: bool) -> None:
        out, left = self._out, self._left
        if left is not None:
            if out.is_head or out.status in _NO_BODY:
                data = b""
            if len(data) > left or (len(data) < left and not more):
                raise RuntimeError("the body is not as long as its Content-Length says")
            self._left = left - len(data)
        if data:
            out.data(data)
        if more:
            out.flush()
        else:
            out.end([])
            self._end(whole=True)

    def _answer(self, answer: LocalReply) -> None:
        """In place of the application's; or cut that short, if it has begun."""
        out = self._out
        if out.status:
            out.flush()
            self._end(whole=False)
        else:
            out.own(answer, [])
            self._end(whole=True)

    def _end(self, whole: bool) -> None:
        self._over = True
        self._body = b""
        self._wake()
        out = self._out
        self._client.request_done(whole, out.keep and self.uploaded, out.by_close)

    def _wake(self) -> None:
        for future in (self._waiter, self._drained):
            if future is not None and not future.done():
                future.set_result(None)
