"""Responses of backends: fields, framing, end and surplus bytes, wherever reads are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.http1.response_head import Framing
from proxy.http1.response_parser import OVER, UNTIL_CLOSE, LastResponse, ResponseParser
from proxy.upstream.failures import NOT_HTTP
from tests.unit.http1.responses import CHUNKED, OK, RecordingSink, delivered, read

NEXT = OK + b"content-length: 6\r\n\r\nsecret"
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
        b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        False,
        id="HTTP/1.0",
    ),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        True,
        id="keep-alive of HTTP/1.0",
    ),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\ncontent-length: 1\r\n\r\na",
        "length",
        b"a",
        False,
        id="close beside keep-alive in HTTP/1.0",
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
