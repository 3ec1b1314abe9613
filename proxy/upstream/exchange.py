"""An exchange that can be awaited, on top of a `Connection`: for the ASGI tier and for users of httpx."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from proxy.errors import BadRequest, RequestError, UpstreamBroke, UpstreamError, UpstreamStale
from proxy.http1.request_writer import PreparedHead, has_body
from proxy.http1.response_head import Framing, ResponseHead
from proxy.model import SAFE_METHODS, HeaderPairs, Timeouts
from proxy.upstream.acquire import acquire
from proxy.upstream.connection import Connection
from proxy.upstream.pool import Pool
from proxy.upstream.private_connections import PrivateConnections
from proxy.upstream.upload import Upload

HIGH_WATER_BYTES = 256 * 1024
"""The connection is not read while more bytes than this wait for `next_chunk`."""


class HttpExchange:
    """Implements `Exchange` for the sender of the request, and `ExchangeSink` for the connection.

    A safe request without a body is sent a second time if a reused connection closed before the first byte of a
    response (finding 3). No other request is sent twice (promise W1).
    """

    __slots__ = (
        "_chunks",
        "_connection",
        "_elapsed_s",
        "_error",
        "_head",
        "_is_judged",
        "_pool",
        "_private",
        "_repeated",
        "_request",
        "_response_complete",
        "_unread_bytes",
        "_upload",
        "_waiter",
        "attempts",
        "on_1xx",
        "on_elapsed",
        "period",
        "trailers",
    )

    _pool: Pool
    on_elapsed: Callable[[float], None] | None
    on_1xx: Callable[[int, HeaderPairs], None] | None

    def __init__(self, request: PreparedHead, private: PrivateConnections | None = None) -> None:
        """`private` keeps the connection if the request logs it in."""
        self._request = request
        self._private = private
        self._upload = Upload(request.body) if has_body(request.body) else None
        self._connection: Connection | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: RequestError | None = None
        self._chunks: list[bytes] = []
        self._head: ResponseHead | None = None
        self._unread_bytes = self.attempts = self.period = 0
        self._response_complete = self._repeated = self._is_judged = False
        self._elapsed_s = 0.0
        self.trailers: HeaderPairs = []
        self.on_elapsed = self.on_1xx = None

    def begin(self, pool: Pool, connection: Connection, timeouts: Timeouts) -> None:
        """Send the head over a connection of `pool`. Raises BadRequest for a head that cannot be sent."""
        request = self._request
        try:
            head = request.head(pool.authority)
        except BadRequest:
            pool.release(connection)  # Nothing was sent over it.
            raise
        self._pool = pool
        self._connection = connection
        self.attempts += 1
        uploading = self._upload is not None
        if self._private is not None:
            connection.private = self._private
        connection.begin(head, self, request.method == "HEAD", timeouts, uploading)
        self.period = connection.period
        if self._is_judged:
            connection.leave_outcome()

    def leave_outcome(self) -> None:
        """The caller judges the response, and reports the outcome to `pool`. Call it in the tick of the opening."""
        self._is_judged = True
        if self._connection is not None:
            self._connection.leave_outcome()

    def count_attempt(self) -> None:
        """An endpoint had no connection."""
        self.attempts += 1

    # --- Exchange -----------------------------------------------------------------------------------

    @property
    def has_body(self) -> bool:
        return self._upload is not None

    @property
    def pool(self) -> Pool:
        """The endpoint that the request was sent to last."""
        return self._pool

    @property
    def address(self) -> str:
        return str(self._pool.endpoint)

    @property
    def unread_s(self) -> float:
        return 0.0 if self._connection is None else self._connection.paused_s

    async def head(self) -> ResponseHead:
        while self._head is None:
            if self._error is None:
                try:
                    await self._next_event()
                except asyncio.CancelledError:
                    self.abort()
                    raise
            elif isinstance(self._error, UpstreamStale) and self.repeatable:
                await self._repeat()
            else:
                raise self._error
        return self._head

    def take(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._unread_bytes = 0
        if self._connection is not None:
            self._connection.resume_reading()
        return data

    @property
    def complete(self) -> bool:
        return self._response_complete and not self._chunks

    async def next_chunk(self) -> bytes | None:
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._response_complete:
                return None
            try:
                await self._next_event()
            except asyncio.CancelledError:
                self.abort()
                raise
        return self.take()

    async def send_body(self, data: bytes) -> None:
        upload, connection = self._upload, self._connection
        if self._error is not None:
            raise self._error
        if upload is None or connection is None or not data:
            return
        try:
            connection.write(upload.framed(data))
            if upload.paused:
                await upload.drained()
        except (BadRequest, asyncio.CancelledError) as error:
            self._fail_upload(error)
            raise

    def end_upload(self) -> None:
        upload, connection = self._upload, self._connection
        if upload is None or connection is None:
            return
        try:
            last = upload.end()
        except BadRequest as error:
            self._fail_upload(error)
            raise
        if last:
            connection.write(last)
        connection.end_upload()

    def abort(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.abort()
            backend = self._pool.backend
            self.response_failed(UpstreamBroke("the exchange was given up", backend))

    # --- ExchangeSink ---------------------------------------------------------------------------------

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        if self.on_1xx is not None:
            self.on_1xx(status, headers)

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        self._head = head
        if body:
            self._chunks.append(body)
            self._unread_bytes += len(body)
        self._response_complete = True
        self._release()

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        self._head = head
        if self._waiter is not None:
            self._wake()

    def response_data(self, data: bytes) -> None:
        self._chunks.append(data)
        self._unread_bytes += len(data)
        if self._unread_bytes > HIGH_WATER_BYTES and self._connection is not None:
            self._connection.pause_reading()
        if self._waiter is not None:
            self._wake()

    def response_ended(self, trailers: HeaderPairs) -> None:
        self.trailers = trailers
        self._response_complete = True
        self._release()

    def backend_half_closed(self) -> None:
        """Only after a 101, and no request here has an Upgrade field."""

    def response_failed(self, error: UpstreamError) -> None:
        self._error = error
        self._release()

    def upload_paused(self) -> None:
        if self._upload is not None:
            self._upload.paused = True

    def upload_resumed(self) -> None:
        if self._upload is not None:
            self._upload.resume()

    def elapsed(self, seconds: float) -> None:
        self._elapsed_s = seconds
        if self.on_elapsed is not None:
            self.on_elapsed(seconds)

    # --- inside -------------------------------------------------------------------------------------

    def _next_event(self) -> asyncio.Future[None]:
        """Await the next call of the sink."""
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _release(self) -> None:
        """Drop the reference to the connection: it may serve another exchange."""
        self._connection = None
        if self._upload is not None:
            self._upload.resume()
        if self._waiter is not None:
            self._wake()

    @property
    def repeatable(self) -> bool:
        """Whether the request may be sent again: it is safe, has no body and was sent only once."""
        return not self._repeated and self._upload is None and self._request.method in SAFE_METHODS

    async def _repeat(self) -> None:
        """Send the request a second time, over a new connection."""
        self._error = None
        self._repeated = True
        timeouts = self._request.timeouts
        timeouts = replace(timeouts, spent_s=timeouts.spent_s + self._elapsed_s)
        connect_s = min(timeouts.connect_s, timeouts.remaining_s)
        connection = await acquire(self._pool, connect_s, fresh=True)
        self.begin(self._pool, connection, timeouts)

    def _fail_upload(self, error: BaseException) -> None:
        """The body was truncated or has not the announced length: the backend must not take it for complete."""
        self.abort()
        if isinstance(error, RequestError):
            self._error = error
