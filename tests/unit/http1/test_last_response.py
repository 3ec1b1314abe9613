"""Responses of the same size as the last one of their connection."""

import pytest

from proxy.http1.response_parser import OVER, LastResponse, ResponseParser
from tests.unit.http1.responses import OK, RecordingSink, delivered

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


def test_a_connection_of_http_1_0_that_is_kept_is_kept_the_second_time() -> None:
    parser = ResponseParser(LastResponse())
    for _ in range(2):
        sink = RecordingSink()
        parser.begin(sink, False)
        parser.feed(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok")
        assert (delivered(parser, sink).body, parser.keep) == (b"ok", True)


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


def test_the_status_of_the_last_head_is_known() -> None:
    parser = ResponseParser(LastResponse())
    parser.begin(RecordingSink(), False, True)
    parser.feed(b"HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\n")
    assert parser.last_status == 503
    parser.begin(RecordingSink(), False, True)
    parser.feed(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
    assert parser.last_status == 101
