"""Responses that are refused, in one read or in several (promise U4)."""

import pytest

from proxy.http1.response_head import MAX_HEAD_BYTES, MAX_HEADERS, MAX_INTERIM
from proxy.upstream.failures import NOT_HTTP
from tests.unit.http1.responses import CHUNKED, OK, read


def _ok(fields: bytes, body: bytes = b"") -> bytes:
    return OK + fields + b"\r\n" + body


BAD = [
    pytest.param(b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", id="HTTP/2.0"),
    pytest.param(b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n", id="HTTP/0.9"),
    pytest.param(b"HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n", id="HTTP/1.2"),
    pytest.param(b"RTSP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", id="RTSP"),
    pytest.param(b"ICY 200 OK\r\n\r\n", id="ICY"),
    pytest.param(b"http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", id="lower case"),
    pytest.param(
        b"\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", id="an empty line before the head"
    ),
    pytest.param(b"HTTP/1.1 099 X\r\ncontent-length: 0\r\n\r\n", id="status 099"),
    pytest.param(b"HTTP/1.1 99 X\r\ncontent-length: 0\r\n\r\n", id="status 99"),
    pytest.param(b"HTTP/1.1 600 X\r\ncontent-length: 0\r\n\r\n", id="status 600"),
    pytest.param(b"HTTP/1.1 1000 X\r\ncontent-length: 0\r\n\r\n", id="status 1000"),
    pytest.param(b"HTTP/1.1 -200 X\r\ncontent-length: 0\r\n\r\n", id="a negative status"),
    pytest.param(b"HTTP/1.1  200 X\r\ncontent-length: 0\r\n\r\n", id="two spaces"),
    pytest.param(b"HTTP/1.1 200OK\r\ncontent-length: 0\r\n\r\n", id="no space after the status"),
    pytest.param(b"HTTP/1.1 200 O\x00K\r\ncontent-length: 0\r\n\r\n", id="NUL in the reason"),
    pytest.param(b"HTTP/1.1 200 O\x1bK\r\ncontent-length: 0\r\n\r\n", id="escape in the reason"),
    pytest.param(b"HTTP/1.1 200 O\rK\r\ncontent-length: 0\r\n\r\n", id="CR in the reason"),
    pytest.param(b"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n", id="LF after the status line"),
    pytest.param(
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", id="101 unasked"
    ),
    pytest.param(b"HTTP/1.1 101 Switching\r\n\r\n", id="101 bare"),
    pytest.param(
        _ok(b"content-length: 3\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"), id="both lengths"
    ),
    pytest.param(
        _ok(b"transfer-encoding: chunked\r\ncontent-length: 3\r\n", b"0\r\n\r\n"),
        id="both, the other way round",
    ),
    pytest.param(_ok(b"content-length: 3\r\ncontent-length: 3\r\n", b"abc"), id="a length twice"),
    pytest.param(_ok(b"content-length: 3\r\ncontent-length: 2\r\n", b"abc"), id="two lengths"),
    pytest.param(_ok(b"content-length: 3, 3\r\n", b"abc"), id="a list of lengths"),
    pytest.param(_ok(b"content-length: -3\r\n", b"abc"), id="a negative length"),
    pytest.param(_ok(b"content-length: +3\r\n", b"abc"), id="a signed length"),
    pytest.param(_ok(b"content-length: 0x3\r\n", b"abc"), id="a length in hexadecimal"),
    pytest.param(_ok(b"content-length: 3.0\r\n", b"abc"), id="a broken length"),
    pytest.param(_ok(b"content-length: \r\n"), id="an empty length"),
    pytest.param(_ok(b"content-length: 99999999999999999999\r\n"), id="a length beyond 64 bits"),
    pytest.param(_ok(b"transfer-encoding: gzip\r\n", b"abc"), id="gzip"),
    pytest.param(_ok(b"transfer-encoding: gzip, chunked\r\n", b"0\r\n\r\n"), id="gzip, chunked"),
    pytest.param(
        _ok(b"transfer-encoding: chunked, identity\r\n", b"0\r\n\r\n"), id="chunked, identity"
    ),
    pytest.param(_ok(b"transfer-encoding: xchunked\r\n", b"0\r\n\r\n"), id="xchunked"),
    pytest.param(_ok(b"transfer-encoding: \r\n", b"0\r\n\r\n"), id="an empty coding"),
    pytest.param(
        _ok(b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"),
        id="chunked twice",
    ),
    pytest.param(
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked in HTTP/1.0"
    ),
    pytest.param(_ok(b"a: b\r\n c\r\ncontent-length: 0\r\n"), id="obs-fold"),
    pytest.param(_ok(b" a: b\r\ncontent-length: 0\r\n"), id="a space before the first field"),
    pytest.param(_ok(b"a : b\r\ncontent-length: 0\r\n"), id="a space before the colon"),
    pytest.param(_ok(b"a b: c\r\ncontent-length: 0\r\n"), id="a space in a name"),
    pytest.param(_ok(b": b\r\ncontent-length: 0\r\n"), id="no name"),
    pytest.param(_ok(b"ab\r\ncontent-length: 0\r\n"), id="no colon"),
    pytest.param(_ok(b"a\xff: b\r\ncontent-length: 0\r\n"), id="a name beyond ASCII"),
    pytest.param(_ok(b"a: b\ncontent-length: 0\r\n"), id="LF between fields"),
    pytest.param(OK + b"content-length: 0\r\n\n", id="LF after the head"),
    pytest.param(_ok(b"a: b\rc\r\ncontent-length: 0\r\n"), id="CR in a value"),
    pytest.param(_ok(b"a: b\x00c\r\ncontent-length: 0\r\n"), id="NUL in a value"),
    pytest.param(_ok(b"a: b\x01c\r\ncontent-length: 0\r\n"), id="a control byte in a value"),
    pytest.param(_ok(b"a: b\x7fc\r\ncontent-length: 0\r\n"), id="DEL in a value"),
    pytest.param(_ok(b"a: b\r\n" * (MAX_HEADERS + 1)), id="too many fields"),
    pytest.param(_ok(b"a: " + b"b" * MAX_HEAD_BYTES + b"\r\n"), id="too long a head"),
    pytest.param(OK + b"a: b\r\n" * (MAX_HEAD_BYTES // 6), id="a head without end"),
    pytest.param(
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1), id="interim responses without end"
    ),
    pytest.param(
        b"HTTP/1.1 103 X\r\ncontent-length: 3\r\n\r\n", id="an interim response with a length"
    ),
    pytest.param(
        b"HTTP/1.1 103 X\r\ntransfer-encoding: chunked\r\n\r\n",
        id="an interim response with chunks",
    ),
    pytest.param(b"<html>hello", id="no head at all"),
    pytest.param(CHUNKED + b"x\r\n", id="no chunk size"),
    pytest.param(CHUNKED + b"-1\r\na", id="a negative chunk size"),
    pytest.param(CHUNKED + b"+1\r\na\r\n", id="a signed chunk size"),
    pytest.param(CHUNKED + b"0x1\r\na\r\n", id="a chunk size with a prefix"),
    pytest.param(CHUNKED + b" 1\r\na\r\n", id="a space before a chunk size"),
    pytest.param(CHUNKED + b"1_0\r\na\r\n", id="a chunk size with an underscore"),
    pytest.param(CHUNKED + b"fffffffffffffffff\r\na", id="a chunk size beyond 64 bits"),
    pytest.param(CHUNKED + b"1\na\r\n", id="LF after a chunk size"),
    pytest.param(CHUNKED + b"1\r\na\n", id="LF after a chunk"),
    pytest.param(CHUNKED + b"1\r\nab\r\n", id="a chunk longer than its size"),
    pytest.param(CHUNKED + b"1;a\x00\r\na\r\n", id="NUL in an extension"),
    pytest.param(CHUNKED + b"1;a\na\r\n", id="LF in an extension"),
    pytest.param(CHUNKED + b'1;a="b\r\na\r\n', id="a quote left open in an extension"),
    pytest.param(CHUNKED + b"0\r\na : b\r\n\r\n", id="a malformed trailer"),
    pytest.param(CHUNKED + b"0\r\na: b\r\n c\r\n\r\n", id="a folded trailer"),
    pytest.param(CHUNKED + b"0\r\na: b\n\r\n", id="LF after a trailer"),
    pytest.param(CHUNKED + b"1;" + b"a" * 20_000 + b"\r\na\r\n", id="an extension without end"),
    pytest.param(
        CHUNKED + (b"1;" + b"a" * 100 + b"\r\na\r\n") * 300, id="more extensions than body"
    ),
    pytest.param(CHUNKED + b"0\r\n" + b"a: b\r\n" * 3000, id="trailers without end"),
    pytest.param(
        CHUNKED + b"0\r\n" + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", id="too many trailers"
    ),
]


@pytest.mark.parametrize("response", BAD)
def test_a_response_is_refused(response: bytes) -> None:
    with pytest.raises(NOT_HTTP):
        read(response)
    with pytest.raises(NOT_HTTP):
        read(*(response[i : i + 7] for i in range(0, len(response), 7)))


def test_a_101_to_a_request_without_upgrade_has_its_own_message() -> None:
    with pytest.raises(NOT_HTTP, match="switched protocols unasked"):
        read(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")


def test_a_large_body_does_not_allow_large_trailers() -> None:
    body = b"x" * 100_000
    sink, parser = read(CHUNKED + b"%x\r\n%b\r\n0\r\na: " % (len(body), body))
    assert sink.body == body
    parser.feed(b"b" * 5_000)
    with pytest.raises(NOT_HTTP, match="too large"):
        parser.feed(b"b" * 10_000)
