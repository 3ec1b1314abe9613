"""Our client as a transport for httpx: `httpx.AsyncClient(transport=UpstreamTransport())`.

It sends target and fields as they are given, byte for byte. It raises the errors of httpx.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator

import httpx

from proxy.errors import (
    BadRequest,
    ConnectTimeout,
    RequestError,
    UpstreamBusy,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.http1.framing import NO_BODY
from proxy.model import (
    Backend,
    Body,
    Endpoint,
    HeaderPairs,
    Outgoing,
    Timeouts,
    field_name,
    written_name,
)
from proxy.upstream.exchange import HttpExchange
from proxy.upstream.http_upstream import HttpUpstream

_NO_TIMEOUT_S = 86_400.0
_MAX_ORIGINS = 256
_WRITTEN_BY_US = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive")
)
_DEFAULT_PORTS = {"http": 80, "https": 443}

_Origin = tuple[str, str, int]


class UpstreamTransport(httpx.AsyncBaseTransport):
    """Keeps one upstream for each origin. The limits hold for each of them.

    The time-out `connect` of httpx also limits the wait for a free connection; `pool` is not used.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 100,
        max_pending_requests: int = 1024,
    ) -> None:
        self._tls = tls
        self._limits = (max_connections, max_pending_requests)
        self._upstreams: dict[_Origin, HttpUpstream] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        upstream = self._upstream(_origin(request))
        outgoing = _outgoing(request)
        with _as_httpx(request):
            exchange = await upstream.open(outgoing)
        upload = _Upload(exchange, request)
        try:
            with _as_httpx(request, upload):
                head = await exchange.head()
                status = head.status
                headers = [(written_name(name), value) for name, value in head.pairs]
        except BaseException:
            await upload.stop()
            raise
        return httpx.Response(
            status,
            headers=headers,
            stream=_ResponseBody(exchange, upload, request),
            extensions={"http_version": b"HTTP/1.1"},
        )

    async def aclose(self) -> None:
        upstreams, self._upstreams = self._upstreams, {}
        for upstream in upstreams.values():
            await upstream.aclose(0.0)

    def _upstream(self, origin: _Origin) -> HttpUpstream:
        upstream = self._upstreams.get(origin)
        if upstream is None:
            if len(self._upstreams) >= _MAX_ORIGINS:
                self._drop_unused()
            scheme, host, port = origin
            endpoint = Endpoint("https" if scheme == "https" else "http", host, port)
            backend = Backend(endpoint.authority, (endpoint,), False, *self._limits)
            upstream = self._upstreams[origin] = HttpUpstream(backend, self._tls)
        return upstream

    def _drop_unused(self) -> None:
        for origin, upstream in tuple(self._upstreams.items()):
            if not (upstream.stats().connections or upstream.stats().pending):
                del self._upstreams[origin]


class _Upload:
    """Sends the request's body in a task of its own, so that an early response is not missed (finding 7)."""

    def __init__(self, exchange: HttpExchange, request: httpx.Request) -> None:
        self._exchange = exchange
        self._request = request
        self._task: asyncio.Task[None] | None = None
        self.error: Exception | None = None
        """The error of the body's source, or httpx.WriteTimeout."""
        if exchange.has_body:
            self._task = asyncio.create_task(self._send())

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _send(self) -> None:
        exchange, stream = self._exchange, self._request.stream
        write_s = _seconds(self._request, "write")
        try:
            if not isinstance(stream, httpx.AsyncByteStream):
                raise RuntimeError("the body of an asynchronous request has to be asynchronous")
            async for data in stream:
                async with asyncio.timeout(write_s):
                    await exchange.send_body(data)
            exchange.end_upload()
        except RequestError:
            exchange.abort()  # `head` and `next_chunk` raise the error.
        except TimeoutError:
            self._fail(httpx.WriteTimeout("the upstream stopped taking the request"))
        except Exception as error:  # An error of the body's source: `_as_httpx` raises it.
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.error = error
        self._exchange.abort()

    async def stop(self) -> None:
        """Abort the exchange, in any state, and end the task."""
        self._exchange.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))


class _ResponseBody(httpx.AsyncByteStream):
    """The body of a response. Closing it early aborts the exchange."""

    def __init__(self, exchange: HttpExchange, upload: _Upload, request: httpx.Request) -> None:
        self._exchange = exchange
        self._upload = upload
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            with _as_httpx(self._request, self._upload):
                data = await self._exchange.next_chunk()
            if data is None:
                return
            yield data

    async def aclose(self) -> None:
        await self._upload.stop()


@contextlib.contextmanager
def _as_httpx(request: httpx.Request, upload: _Upload | None = None) -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        if upload is not None and upload.error is not None:
            raise upload.error from error
        raise _httpx_error(error, upload is not None and upload.running)(
            str(error), request=request
        ) from error


def _httpx_error(error: RequestError, uploading: bool) -> type[httpx.TransportError]:
    """The class that httpx has for such an error."""
    if isinstance(error, BadRequest):
        return httpx.LocalProtocolError
    if isinstance(error, ConnectTimeout):
        return httpx.ConnectTimeout
    if isinstance(error, UpstreamTimeout):
        return httpx.ReadTimeout
    if isinstance(error, UpstreamBusy):
        return httpx.PoolTimeout
    if isinstance(error, UpstreamUnreachable):
        return httpx.ConnectError
    if isinstance(error.__cause__, OSError):
        return httpx.WriteError if uploading else httpx.ReadError
    return httpx.RemoteProtocolError


def _origin(request: httpx.Request) -> _Origin:
    url = request.url
    if url.scheme not in _DEFAULT_PORTS or not url.host:
        raise httpx.UnsupportedProtocol(f"cannot ask {url}: http and https only", request=request)
    return url.scheme, url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS[url.scheme]


def _outgoing(request: httpx.Request) -> Outgoing:
    headers: HeaderPairs = []
    host: bytes | None = None
    body = NO_BODY
    for raw_name, value in request.headers.raw:
        name = field_name(raw_name)
        if name == b"host":
            host = value
        elif name == b"transfer-encoding":
            body = Body("chunked")
        elif name == b"content-length":
            body = Body("length", int(value))
        if name not in _WRITTEN_BY_US:
            headers.append((name, value))
    target = request.extensions.get("target", request.url.raw_path)
    return Outgoing(request.method, target, host, headers, body, _timeouts(request))


def _timeouts(request: httpx.Request) -> Timeouts:
    read_s = _seconds(request, "read")
    return Timeouts(_seconds(request, "connect"), _NO_TIMEOUT_S, read_s, read_s)


def _seconds(request: httpx.Request, which: str) -> float:
    seconds = request.extensions.get("timeout", {}).get(which)
    return _NO_TIMEOUT_S if seconds is None else float(seconds)
