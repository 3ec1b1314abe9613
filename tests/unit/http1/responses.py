"""Responses of a backend, and a sink that records what the parser reads."""

from dataclasses import dataclass, field

from proxy.errors import UpstreamError
from proxy.http1.response_head import Framing, ResponseHead
from proxy.http1.response_parser import LastResponse, ResponseParser
from proxy.model import HeaderPairs

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


@dataclass
class RecordingSink:
    """An ExchangeSink that records one response."""

    status: int = 0
    headers: HeaderPairs = field(default_factory=list)
    framing: Framing | None = None
    body: bytes = b""
    interim: list[int] = field(default_factory=list)

    def interim_response(self, status: int, headers: HeaderPairs) -> None:
        self.interim.append(status)

    def response_complete(self, head: ResponseHead, framing: Framing, body: bytes) -> None:
        raise AssertionError("the connection calls this")

    def response_started(self, head: ResponseHead, framing: Framing, more_follows: bool) -> None:
        assert self.status == 0
        self.status, self.headers, self.framing = head.status, head.pairs, framing

    def response_data(self, data: bytes) -> None:
        assert data
        self.body += data

    def response_ended(self, trailers: HeaderPairs) -> None:
        raise AssertionError("the connection calls this")

    def backend_half_closed(self) -> None: ...

    def response_failed(self, error: UpstreamError) -> None:
        raise AssertionError("the connection calls this")

    def upload_paused(self) -> None: ...

    def upload_resumed(self) -> None: ...

    def elapsed(self, seconds: float) -> None: ...


def read(*pieces: bytes, is_head: bool = False) -> tuple[RecordingSink, ResponseParser]:
    parser, sink = ResponseParser(LastResponse()), RecordingSink()
    parser.begin(sink, is_head)
    for piece in pieces:
        parser.feed(piece)
    return delivered(parser, sink), parser


def delivered(parser: ResponseParser, sink: RecordingSink) -> RecordingSink:
    """Calls the sink as a connection would if the response came in one read."""
    if parser.complete is not None:
        head, framing, body = parser.complete
        sink.response_started(head, framing, True)
        sink.body = body
    return sink
