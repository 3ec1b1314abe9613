"""Adapters of `receive` and `send` of ASGI: `AsgiRequestBody` and `AsgiResponse`."""

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
from proxy.forwarding.request_body import MAX_KEPT_BYTES
from proxy.http1.framing import BODILESS_STATUSES
from proxy.http1.local_reply import LocalReply
from proxy.model import HeaderPairs, Route


class AsgiResponse:
    """Sends one response with `send` of ASGI. Records whether it has begun, and the bytes of its body."""

    __slots__ = ("_send", "complete", "sent_bytes", "started_at", "status", "takes_head_blocks")

    def __init__(self, send: Send, takes_head_blocks: bool = False) -> None:
        self._send = send
        self.takes_head_blocks = takes_head_blocks
        self.status = 0
        self.sent_bytes = 0
        self.complete = False
        self.started_at: float | None = None
        """`time.monotonic()` of the response's head."""

    async def start(self, status: int, headers: HeaderPairs) -> None:
        self.status = status
        self.started_at = time.monotonic()
        if status in BODILESS_STATUSES:
            # An ASGI server would expect a body of this length (finding 5).
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

    async def local_reply(self, reply: LocalReply, extra: HeaderPairs) -> None:
        """Send a whole local reply, with `extra` fields."""
        headers = [*reply.headers, *extra]
        if reply.status not in BODILESS_STATUSES:
            headers.append((b"content-length", b"%d" % len(reply.body)))
        self.status = reply.status
        self.started_at = time.monotonic()
        self.sent_bytes = len(reply.body)
        self.complete = True
        await self._send(
            {"type": "http.response.start", "status": reply.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": reply.body, "more_body": False})


class Upload(Protocol):
    """The receiver of a request body: an exchange."""

    async def send_body(self, data: bytes) -> None: ...

    def end_upload(self) -> None: ...


class AsgiRequestBody:
    """Passes the request's body on, and notices that the client disconnects.

    ASGI allows one caller of `receive`, so one task does both. It starts immediately for a request with a body, and
    after a while for one without. A fault cancels the task that forwards the request; `fault` is the reason.
    """

    __slots__ = (
        "_complete",
        "_fault_of",
        "_forwarding",
        "_receive",
        "_route",
        "_task",
        "_uploads",
        "fault",
        "has_body",
        "is_at_hand",
        "keeps",
        "kept",
        "received_bytes",
    )

    def __init__(
        self,
        receive: Receive,
        route: Route,
        fault_of: Callable[[], RequestError | None],
    ) -> None:
        """`fault_of` returns the server's reason for ending the request; None if the client disconnected."""
        self._receive = receive
        self._route = route
        self._fault_of = fault_of
        self._task: asyncio.Task[None] | None = None
        self._forwarding = asyncio.current_task()
        self.fault: RequestError | None = None
        self.received_bytes = 0
        self._complete = self._uploads = self.has_body = False
        self.keeps = False
        """Whether bytes that were sent are kept, for another attempt."""
        self.kept: list[bytes] = []
        self.is_at_hand = True
        """Whether every byte that has come is kept."""

    def start_upload(self, upload: Upload) -> None:
        """Pump the request body into `upload`, then watch for the client to leave."""
        self._uploads = True
        self._task = asyncio.create_task(self._read(upload))

    def watch(self, waited_s: float) -> None:
        """Begin to notice a disconnect. Called some times a second while the response is awaited."""
        timeouts = self._route.timeouts
        if waited_s >= timeouts.total_s and self.fault is None:
            self._stop(total_exceeded(timeouts))
        elif self._task is None and self._is_forwarding:
            self._task = asyncio.create_task(self._read(None))

    @property
    def _is_forwarding(self) -> bool:
        return self._forwarding is not None and not self._forwarding.done()

    def leave(self) -> bool:
        """The exchange has ended. Returns whether `settle` has to be awaited, as the last call."""
        self._forwarding = None
        return self._task is not None

    async def pause(self, pause_s: float) -> None:
        """Stop the upload, and wait before another attempt; notice meanwhile that the client disconnects.

        A client that has not sent its whole body is not read in a pause. Raises RequestError.
        """
        if self._uploads:
            await self.settle()
        if self._complete or not self.has_body:
            self.watch(0.0)
        if pause_s:
            await asyncio.sleep(pause_s)
        if self.has_body:
            await self.settle()
        if self.fault is not None:
            raise self.fault

    async def settle(self) -> None:
        """Stop reading."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            # With a fault, `_stop` has cancelled this task just as the exchange ended: nothing is left to stop.
            if self.fault is None:
                raise

    async def _read(self, upload: Upload | None) -> None:
        try:
            if upload is not None:
                # A failed upload does not end the request: the exchange has an early response or an error for it.
                with contextlib.suppress(UpstreamError):
                    await self._pump(upload)
            while (await self._receive())["type"] != "http.disconnect":
                pass  # An empty body also has a message at its end.
            raise self._gone("the client left before its answer was complete")
        except RequestError as fault:
            self._stop(fault)

    def _gone(self, what: str) -> RequestError:
        return self._fault_of() or ClientGone(what)

    def _stop(self, fault: RequestError) -> None:
        self.fault = without_trace(fault)
        if self._forwarding is not None:
            self._forwarding.cancel()

    async def _pump(self, upload: Upload) -> None:
        for data in tuple(self.kept):
            await upload.send_body(data)
        while not self._complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise self._gone("the client left before its request was complete")
            data = message.get("body", b"")
            self._complete = not message.get("more_body", False)
            self.received_bytes += len(data)
            if self.keeps:
                self._keep(data)
            if self.received_bytes > self._route.limits.max_body_bytes:
                raise body_too_large(self._route)
            if data:
                await upload.send_body(data)
        upload.end_upload()

    def _keep(self, data: bytes) -> None:
        self.is_at_hand = self.is_at_hand and self.received_bytes <= MAX_KEPT_BYTES
        if not self.is_at_hand:
            self.kept.clear()
        elif data:
            self.kept.append(data)
