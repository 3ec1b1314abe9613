"""Hostile responses of an upstream (findings 8 and 12): lengths, chunks, lies and surplus bytes."""

from tests.hostile.cases import SECRET, Hostile, head
from tests.hostile.response_rows import (
    CHUNK,
    CHUNKED,
    CODING,
    LENGTH,
    OK,
    bad,
    chunk,
    coded,
    cut,
    framed,
    good,
)

FRAMING = [
    framed("coding and length", b"Transfer-Encoding: chunked", b"Content-Length: 2", rfc=CODING),
    framed("length and coding", b"Content-Length: 2", b"Transfer-Encoding: chunked", rfc=CODING),
    framed("equal lengths", b"Content-Length: 2", b"Content-Length: 2", policy=True),
    framed("different lengths", b"Content-Length: 2", b"Content-Length: 1"),
    framed("a list of lengths", b"Content-Length: 2, 2", policy=True),
    framed("a list of different lengths", b"Content-Length: 2, 1"),
    framed("a negative length", b"Content-Length: -2"),
    framed("a length with plus", b"Content-Length: +2"),
    framed("a length in hexadecimal", b"Content-Length: 0x2"),
    framed("a length with a fraction", b"Content-Length: 2.0"),
    framed("an empty length", b"Content-Length:"),
    framed("a length beyond 64 bits", b"Content-Length: 18446744073709551618", policy=True),
    framed("a length with a space before its colon", b"Content-Length : 2", policy=True),
    framed("a folded length", b"Content-Length:\r\n 2", policy=True),
    coded("gzip", b"Transfer-Encoding: gzip", policy=True),
    coded("gzip, chunked", b"Transfer-Encoding: gzip, chunked", policy=True),
    coded("chunked, identity", b"Transfer-Encoding: chunked, identity"),
    coded("chunked, gzip", b"Transfer-Encoding: chunked, gzip", policy=True),
    coded("chunked, chunked", b"Transfer-Encoding: chunked, chunked"),
    coded("chunked twice", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    coded("xchunked", b"Transfer-Encoding: xchunked"),
    coded("an empty coding", b"Transfer-Encoding:"),
    coded("a vertical tab before chunked", b"Transfer-Encoding: \x0bchunked"),
    bad(
        "chunked in HTTP/1.0",
        CODING,
        head(b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked") + b"2\r\nok\r\n0\r\n\r\n",
        end="close",
    ),
]

CHUNKS = [
    chunk("no chunk size", b"x\r\nok"),
    chunk("an empty chunk size", b"\r\nok"),
    chunk("a negative chunk size", b"-2\r\nok"),
    chunk("a chunk size with plus", b"+2\r\nok"),
    chunk("a chunk size with 0x", b"0x2\r\nok"),
    chunk("a space before a chunk size", b" 2\r\nok"),
    chunk("an underscore in a chunk size", b"0_2\r\nok"),
    chunk("a chunk size beyond 64 bits", b"10000000000000002\r\nok"),
    chunk("LF after a chunk size", b"2\nok"),
    chunk("a chunk longer than its size", b"1\r\nok"),
    chunk("a chunk shorter than its size", b"3\r\nok"),
    chunk("NUL in an extension", b"2;a\x00\r\nok"),
    chunk("LF in an extension", b"2;a\nb\r\nok"),
    chunk("an extension of 100,000 bytes", b"2;" + b"a" * 100_000 + b"\r\nok"),
    chunk("extensions without end", (b"1;" + b"a" * 100 + b"\r\nx\r\n") * 5_000, policy=True),
    cut("a malformed trailer", CHUNK, CHUNKED + b"2\r\nok\r\n", b"0\r\nx y\r\n\r\n"),
    cut(
        "a folded trailer",
        CHUNK,
        CHUNKED + b"2\r\nok\r\n",
        b"0\r\na: b\r\n c\r\n\r\n",
        policy=True,
    ),
    cut("trailers without end", CHUNK, CHUNKED + b"2\r\nok\r\n", b"0\r\n" + b"a: b\r\n" * 50_000),
    good("extensions", CHUNK, CHUNKED + b'2;a="b;c"\r\nok\r\n0;d\r\n\r\n'),
    good(
        "a trailer",
        CHUNK,
        CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
    ),
    good(
        "a trailer that may not come",
        CHUNK,
        CHUNKED + b"2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n",
        verdict="harmless",
    ),
]

LIES = [
    cut("shorter than its length", LENGTH, head(OK, b"Content-Length: 9") + b"ok", end="close"),
    cut(
        "shorter than its length, reset",
        LENGTH,
        head(OK, b"Content-Length: 9"),
        b"ok",
        end="reset",
    ),
    cut("no last chunk", CHUNK, CHUNKED + b"2\r\nok\r\n", end="close"),
    cut("no last chunk, reset", CHUNK, CHUNKED + b"2\r\nok\r\n", end="reset"),
    cut("half a chunk", CHUNK, CHUNKED + b"9\r\nok", end="close"),
    cut("a last chunk without its end", CHUNK, CHUNKED + b"2\r\nok\r\n0\r\n", end="close"),
    cut("until close, reset", LENGTH, head(OK), b"ok", end="reset"),
    good("until close", LENGTH, head(OK) + b"ok", end="close"),
    good("until close, HTTP/1.0", LENGTH, head(b"HTTP/1.0 200 OK") + b"ok", end="close"),
    good(
        "a length in HTTP/1.0",
        LENGTH,
        head(b"HTTP/1.0 200 OK", b"Content-Length: 2") + b"ok",
        end="close",
    ),
]


def _surplus(name: str, *pieces: bytes, **more: object) -> Hostile:
    return good(name, LENGTH, *pieces, **more)  # type: ignore[arg-type]


_TWO = head(OK, b"Content-Length: 2") + b"ok"
_NO_CONTENT = head(b"HTTP/1.1 204 No Content")
_NOT_MODIFIED = head(b"HTTP/1.1 304 Not Modified", b"ETag: x")

SURPLUS = [
    _surplus("a response after a length", _TWO + SECRET),
    _surplus("a response after a length, late", _TWO, SECRET),
    _surplus("bytes after a length", _TWO + b"SECRET"),
    _surplus("bytes after a length of none", head(OK, b"Content-Length: 0") + b"SECRET", body=b""),
    _surplus("half a response after a length", _TWO + SECRET[:30]),
    _surplus("a response after the last chunk", CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + SECRET),
    _surplus("a response after the last chunk, late", CHUNKED + b"2\r\nok\r\n0\r\n\r\n", SECRET),
    _surplus("bytes after the last chunk", CHUNKED + b"2\r\nok\r\n0\r\n\r\nSECRET"),
    _surplus("a response after 204", _NO_CONTENT + SECRET, status=204, body=b""),
    _surplus("a response after 204, late", _NO_CONTENT, SECRET, status=204, body=b""),
    _surplus("a response after 304", _NOT_MODIFIED + SECRET, status=304, body=b""),
    _surplus(
        "a length on 304",
        head(b"HTTP/1.1 304 Not Modified", b"Content-Length: 6") + b"SECRET",
        status=304,
        body=b"",
    ),
    _surplus(
        "a length on 204",
        head(b"HTTP/1.1 204 No Content", b"Content-Length: 6") + b"SECRET",
        status=204,
        body=b"",
        verdict="harmless",
    ),
    _surplus(
        "a coding on 204",
        head(b"HTTP/1.1 204 No Content", b"Transfer-Encoding: chunked")
        + b"6\r\nSECRET\r\n0\r\n\r\n",
        status=204,
        body=b"",
        verdict="harmless",
    ),
    _surplus(
        "a body on HEAD",
        head(OK, b"Content-Length: 6") + b"SECRET",
        method="HEAD",
        body=b"",
    ),
    _surplus(
        "a body on HEAD, late",
        head(OK, b"Content-Length: 6"),
        b"SECRET",
        method="HEAD",
        body=b"",
    ),
    _surplus(
        "a chunked body on HEAD",
        CHUNKED + b"6\r\nSECRET\r\n0\r\n\r\n",
        method="HEAD",
        body=b"",
    ),
    _surplus(
        "a response on HEAD", head(OK, b"Content-Length: 6") + SECRET, method="HEAD", body=b""
    ),
    _surplus(
        "bytes after 205",
        head(b"HTTP/1.1 205 Reset Content", b"Content-Length: 0") + SECRET,
        status=205,
        body=b"",
    ),
]

RESPONSE_BODIES = [*FRAMING, *CHUNKS, *LIES, *SURPLUS]
