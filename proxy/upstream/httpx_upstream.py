"""An httpx transport as an upstream, such as a mock or a corporate proxy. It is slower and less strict than our client.

The transport is called directly: `httpx.AsyncClient` has a cookie jar and rewrites targets (findings 1 and 2).
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
from proxy.http1.connection_login import has_login_credentials
from proxy.http1.request_writer import has_body
from proxy.http1.response_head import ResponseFields, ResponseHead
from proxy.model import Backend, HeaderPairs, Outgoing, field_name, written_name
from proxy.upstream.interfaces import Stats
from proxy.upstream.sweep import Sweep

TRANSPORT_ERRORS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, UnicodeError)
"""The errors that a transport may raise."""


class HttpxUpstream:
    """Implements `Upstream` over a transport. The transport's owner closes it."""

    def __init__(self, backend: Backend, transport: httpx.AsyncBaseTransport) -> None:
        self.backend = backend
        self.transport = transport
        self._max_exchanges = backend.max_connections + backend.max_pending_requests
        self._exchanges: set[HttpxExchange] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self._sweep = Sweep(self._check_deadlines)
        self._empty = asyncio.Event()

    async def open(self, request: Outgoing) -> "HttpxExchange":
        """A new exchange. Its method `head` sends the request. Raises UpstreamBusy."""
        if len(self._exchanges) >= self._max_exchanges:
            name = self.backend.name
            raise UpstreamBusy(f"backend {name} has too many requests in flight", name)
        exchange = HttpxExchange(self, request)
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

    def discard(self, exchange: "HttpxExchange", stream: httpx.AsyncByteStream | None) -> None:
        """An exchange has ended. Its response, if any, is closed."""
        self._exchanges.discard(exchange)
        if stream is not None:
            task = asyncio.get_running_loop().create_task(_close(stream))
            self._closings.add(task)
            task.add_done_callback(self._closings.discard)
        if not self._exchanges:
            self._empty.set()

    def _check_deadlines(self, now: float) -> bool:
        for exchange in tuple(self._exchanges):
            exchange.check_deadlines(now)
        return bool(self._exchanges)


class HttpxExchange:
    """Implements `Exchange` with one call of a transport."""

    def __init__(self, upstream: HttpxUpstream, request: Outgoing) -> None:
        self._upstream = upstream
        self._request = request
        self._upload = _Upload()
        self._remaining = request.body.length
        self._is_uploading = self.has_body = has_body(request.body)
        self._timeout: asyncio.Timeout | None = None
        self._is_aborted = self._is_over = False
        self._stream: httpx.AsyncByteStream | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._began = self._returned_at = asyncio.get_running_loop().time()
        self.attempts = 1
        self.address = str(upstream.backend.endpoints[0])
        self.trailers: HeaderPairs = []
        self.on_elapsed: Callable[[float], None] | None = None
        self.on_1xx: Callable[[int, HeaderPairs], None] | None = None
        """Never called: transports do not pass interim responses on."""

    @property
    def unread_s(self) -> float:
        is_waiting = self._timeout is not None
        return 0.0 if is_waiting else asyncio.get_running_loop().time() - self._returned_at

    @property
    def complete(self) -> bool:
        """Known only after `next_chunk` has returned None."""
        return self._is_over

    def take(self) -> bytes:
        """Nothing: the bytes of a transport can only be awaited."""
        return b""

    async def head(self) -> ResponseHead:
        async with self._bounded(None if self._is_uploading else self._head_s):
            response = await self._upstream.transport.handle_async_request(self._httpx_request())
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise self._fail(UpstreamBroke, "gave an answer that cannot be read asynchronously")
        self._stream = response.stream
        self._chunks = aiter(response.stream)
        if not 200 <= response.status_code <= 599:
            raise self._fail(UpstreamBroke, f"answered with status {response.status_code}")
        pairs = [(field_name(name), value) for name, value in response.headers.raw]
        lengths = [value for name, value in pairs if name == b"content-length"]
        length = int(lengths[0]) if len(lengths) == 1 and lengths[0].isdigit() else None
        return ResponseHead(response.status_code, False, ResponseFields(pairs, length))

    async def next_chunk(self) -> bytes | None:
        if self._chunks is None or self._is_over:
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
            self._remaining -= len(data)
            if self._remaining < 0:
                self.abort()
                raise BadRequest("the request's body is longer than its Content-Length")
        if data and not self._is_over:
            await self._upload.put(data)

    def end_upload(self) -> None:
        if self._is_over or not self._is_uploading:
            return
        if self._request.body.kind == "length" and self._remaining:
            self.abort()
            raise BadRequest("the request's body is shorter than its Content-Length")
        self._is_uploading = False
        self._upload.end()
        if self._timeout is not None and self._chunks is None:
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._head_s)

    def abort(self) -> None:
        if not self._is_over:
            self._is_aborted = True
            if self._timeout is not None:
                self._timeout.reschedule(asyncio.get_running_loop().time())
            self._end()

    def check_deadlines(self, now: float) -> None:
        """Called some times a second by the sweep."""
        if self.on_elapsed is not None:
            self.on_elapsed(now - self._began)

    # --- inside -------------------------------------------------------------------------------------

    @property
    def _head_s(self) -> float:
        return self._request.timeouts.attempt_s

    @property
    def _bound(self) -> str:
        """The field that bounds what is awaited, with its value."""
        timeouts = self._request.timeouts
        if self._chunks is None:
            return timeouts.attempt_field
        return f"stream_idle: {timeouts.stream_idle_s:g}s"

    @contextlib.asynccontextmanager
    async def _bounded(self, seconds: float | None) -> AsyncIterator[None]:
        """Await the transport for at most `seconds`. Translates its errors. Any error ends the exchange."""
        name = self._upstream.backend.name
        if self._is_aborted:
            raise UpstreamBroke("the exchange was given up", name)
        try:
            async with asyncio.timeout(seconds) as self._timeout:
                with translated(name):
                    yield
        except TimeoutError:
            if self._is_aborted:
                raise UpstreamBroke("the exchange was given up", name) from None
            raise self._fail(UpstreamTimeout, f"gave no answer within {self._bound}") from None
        except BaseException:
            self._end()
            raise
        finally:
            self._timeout = None
            self._returned_at = asyncio.get_running_loop().time()

    def _httpx_request(self) -> httpx.Request:
        request, endpoint = self._request, self._upstream.backend.endpoints[0]
        host = endpoint.authority.encode() if request.host is None else request.host
        sent = [(written_name(name), value) for name, value in request.headers]
        headers = [(b"Host", host), *sent]
        if has_login_credentials(request.headers):
            # The transport shares its connections, and cannot keep one for one client.
            headers.append((b"Connection", b"close"))
        if request.body.kind == "length":
            headers.append((b"Content-Length", b"%d" % request.body.length))
        elif request.body.kind == "chunked":
            headers.append((b"Transfer-Encoding", b"chunked"))
        timeouts = request.timeouts
        limits = {"connect": timeouts.connect_s, "pool": timeouts.connect_s}
        limits |= {"read": timeouts.stream_idle_s, "write": timeouts.stream_idle_s}
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
            # httpx may have normalised the URL above. Its transports send this target instead.
            extensions={"timeout": limits, "target": request.target},
        )

    def _fail(self, kind: type[UpstreamError], text: str) -> UpstreamError:
        """End the exchange. Returns its error."""
        self._end()
        name = self._upstream.backend.name
        return kind(f"backend {name} {text}", name)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._upload.release()
            self._upstream.discard(self, self._stream)


class _Upload(httpx.AsyncByteStream):
    """The body of a request, passed to the transport one chunk at a time."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._consumed = asyncio.Event()
        self._released = False

    async def put(self, data: bytes) -> None:
        """Pass a chunk on. Returns when the transport asks for the next, or the exchange is over."""
        self._queue.put_nowait(data)
        if not self._released:
            self._consumed.clear()
            await self._consumed.wait()

    def end(self) -> None:
        self._queue.put_nowait(b"")

    def release(self) -> None:
        """The exchange is over: let `put` return."""
        self._released = True
        self._consumed.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._queue.get():
            yield data
            if self._queue.empty():
                self._consumed.set()


@contextlib.contextmanager
def translated(backend: str) -> Iterator[None]:
    """Turns errors of httpx and of the operating system into those of `proxy.errors`."""
    try:
        yield
    except RequestError:
        raise
    except TimeoutError:
        raise  # The time-out of `_bounded`, which handles it.
    except TRANSPORT_ERRORS as error:
        raise _translate(error, backend) from error


def _translate(error: Exception, backend: str) -> RequestError:
    text = f"backend {backend}: {str(error) or type(error).__name__}"
    if isinstance(error, (httpx.InvalidURL, UnicodeError)):
        return BadRequest("the target cannot be sent over this backend's transport")
    if isinstance(error, httpx.ConnectTimeout):
        return ConnectTimeout(text, backend)
    if isinstance(error, httpx.PoolTimeout):
        return UpstreamBusy(text, backend)
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeout(text, backend)
    if isinstance(error, (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.ProxyError)):
        return UpstreamUnreachable(text, backend)
    return UpstreamBroke(text, backend)


async def _close(stream: httpx.AsyncByteStream) -> None:
    with contextlib.suppress(*TRANSPORT_ERRORS):  # The exchange is over in any case.
        await stream.aclose()
