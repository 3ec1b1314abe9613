"""How ours and two strict parsers of others read the same bytes, in one shape that can be compared."""

from dataclasses import dataclass, field

import h11
import httptools

from proxy.errors import RequestError, UpstreamError
from proxy.http1.request_head import RequestHead
from proxy.http1.request_parser import RequestParser
from proxy.http1.response_head import ResponseHead
from proxy.http1.response_parser import OVER, UNTIL_CLOSE, LastResponse, ResponseParser
from proxy.model import HeaderPairs
from proxy.upstream.failures import NOT_HTTP

_MOST_BYTES = 64 * 1024
_MOST_FIELDS = 100


@dataclass
class ParsedRequest:
    """A request as a parser read it."""

    method: bytes
    target: bytes
    headers: HeaderPairs
    body: bytes = b""
    complete: bool = False


@dataclass
class Reading:
    """All requests of some bytes, and whether the parser gave up on what follows them."""

    requests: list[ParsedRequest] = field(default_factory=list)
    refused: bool = False

    @property
    def complete(self) -> list[ParsedRequest]:
        return [each for each in self.requests if each.complete]


class _Sink:
    def __init__(self) -> None:
        self.reading = Reading()

    def request_head(self, head: RequestHead, body: bytes | None) -> None:
        assert not self.reading.requests or self.reading.requests[-1].complete
        request = ParsedRequest(head.method.encode(), head.target, head.headers, body or b"")
        request.complete = body is not None
        self.reading.requests.append(request)

    def request_data(self, data: bytes) -> None:
        assert data
        assert not self.reading.requests[-1].complete
        self.reading.requests[-1].body += data

    def request_ended(self, trailers: HeaderPairs) -> None:
        assert not self.reading.requests[-1].complete
        self.reading.requests[-1].complete = True


def ours(pieces: list[bytes]) -> Reading:
    """What our reader makes of the pieces. Only a RequestError may come out of it."""
    sink = _Sink()
    reader = RequestParser(sink, _MOST_BYTES, _MOST_FIELDS)
    try:
        for piece in pieces:
            reader.feed(piece)
            while reader.is_complete:
                reader.proceed()
    except RequestError:
        sink.reading.refused = True
    return sink.reading


def h11s_request(data: bytes) -> Reading:
    """The first request as h11 reads it. It has no patience with the empty line that RFC 9112 2.2 grants."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_BYTES * 4)
    reading = Reading()
    connection.receive_data(data.removeprefix(b"\r\n"))
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                headers = [(bytes(name), bytes(value)) for name, value in event.headers]
                reading.requests.append(
                    ParsedRequest(bytes(event.method), bytes(event.target), headers)
                )
            elif isinstance(event, h11.Data):
                reading.requests[-1].body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                reading.requests[-1].complete = True
                break
            else:
                break
    except h11.RemoteProtocolError:
        reading.refused = True
    return reading


class _Callbacks:
    def __init__(self) -> None:
        self.reading = Reading()
        self._parser: httptools.HttpRequestParser | None = None
        self._in_body = False

    def read(self, data: bytes) -> Reading:
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # It stops behind the head; so far it has read it.
        except httptools.HttpParserError:
            self.reading.refused = True
        return self.reading

    def on_message_begin(self) -> None:
        self.reading.requests.append(ParsedRequest(b"", b"", []))
        self._in_body = False

    def on_url(self, url: bytes) -> None:
        self.reading.requests[-1].target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:
            self.reading.requests[-1].headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self._in_body = True
        self.reading.requests[-1].method = self._parser.get_method()

    def on_body(self, body: bytes) -> None:
        self.reading.requests[-1].body += body

    def on_message_complete(self) -> None:
        self.reading.requests[-1].complete = True


def httptools_requests(data: bytes) -> Reading:
    """All requests as httptools reads them."""
    return _Callbacks().read(data)


@dataclass
class ParsedResponse:
    """A response as a parser read it, up to where the bytes end."""

    status: int = 0
    headers: HeaderPairs = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    refused: bool = False


class _Hearing:
    """An ExchangeSink that records one response. The end and failures are for a connection to report."""

    def __init__(self) -> None:
        self.response = ParsedResponse()

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        assert not self.response.status

    def response_complete(self, *_: object) -> None:
        raise AssertionError("the connection calls this")

    def response_started(self, head: ResponseHead, *_: object) -> None:
        assert not self.response.status
        self.response.status, self.response.headers = head.status, head.pairs

    def response_data(self, data: bytes) -> None:
        assert data
        self.response.body += data

    def response_ended(self, trailers: HeaderPairs) -> None:
        raise AssertionError("the connection calls this")

    def backend_half_closed(self) -> None: ...

    def response_failed(self, error: UpstreamError) -> None:
        raise AssertionError("the connection calls this")

    def upload_paused(self) -> None: ...

    def upload_resumed(self) -> None: ...

    def elapsed(self, seconds: float) -> None: ...


def our_response(pieces: list[bytes], is_head: bool) -> ParsedResponse:
    """What our reader makes of a response. Only what NOT_HTTP names may come out of it."""
    reader, heard = ResponseParser(LastResponse()), _Hearing()
    reader.begin(heard, is_head)
    response = heard.response
    try:
        for piece in pieces:
            reader.feed(piece)
            if reader.phase == OVER:
                break
        if reader.complete is not None:
            head, _, response.body = reader.complete
            response.status, response.headers = head.status, head.pairs
    except NOT_HTTP:
        response.refused = True
    response.complete = not response.refused and reader.phase in (OVER, UNTIL_CLOSE)
    return response


def h11s_response(data: bytes, is_head: bool) -> ParsedResponse:
    """The response as h11 reads it, the connection closed behind it."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_BYTES * 4)
    method = b"HEAD" if is_head else b"GET"
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"h")]))
    connection.send(h11.EndOfMessage())
    response = ParsedResponse()
    connection.receive_data(data)
    closed = False
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA and not closed and response.status:
                connection.receive_data(b"")
                closed = True
            elif isinstance(event, h11.Response):
                headers = [(bytes(name), bytes(value)) for name, value in event.headers]
                response.status, response.headers = event.status_code, headers
            elif isinstance(event, h11.Data):
                response.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                response.complete = True
                break
            elif not isinstance(event, h11.InformationalResponse):
                break
    except h11.RemoteProtocolError:
        # Once we have closed, it means no more than that the response is not complete.
        response.refused = not closed
    return response
