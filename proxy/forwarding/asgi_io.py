"""Between the walk and an ASGI server: the answer's way out, and the client's half of a request."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Protocol

from proxy.downstream.asgi_types import HEAD_BLOCK, Receive, Send
from proxy.errors import (
    ClientGone,
    RequestError,
    UpstreamError,
    without_trace,
)
from proxy.forwarding.limit_errors import body_too_large, total_exceeded
from proxy.http1.framing import BODILESS_STATUSES
from proxy.http1.local_reply import LocalReply
from proxy.model import HeaderPairs, Route


class AsgiResponse:
    """The answer on its way to the client. Knows whether it has begun, and how much of it went out."""

    __slots__ = ("_send", "complete", "sent_bytes", "started_at", "status", "takes_head_blocks")

    def __init__(self, send: Send, takes_head_blocks: bool = False) -> None:
        self._send = send
        self.takes_head_blocks = takes_head_blocks
        self.status = 0
        self.sent_bytes = 0
        self.complete = False
        self.started_at: float | None = None
        """`time.monotonic()` of the answer's head."""

    async def start(self, status: int, headers: HeaderPairs) -> None:
        self.status = status
        self.started_at = time.monotonic()
        if status in BODILESS_STATUSES:
            # Through ASGI a length here is a promise of a body (finding 5).
            headers = [pair for pair in headers if pair[0] != b"content-length"]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def open(self, status: int, head_block: bytes, length: int | None) -> None:
        """`start` with a rendered head, for servers with `HEAD_BLOCK`. `length` is its Content-Length."""
        self.status = status
        self.started_at = time.monotonic()
        await self._send(
            {"type": HEAD_BLOCK, "status": status, "head_block": head_block, "length": length}
        )

    async def chunk(self, data: bytes) -> None:
        self.sent_bytes += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """The body is complete with `data`."""
        self.sent_bytes += len(data)
        self.complete = True
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def answer(self, answer: LocalReply, extra: HeaderPairs) -> None:
        """A whole answer of the facade's own."""
        headers = [*answer.headers, *extra]
        if answer.status not in BODILESS_STATUSES:
            headers.append((b"content-length", b"%d" % len(answer.body)))
        self.status = answer.status
        self.started_at = time.monotonic()
        self.sent_bytes = len(answer.body)
        self.complete = True
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": answer.body, "more_body": False})


class Upload(Protocol):
    """Where a request body goes."""

    async def send_body(self, data: bytes) -> None: ...

    def end_upload(self) -> None: ...


class AsgiRequestBody:
    """The client's half of a request: its body, and whether it is still there.

    Only one reader of `receive` may exist, so one task does both, and only where it is needed: at once
    for a request with a body, after a while for one without. A fault stops the walk by cancelling its
    task; `fault` then holds the reason.
    """

    __slots__ = (
        "_fault_of",
        "_receive",
        "_route",
        "_task",
        "_walk",
        "fault",
        "received_bytes",
    )

    def __init__(
        self,
        receive: Receive,
        route: Route,
        fault_of: Callable[[], RequestError | None],
    ) -> None:
        """`fault_of` tells why the server gave the request up, where it was not the client who left."""
        self._receive = receive
        self._route = route
        self._fault_of = fault_of
        self._task: asyncio.Task[None] | None = None
        self._walk = asyncio.current_task()
        self.fault: RequestError | None = None
        self.received_bytes = 0

    def start_upload(self, upload: Upload) -> None:
        """Pump the request body into `upload`, then watch for the client to leave."""
        self._task = asyncio.create_task(self._read(upload))

    def watch(self, waited_s: float) -> None:
        """Begin to notice that the client leaves. Called some times a second when an answer takes its time."""
        timeouts = self._route.timeouts
        if waited_s >= timeouts.total_s and self.fault is None:
            self._stop(total_exceeded(timeouts))
        elif self._task is None and self._walk is not None and not self._walk.done():
            self._task = asyncio.create_task(self._read(None))

    def leave(self) -> bool:
        """The walk is over. Whether `settle` has to be awaited: it is the owner's last call."""
        self._walk = None
        return self._task is not None

    async def settle(self) -> None:
        """Stop reading."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            # Ours, if a fault came just as the walk ended: it is told once, and that was it.
            if self.fault is None:
                raise

    async def _read(self, upload: Upload | None) -> None:
        try:
            if upload is not None:
                # A failed upload is not the end: the answer, early or an error, is on its way to the walk.
                with contextlib.suppress(UpstreamError):
                    await self._pump(upload)
            while (await self._receive())["type"] != "http.disconnect":
                pass  # The end of a body that was announced as empty.
            raise self._gone("the client left before its answer was complete")
        except RequestError as fault:
            self._stop(fault)

    def _gone(self, what: str) -> RequestError:
        return self._fault_of() or ClientGone(what)

    def _stop(self, fault: RequestError) -> None:
        self.fault = without_trace(fault)
        if self._walk is not None:
            self._walk.cancel()

    async def _pump(self, upload: Upload) -> None:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise self._gone("the client left before its request was complete")
            data = message.get("body", b"")
            more = message.get("more_body", False)
            self.received_bytes += len(data)
            if self.received_bytes > self._route.limits.max_body_bytes:
                raise body_too_large(self._route)
            if data:
                await upload.send_body(data)
        upload.end_upload()
