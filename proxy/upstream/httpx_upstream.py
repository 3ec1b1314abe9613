"""Any httpx transport as an upstream: a mock, a corporate proxy. At its own price, and with its own strictness.

Not through `httpx.AsyncClient`: that has a cookie jar, and rewrites targets (findings 1 and 2).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from proxy.errors import (
    BadRequest,
    ConnectTimeout,
    RequestError,
    UpstreamBroke,
    UpstreamBusy,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.http1.request_writer import has_body
from proxy.http1.response_head import ResponseFields, ResponseHead
from proxy.model import Backend, HeaderPairs, Outgoing
from proxy.upstream.interfaces import Stats
from proxy.upstream.sweep import Sweep

FOREIGN = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, UnicodeError)
"""What a transport may raise."""


class ForeignUpstream:
    """Implements `Upstream` over a transport, which stays its owner's: it is not closed here."""

    def __init__(self, backend: Backend, transport: httpx.AsyncBaseTransport) -> None:
        self.backend = backend
        self.transport = transport
        self._most = backend.max_connections + backend.max_pending_requests
        self._exchanges: set[ForeignExchange] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self._sweep = Sweep(self._look)
        self._empty = asyncio.Event()

    async def open(self, request: Outgoing) -> "ForeignExchange":
        """An exchange; it is `head` that sends it. Raises UpstreamBusy."""
        if len(self._exchanges) >= self._most:
            name = self.backend.name
            raise UpstreamBusy(f"backend {name} has too many requests in flight", name)
        exchange = ForeignExchange(self, request)
        self._exchanges.add(exchange)
        self._empty.clear()
        self._sweep.start()
        return exchange

    async def aclose(self, grace_s: float) -> None:
        if self._exchanges:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._empty.wait()
        for exchange in tuple(self._exchanges):
            exchange.abort()
        await asyncio.gather(*self._closings)
        self._sweep.stop()

    def stats(self) -> Stats:
        count = len(self._exchanges)
        return Stats(connections=count, in_flight=count)

    def over(self, exchange: "ForeignExchange", stream: httpx.AsyncByteStream | None) -> None:
        """An exchange ended. An answer that was not read to its end is closed."""
        self._exchanges.discard(exchange)
        if stream is not None:
            task = asyncio.get_running_loop().create_task(_close(stream))
            self._closings.add(task)
            task.add_done_callback(self._closings.discard)
        if not self._exchanges:
            self._empty.set()

    def _look(self, now: float) -> bool:
        for exchange in tuple(self._exchanges):
            exchange.swept(now)
        return bool(self._exchanges)


class ForeignExchange:
    """Implements `Exchange` over one call of a transport."""

    def __init__(self, upstream: ForeignUpstream, request: Outgoing) -> None:
        self._upstream = upstream
        self._request = request
        self._upload = _Upload()
        self._left = request.body.length
        self._uploading = self.has_body = has_body(request.body)
        self._limit: asyncio.Timeout | None = None
        self._given_up = self._over = False
        self._stream: httpx.AsyncByteStream | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._began = self._gave = asyncio.get_running_loop().time()
        self.attempts = 1
        self.address = str(upstream.backend.endpoints[0])
        self.trailers: HeaderPairs = []
        self.on_wait: Callable[[float], None] | None = None
        self.on_1xx: Callable[[int, HeaderPairs], None] | None = None
        """Never called: transports keep these to themselves."""

    @property
    def unread_s(self) -> float:
        waiting = self._limit is not None
        return 0.0 if waiting else asyncio.get_running_loop().time() - self._gave

    @property
    def over(self) -> bool:
        """Known only once `next_chunk` gave None: transports do not tell before."""
        return self._over

    def take(self) -> bytes:
        """Nothing: a transport is waited for."""
        return b""

    async def head(self) -> ResponseHead:
        async with self._bounded(None if self._uploading else self._head_s):
            response = await self._upstream.transport.handle_async_request(self._asked())
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise self._failed(UpstreamBroke, "gave an answer that cannot be read asynchronously")
        self._stream = response.stream
        self._chunks = aiter(response.stream)
        if not 200 <= response.status_code <= 599:
            raise self._failed(UpstreamBroke, f"answered with status {response.status_code}")
        pairs = [(name.lower(), value) for name, value in response.headers.raw]
        lengths = [value for name, value in pairs if name == b"content-length"]
        length = int(lengths[0]) if len(lengths) == 1 and lengths[0].isdigit() else None
        return ResponseHead(response.status_code, False, ResponseFields(pairs, length))

    async def next_chunk(self) -> bytes | None:
        if self._chunks is None or self._over:
            return None
        data: bytes | None = b""
        while data == b"":
            async with self._bounded(self._request.timeouts.stream_idle_s):
                data = await anext(self._chunks, None)
        if data is None:
            self._end()
        return data

    async def send_body(self, data: bytes) -> None:
        if self._request.body.kind == "length":
            self._left -= len(data)
            if self._left < 0:
                self.abort()
                raise BadRequest("the request's body is longer than its Content-Length")
        if data and not self._over:
            await self._upload.put(data)

    def end_upload(self) -> None:
        if self._over or not self._uploading:
            return
        if self._request.body.kind == "length" and self._left:
            self.abort()
            raise BadRequest("the request's body is shorter than its Content-Length")
        self._uploading = False
        self._upload.end()
        if self._limit is not None and self._chunks is None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._head_s)

    def abort(self) -> None:
        if not self._over:
            self._given_up = True
            if self._limit is not None:
                self._limit.reschedule(asyncio.get_running_loop().time())
            self._end()

    def swept(self, now: float) -> None:
        """Called some times a second by the sweep."""
        if self.on_wait is not None:
            self.on_wait(now - self._began)

    # --- inside -------------------------------------------------------------------------------------

    @property
    def _head_s(self) -> float:
        timeouts = self._request.timeouts
        return min(timeouts.backend_request_s, timeouts.request_s)

    @contextlib.asynccontextmanager
    async def _bounded(self, seconds: float | None) -> AsyncIterator[None]:
        """Ours for a while; foreign errors come out as ours. Whatever is raised ends the exchange."""
        name = self._upstream.backend.name
        if self._given_up:
            raise UpstreamBroke("the exchange was given up", name)
        try:
            async with asyncio.timeout(seconds) as self._limit:
                with translated(name):
                    yield
        except TimeoutError:
            if self._given_up:
                raise UpstreamBroke("the exchange was given up", name) from None
            raise self._failed(UpstreamTimeout, "did not answer in time") from None
        except BaseException:
            self._end()
            raise
        finally:
            self._limit = None
            self._gave = asyncio.get_running_loop().time()

    def _asked(self) -> httpx.Request:
        request, endpoint = self._request, self._upstream.backend.endpoints[0]
        host = endpoint.authority.encode() if request.host is None else request.host
        headers = [(b"host", host), *request.headers]
        if request.body.kind == "length":
            headers.append((b"content-length", b"%d" % request.body.length))
        elif request.body.kind == "chunked":
            headers.append((b"transfer-encoding", b"chunked"))
        timeouts = request.timeouts
        bounds = {"connect": timeouts.connect_s, "pool": timeouts.connect_s}
        bounds |= {"read": timeouts.stream_idle_s, "write": timeouts.stream_idle_s}
        return httpx.Request(
            request.method,
            httpx.URL(
                scheme=endpoint.scheme,
                host=endpoint.host,
                port=endpoint.port,
                raw_path=request.target,
            ),
            headers=headers,
            stream=self._upload if self.has_body else httpx.ByteStream(b""),
            # The URL above may have been normalised; httpx's own transports send this instead.
            extensions={"timeout": bounds, "target": request.target},
        )

    def _failed(self, kind: type[UpstreamError], what: str) -> UpstreamError:
        self._end()
        name = self._upstream.backend.name
        return kind(f"backend {name} {what}", name)

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._upload.release()
            self._upstream.over(self, self._stream)


class _Upload(httpx.AsyncByteStream):
    """A request body that is handed over chunk by chunk, each when the transport asks for it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._taken = asyncio.Event()
        self._released = False

    async def put(self, data: bytes) -> None:
        """Returns when the transport wants more, or nothing more of it."""
        self._queue.put_nowait(data)
        if not self._released:
            self._taken.clear()
            await self._taken.wait()

    def end(self) -> None:
        self._queue.put_nowait(b"")

    def release(self) -> None:
        """Nobody takes anything any more."""
        self._released = True
        self._taken.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._queue.get():
            yield data
            if self._queue.empty():
                self._taken.set()


@contextlib.contextmanager
def translated(backend: str) -> Iterator[None]:
    """Errors of httpx and of the system leave as ours."""
    try:
        yield
    except RequestError:
        raise
    except TimeoutError:
        raise  # Our own bound, told apart by whoever set it.
    except FOREIGN as error:
        raise _ours(error, backend) from error


def _ours(error: Exception, backend: str) -> RequestError:
    what = f"backend {backend}: {str(error) or type(error).__name__}"
    if isinstance(error, (httpx.InvalidURL, UnicodeError)):
        return BadRequest("the target cannot be sent over this backend's transport")
    if isinstance(error, httpx.ConnectTimeout):
        return ConnectTimeout(what, backend)
    if isinstance(error, httpx.PoolTimeout):
        return UpstreamBusy(what, backend)
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeout(what, backend)
    if isinstance(error, (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.ProxyError)):
        return UpstreamUnreachable(what, backend)
    return UpstreamBroke(what, backend)


async def _close(stream: httpx.AsyncByteStream) -> None:
    with contextlib.suppress(*FOREIGN):  # It is over either way.
        await stream.aclose()
