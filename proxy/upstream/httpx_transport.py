"""Our upstream client for users of httpx: `httpx.AsyncClient(transport=UpstreamTransport())`.

Raw target bytes and header pairs go out as they are given. Errors are httpx's own.
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
from proxy.model import Backend, Body, Endpoint, HeaderPairs, Outgoing, Timeouts
from proxy.upstream.exchange import HttpExchange
from proxy.upstream.http_upstream import HttpUpstream

_FOREVER_S = 86_400.0
_MAX_ORIGINS = 256
_NOT_PASSED_ON = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive")
)
_DEFAULT_PORTS = {"http": 80, "https": 443}

_Origin = tuple[str, str, int]


class UpstreamTransport(httpx.AsyncBaseTransport):
    """One upstream for each origin that is asked for. The limits hold for each of them.

    Of the timeouts of httpx, `connect` bounds the wait for a connection too, in place of `pool`.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 100,
        max_pending_requests: int = 1024,
    ) -> None:
        self._tls = tls
        self._caps = (max_connections, max_pending_requests)
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
                status, headers = head.status, head.pairs
        except BaseException:
            await upload.stop()
            raise
        return httpx.Response(
            status,
            headers=headers,
            stream=_Answer(exchange, upload, request),
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
            backend = Backend(endpoint.authority, (endpoint,), False, *self._caps)
            upstream = self._upstreams[origin] = HttpUpstream(backend, self._tls)
        return upstream

    def _drop_unused(self) -> None:
        for origin, upstream in tuple(self._upstreams.items()):
            if not (upstream.stats().connections or upstream.stats().pending):
                del self._upstreams[origin]


class _Upload:
    """Sends the request's body beside the wait for its answer: an early one must be seen (finding 7)."""

    def __init__(self, exchange: HttpExchange, request: httpx.Request) -> None:
        self._exchange = exchange
        self._request = request
        self._task: asyncio.Task[None] | None = None
        self.fault: Exception | None = None
        """What the source of the body raised, or httpx.WriteTimeout."""
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
            exchange.abort()  # `head` and `next_chunk` tell it better.
        except TimeoutError:
            self._give_up(httpx.WriteTimeout("the upstream stopped taking the request"))
        except Exception as error:  # The caller's own: it is raised to the caller.
            self._give_up(error)

    def _give_up(self, fault: Exception) -> None:
        self.fault = fault
        self._exchange.abort()

    async def stop(self) -> None:
        """End the exchange, whatever its state."""
        self._exchange.abort()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))


class _Answer(httpx.AsyncByteStream):
    """The answer's body. Closing it early gives up the exchange."""

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
        if upload is not None and upload.fault is not None:
            raise upload.fault from error
        raise _translated(error, upload is not None and upload.running)(
            str(error), request=request
        ) from error


def _translated(error: RequestError, uploading: bool) -> type[httpx.TransportError]:
    """The name httpx has for one of our errors."""
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
    body = Body("none")
    for raw_name, value in request.headers.raw:
        name = raw_name.lower()
        if name == b"host":
            host = value
        elif name == b"transfer-encoding":
            body = Body("chunked")
        elif name == b"content-length":
            body = Body("length", int(value))
        if name not in _NOT_PASSED_ON:
            headers.append((name, value))
    target = request.extensions.get("target", request.url.raw_path)
    return Outgoing(request.method, target, host, headers, body, _timeouts(request))


def _timeouts(request: httpx.Request) -> Timeouts:
    read_s = _seconds(request, "read")
    return Timeouts(_seconds(request, "connect"), _FOREVER_S, read_s, read_s)


def _seconds(request: httpx.Request, which: str) -> float:
    given = request.extensions.get("timeout", {}).get(which)
    return _FOREVER_S if given is None else float(given)
