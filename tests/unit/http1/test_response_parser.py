"""Responses of backends: fields, framing, end and surplus bytes, wherever reads are cut."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamError
from proxy.http1.response_head import Framing, ResponseHead
from proxy.http1.response_parser import OVER, UNTIL_CLOSE, LastResponse, ResponseParser
from proxy.model import HeaderPairs
from proxy.upstream.failures import NOT_HTTP

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
NEXT = OK + b"content-length: 6\r\n\r\nsecret"


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


GOOD = [
    pytest.param(OK + b"content-length: 3\r\n\r\nabc", "length", b"abc", True, id="a length"),
    pytest.param(OK + b"content-length: 0\r\n\r\n", "length", b"", True, id="length 0"),
    pytest.param(
        OK + b"Content-Length:  3 \r\n\r\nabc", "length", b"abc", True, id="spaces around"
    ),
    pytest.param(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", "chunked", b"abc", True, id="a chunk"),
    pytest.param(CHUNKED + b"0\r\n\r\n", "chunked", b"", True, id="the last chunk alone"),
    pytest.param(
        CHUNKED + b'2;a="b;c";d\r\nab\r\n1\r\nc\r\n0;x\r\n\r\n',
        "chunked",
        b"abc",
        True,
        id="extensions",
    ),
    pytest.param(
        CHUNKED.replace(b"chunked", b"Chunked ") + b"1\r\na\r\n0\r\n\r\n",
        "chunked",
        b"a",
        True,
        id="a coding in another case",
    ),
    pytest.param(
        b"HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\n",
        "none",
        b"",
        True,
        id="204 with a length",
    ),
    pytest.param(
        b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
        "none",
        b"",
        True,
        id="304 with a coding",
    ),
    pytest.param(
        OK + b"connection: close\r\ncontent-length: 3\r\n\r\nabc",
        "length",
        b"abc",
        False,
        id="close",
    ),
    pytest.param(
        OK + b"connection: x, Close\r\ncontent-length: 3\r\n\r\nabc",
        "length",
        b"abc",
        False,
        id="close in a list",
    ),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        False,
        id="HTTP/1.0",
    ),
    pytest.param(
        b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        True,
        id="no reason, no space",
    ),
    pytest.param(
        b"HTTP/1.1 299 Fa\xe7on\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        True,
        id="a reason of its own",
    ),
    pytest.param(
        OK + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        True,
        id="an offer to upgrade",
    ),
]


@pytest.mark.parametrize(("response", "framing", "body", "keep"), GOOD)
def test_a_response_is_read_wherever_it_is_cut(
    response: bytes, framing: Framing, body: bytes, keep: bool
) -> None:
    cuts = [[response], [response[i : i + 1] for i in range(len(response))]]
    cuts += [[response[:i], response[i:]] for i in range(1, len(response))]
    for pieces in cuts:
        sink, parser = read(*pieces)
        assert (sink.framing, sink.body) == (framing, body), pieces
        assert (parser.phase, parser.keep) == (OVER, keep), pieces


@pytest.mark.parametrize(
    "surplus",
    [
        b"x",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"H",
        b"HTTP/1.1 200",
        NEXT,
        CHUNKED + b"0\r\n\r\n",
    ],
)
@pytest.mark.parametrize(("response", "framing", "body", "keep"), GOOD)
def test_surplus_bytes_belong_to_no_response_and_end_the_connection(
    response: bytes, framing: Framing, body: bytes, keep: bool, surplus: bytes
) -> None:
    for at in {1, len(response) // 2, len(response) - 1, len(response)}:
        sink, parser = (
            read(response[:at], response[at:] + surplus)
            if at < len(response)
            else read(response + surplus)
        )
        assert (sink.body, parser.phase, parser.keep) == (body, OVER, False)


@pytest.mark.parametrize(
    "head",
    [
        OK + b"content-length: 6\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n",
        OK + b"\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
    ],
)
def test_a_response_to_head_has_no_body(head: bytes) -> None:
    sink, parser = read(head, is_head=True)
    assert (sink.framing, sink.body, parser.phase) == ("none", b"", OVER)
    _, parser = read(head + b"secret", is_head=True)
    assert not parser.keep


def test_a_parser_keeps_no_state_of_the_response_before() -> None:
    parser = ResponseParser(LastResponse())
    kinds = [(OK + b"content-length: 6\r\n\r\n", True)]
    kinds += [(OK + b"content-length: 6\r\n\r\nabcdef", False)]
    kinds += [
        (CHUNKED + b"1\r\na\r\n0\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", False),
    ]
    for first, is_head in kinds:
        for second, second_is_head in kinds:
            for response, head in ((first, is_head), (second, second_is_head)):
                sink = RecordingSink()
                parser.begin(sink, head)
                for i in range(0, len(response), 50):
                    parser.feed(response[i : i + 50])
                assert (parser.phase, parser.keep) == (OVER, True)


HEAD_6 = OK + b"content-length: 6\r\n\r\n"


@pytest.mark.parametrize(
    ("response", "is_head", "body", "keep"),
    [
        pytest.param(HEAD_6 + b"secret", False, b"secret", True, id="the same again"),
        pytest.param(HEAD_6 + b"public", False, b"public", True, id="another body"),
        pytest.param(HEAD_6 + b"secret!", False, b"secret", False, id="a surplus byte"),
        pytest.param(HEAD_6, True, b"", True, id="the same head for HEAD"),
        pytest.param(HEAD_6 + b"secret", True, b"", False, id="its body for HEAD"),
        pytest.param(
            OK + b"Content-length: 6\r\n\r\npublic", False, b"public", True, id="the same size"
        ),
        pytest.param(
            OK + b"content-length: 5\r\n\r\nshort!",
            False,
            b"short",
            False,
            id="the same size in all",
        ),
    ],
)
def test_a_response_of_the_size_of_the_last_one_is_parsed_as_any_other(
    response: bytes, is_head: bool, body: bytes, keep: bool
) -> None:
    parser, first = ResponseParser(LastResponse()), RecordingSink()
    parser.begin(first, False)
    parser.feed(HEAD_6 + b"before")
    assert delivered(parser, first).body == b"before"
    sink = RecordingSink()
    parser.begin(sink, is_head)
    parser.feed(response)
    sink = delivered(parser, sink)
    assert (sink.status, sink.body, parser.phase, parser.keep) == (200, body, OVER, keep)


@pytest.mark.parametrize("head", [OK.replace(b"1.1", b"1.0"), OK + b"connection: close\r\n"])
def test_a_connection_with_close_is_not_kept_the_second_time_either(head: bytes) -> None:
    parser = ResponseParser(LastResponse())
    for _ in range(2):
        sink = RecordingSink()
        parser.begin(sink, False)
        parser.feed(head + b"content-length: 2\r\n\r\nok")
        assert (delivered(parser, sink).body, parser.keep) == (b"ok", False)


def test_connections_share_only_their_last_response() -> None:
    last = LastResponse()
    one, other = ResponseParser(last), ResponseParser(last)
    first, second, third = RecordingSink(), RecordingSink(), RecordingSink()
    one.begin(first, False)
    one.feed(HEAD_6 + b"fir")
    other.begin(second, False)
    other.feed(OK + b"content-length: 2\r\n\r\nok")
    one.feed(b"st!")
    one_more = ResponseParser(last)
    one_more.begin(third, False)
    one_more.feed(OK + b"content-length: 2\r\n\r\nno")
    delivered(other, second)
    delivered(one_more, third)
    assert [(each.headers, each.body) for each in (first, second, third)] == [
        ([(b"content-length", b"6")], b"first!"),
        ([(b"content-length", b"2")], b"ok"),
        ([(b"content-length", b"2")], b"no"),
    ]


def test_bytes_of_the_last_response_may_be_the_rest_of_a_head() -> None:
    parser, first, sink = ResponseParser(LastResponse()), RecordingSink(), RecordingSink()
    parser.begin(first, False)
    parser.feed(HEAD_6 + b"before")
    parser.begin(sink, False)
    parser.feed(OK + b"x-first-line: ")
    parser.feed(HEAD_6 + b"secret")
    assert delivered(parser, sink).headers == [
        (b"x-first-line", b"HTTP/1.1 200 OK"),
        (b"content-length", b"6"),
    ]


def test_a_response_of_the_last_size_may_come_in_two_reads() -> None:
    parser = ResponseParser(LastResponse())
    for cut in range(1, len(HEAD_6) + 6):
        for pieces in (
            [HEAD_6 + b"before"],
            [(HEAD_6 + b"behind")[:cut], (HEAD_6 + b"behind")[cut:]],
        ):
            sink = RecordingSink()
            parser.begin(sink, False)
            for piece in pieces:
                parser.feed(piece)
            assert delivered(parser, sink).body == b"".join(pieces)[-6:]


def test_a_body_without_framing_lasts_until_close() -> None:
    sink, parser = read(OK + b"\r\nabc", b"def")
    assert (sink.framing, sink.body, parser.phase) == ("until_close", b"abcdef", UNTIL_CLOSE)


def test_interim_responses_come_before_the_final_one() -> None:
    response = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        + OK
        + b"content-length: 2\r\n\r\nok"
    )
    for cut in range(1, len(response)):
        sink, parser = read(response[:cut], response[cut:])
        assert (sink.interim, sink.status, sink.body) == ([100, 103], 200, b"ok")
        assert sink.headers == [(b"content-length", b"2")]
        assert parser.keep


def test_trailers_that_would_change_the_message_are_dropped() -> None:
    _, parser = read(CHUNKED + b"0\r\nX-Sum: 1\r\nset-cookie: a=b\r\nhost: evil\r\n\r\n")
    assert parser.trailers == [(b"x-sum", b"1")]
    assert parser.keep


def test_field_names_are_in_lower_case_and_repeated_fields_stay() -> None:
    sink, _ = read(OK + b"Set-Cookie: a=1\r\nSET-COOKIE: b=2\r\nContent-Length: 0\r\n\r\n")
    assert sink.headers == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"0"),
    ]


@settings(deadline=None)
@given(data=st.data())
def test_the_result_does_not_depend_on_the_boundaries_of_reads(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from([case.values[0] for case in GOOD]))
    assert isinstance(good, bytes)
    at = data.draw(st.integers(0, len(good)))
    response = (
        good[:at] + data.draw(st.binary(max_size=8)) + good[at + data.draw(st.integers(0, 4)) :]
    )
    is_head, size = data.draw(st.booleans()), data.draw(st.integers(1, 64))
    pieces = [response[i : i + size] for i in range(0, len(response), size)]
    assert _outcome([response], is_head) == _outcome(pieces, is_head)


def _outcome(pieces: list[bytes], is_head: bool) -> tuple[int, bytes, int] | None:
    """Status, body and phase; None if the response was refused. Surplus bytes are the connection's to handle."""
    parser, sink = ResponseParser(LastResponse()), RecordingSink()
    parser.begin(sink, is_head)
    try:
        for piece in pieces:
            if parser.phase != OVER:
                parser.feed(piece)
    except NOT_HTTP:
        return None
    delivered(parser, sink)
    return sink.status, sink.body, parser.phase
