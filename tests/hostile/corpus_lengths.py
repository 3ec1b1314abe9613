"""Requests whose end is in doubt: lengths and codings (RFC 9112 6)."""

from tests.hostile.cases import (
    HOST,
    SMUGGLED,
    Case,
    Seen,
    either,
    head,
    passed,
    post,
    refused,
)

_HELLO = Seen(b"POST /a", b"hello")
_BOTH = b"0\r\n\r\n" + SMUGGLED
_CHUNKED_HELLO = b"5\r\nhello\r\n0\r\n\r\n"
_TE = b"Transfer-Encoding: chunked"
_CODING = (400, 501)


def _length(name: str, *fields: bytes, rfc: str = "9112 6.3", policy: bool = False) -> Case:
    return refused(name, rfc, post(*fields, body=b"hello"), closes=True, policy=policy)


def _coding(
    name: str,
    *fields: bytes,
    rfc: str = "9112 6.1",
    closes: bool = True,
    policy: bool = False,
) -> Case:
    sent = post(*fields, body=_CHUNKED_HELLO)
    return refused(name, rfc, sent, status=_CODING, closes=closes, policy=policy)


def _framed_coding(name: str, *fields: bytes) -> Case:
    """`chunked` is the last coding: the body has an end, and the RFC leaves it to us to take the others."""
    return _coding(name, *fields, closes=False, policy=True)


LENGTHS = [
    refused(
        "length, then coding",
        "9112 6.1",
        post(b"Content-Length: 5", _TE, body=_BOTH),
        closes=True,
    ),
    refused(
        "coding, then length",
        "9112 6.1",
        post(_TE, b"Content-Length: 5", body=_BOTH),
        closes=True,
    ),
    refused(
        "coding and a length of none",
        "9112 6.1",
        post(_TE, b"Content-Length: 0", body=_CHUNKED_HELLO),
        closes=True,
    ),
    refused(
        "length and an unknown coding",
        "9112 6.1",
        post(b"Content-Length: 5", b"Transfer-Encoding: xchunked", body=b"hello"),
        status=_CODING,
        closes=True,
    ),
    refused(
        "length and coding in HTTP/1.0",
        "9112 6.1",
        post(b"Content-Length: 5", _TE, body=_BOTH, version=b"HTTP/1.0"),
        status=_CODING,
        closes=True,
    ),
    _length("equal lengths", b"Content-Length: 5", b"Content-Length: 5", policy=True),
    _length("different lengths", b"Content-Length: 5", b"Content-Length: 6"),
    _length("different lengths, shorter first", b"Content-Length: 0", b"Content-Length: 5"),
    _length("different lengths, one empty", b"Content-Length: 5", b"Content-Length:"),
    _length("a list of equal lengths", b"Content-Length: 5, 5", policy=True),
    _length("a list of different lengths", b"Content-Length: 5, 6"),
    _length("a length and a comma", b"Content-Length: 5,"),
    _length("a comma and a length", b"Content-Length: ,5"),
    _length("a length with plus", b"Content-Length: +5"),
    _length("a negative length", b"Content-Length: -5"),
    _length("a length of minus none", b"Content-Length: -0"),
    _length("two lengths and a space", b"Content-Length: 5 5"),
    _length("a length in hexadecimal", b"Content-Length: 0x5"),
    _length("a length with a fraction", b"Content-Length: 5.0"),
    _length("a length with an exponent", b"Content-Length: 5e0"),
    _length("a length with an underscore", b"Content-Length: 0_5"),
    _length("an empty length", b"Content-Length:"),
    _length("a length of a space", b"Content-Length: \t "),
    _length("a length in letters", b"Content-Length: five"),
    _length("a length in Arabic digits", b"Content-Length: " + "٥".encode()),
    _length("a length in quotes", b'Content-Length: "5"'),
    _length("a length and a semicolon", b"Content-Length: 5;"),
    _length("a length and a vertical tab", b"Content-Length: 5\x0b"),
    _length("a form feed and a length", b"Content-Length: \x0c5"),
    _length("a length and NUL", b"Content-Length: 5\x00"),
    _length("a length of 2^64 + 5", b"Content-Length: 18446744073709551621"),
    _length("a length of a hundred digits", b"Content-Length: 1" + b"0" * 99),
    _length("a folded length", b"Content-Length:\r\n 5", rfc="9112 5.2", policy=True),
    _length("a length with a space before its colon", b"Content-Length : 5", rfc="9112 5.1"),
    _length("a length with a tab before its colon", b"Content-Length\t: 5", rfc="9112 5.1"),
    _length("a length whose name ends in NUL", b"Content-Length\x00: 5", rfc="9110 5.1"),
    either(
        "a length in tabs and spaces",
        "9110 5.6.3",
        post(b"Content-Length:\t 5 \t", body=b"hello"),
        sees=_HELLO,
    ),
    passed(
        "a length nominated by Connection",
        "9110 7.6.1",
        post(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"),
        sees=_HELLO,
    ),
    either(
        "a length with zeros in front",
        "9110 8.6",
        post(b"Content-Length: 0005", body=b"hello"),
        sees=_HELLO,
    ),
    passed(
        "a GET with a body",
        "9110 9.3.1",
        head(b"GET /a HTTP/1.1", HOST, b"Content-Length: 5") + b"hello",
        sees=Seen(b"GET /a", b"hello"),
    ),
    passed(
        "a body that is a request",
        "9112 6.3",
        post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
        sees=Seen(b"POST /a", SMUGGLED),
    ),
    passed(
        "a chunk that is a request",
        "9112 7.1",
        post(_TE, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
        sees=Seen(b"POST /a", SMUGGLED),
    ),
]

CODINGS = [
    _coding("xchunked", b"Transfer-Encoding: xchunked"),
    _coding("chunkedx", b"Transfer-Encoding: chunkedx"),
    _coding("chunk", b"Transfer-Encoding: chunk"),
    _coding("chunked twice in a list", b"Transfer-Encoding: chunked, chunked"),
    _coding("chunked twice in two fields", _TE, _TE),
    _coding("chunked, identity", b"Transfer-Encoding: chunked, identity"),
    _coding("identity", b"Transfer-Encoding: identity"),
    _framed_coding("identity, chunked", b"Transfer-Encoding: identity, chunked"),
    _framed_coding("gzip, chunked", b"Transfer-Encoding: gzip, chunked"),
    _framed_coding("gzip in a field of its own", b"Transfer-Encoding: gzip", _TE),
    _coding("gzip alone", b"Transfer-Encoding: gzip"),
    _coding("chunked, gzip", b"Transfer-Encoding: chunked, gzip"),
    _coding("chunked, then another field", _TE, b"Transfer-Encoding: x"),
    _framed_coding("another field, then chunked", b"Transfer-Encoding: x", _TE),
    _coding("chunked in quotes", b'Transfer-Encoding: "chunked"'),
    _coding("chunked with a parameter", b"Transfer-Encoding: chunked;q=1"),
    _coding("chunked without a comma", b"Transfer-Encoding: chunked chunked"),
    _coding("a vertical tab before chunked", b"Transfer-Encoding: \x0bchunked"),
    _coding("a vertical tab after chunked", b"Transfer-Encoding: chunked\x0b"),
    _coding("a form feed after chunked", b"Transfer-Encoding: chunked\x0c"),
    _coding("NUL after chunked", b"Transfer-Encoding: chunked\x00"),
    _coding("a no-break space before chunked", b"Transfer-Encoding: \xa0chunked"),
    _coding("an empty coding", b"Transfer-Encoding:"),
    _coding(
        "chunked on a folded line", b"Transfer-Encoding:\r\n chunked", rfc="9112 5.2", policy=True
    ),
    _coding(
        "chunked and a folded line",
        b"Transfer-Encoding: chunked\r\n , x",
        rfc="9112 5.2",
        policy=True,
    ),
    _coding("a coding with a space before its colon", b"Transfer-Encoding : chunked"),
    _coding(
        "a coding on a line with a space in front",
        b"X: y",
        b" Transfer-Encoding: chunked",
        policy=True,
    ),
    _coding("a coding whose name ends in a vertical tab", b"Transfer-Encoding\x0b: chunked"),
    _coding("a coding behind a bare LF", b"X: y\nTransfer-Encoding: chunked", policy=True),
    _coding("a coding behind a bare CR", b"X: y\rTransfer-Encoding: chunked", rfc="9112 2.2"),
    _coding("a bare CR in a coding", b"Transfer-Encoding: chun\rked", rfc="9112 2.2"),
    refused(
        "chunked in HTTP/1.0",
        "9112 6.1",
        post(_TE, body=_CHUNKED_HELLO, version=b"HTTP/1.0"),
        status=_CODING,
        closes=True,
    ),
    passed(
        "chunked in capitals",
        "9112 7",
        post(b"Transfer-Encoding: CHUNKED", body=_CHUNKED_HELLO),
        sees=_HELLO,
    ),
    either(
        "chunked between tabs",
        "9110 5.6.3",
        post(b"Transfer-Encoding:\tchunked\t", body=_CHUNKED_HELLO),
        sees=_HELLO,
        status=_CODING,
    ),
    either(
        "an empty member before chunked",
        "9110 5.6.1",
        post(b"Transfer-Encoding: , chunked", body=_CHUNKED_HELLO),
        sees=_HELLO,
        status=_CODING,
        policy=True,
    ),
    either(
        "an empty member after chunked",
        "9110 5.6.1",
        post(b"Transfer-Encoding: chunked,", body=_CHUNKED_HELLO),
        sees=_HELLO,
        status=_CODING,
        policy=True,
    ),
    passed(
        "chunked as a Content-Encoding",
        "9110 8.4",
        post(b"Content-Encoding: chunked", b"Content-Length: 5", body=b"hello"),
        sees=_HELLO,
    ),
]


FRAMING = [*LENGTHS, *CODINGS]
