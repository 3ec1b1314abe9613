"""Chunked bodies, their extensions and trailers (RFC 9112 7.1)."""

from tests.hostile.cases import SMUGGLED, Case, Seen, cut, either, passed, post

_HELLO = Seen(b"POST /a", b"hello")
_TE = b"Transfer-Encoding: chunked"


def _fault(name: str, chunk: bytes, rfc: str = "9112 7.1", policy: bool = False) -> Case:
    """A good chunk that the origin gets to see, then `chunk`, then what would end a good body."""
    return cut(
        name, rfc, post(_TE, body=b"3\r\nabc\r\n"), None, chunk + b"\r\n0\r\n\r\n", policy=policy
    )


FAULTY_CHUNKS = [
    _fault("a chunk size with 0x", b"0x5\r\nhello"),
    _fault("a chunk size with plus", b"+5\r\nhello"),
    _fault("a negative chunk size", b"-5\r\nhello"),
    _fault("a space before a chunk size", b" 5\r\nhello"),
    _fault("a space after a chunk size", b"5 \r\nhello"),
    _fault("a tab after a chunk size", b"5\t\r\nhello"),
    _fault("an underscore in a chunk size", b"0_5\r\nhello"),
    _fault("no hexadecimal digit", b"g\r\nhello"),
    _fault("an empty chunk size", b"\r\nhello"),
    _fault("a chunk size in quotes", b'"5"\r\nhello'),
    _fault("two chunk sizes", b"5,5\r\nhello"),
    _fault("a chunk size with a fraction", b"5.0\r\nhello"),
    _fault("a chunk size of 2^64 + 5", b"10000000000000005\r\nhello"),
    _fault("a chunk size of 68 bits", b"f" * 17 + b"\r\nhello"),
    cut(
        "a chunk size of 2^63",
        "limits",
        post(_TE, body=b"3\r\nabc\r\n"),
        None,
        b"8000000000000000\r\nhello",
        status=(400, 413),
        policy=True,
    ),
    _fault("NUL after a chunk size", b"5\x00\r\nhello"),
    _fault("LF after a chunk size", b"5\nhello"),
    _fault("CR after a chunk size", b"5\rhello"),
    _fault("CR CR LF after a chunk size", b"5\r\r\nhello"),
    _fault("a chunk longer than its size", b"4\r\nhello"),
    _fault("a chunk shorter than its size", b"6\r\nhello"),
    _fault("a chunk without its CRLF", b"5\r\nhello0\r\n\r\n" + SMUGGLED),
    cut(
        "LF after a chunk",
        "9112 7.1",
        post(_TE, body=b"3\r\nabc\r\n"),
        None,
        b"5\r\nhello\n0\r\n\r\n",
    ),
    _fault("LF in an extension", b"5;a\nb\r\nhello", "9112 7.1.1"),
    _fault("an extension ended by LF", b"5;\nhello", "9112 7.1.1"),
    _fault("CR in an extension", b"5;a\rb\r\nhello", "9112 7.1.1"),
    _fault("NUL in an extension", b"5;a=\x00\r\nhello", "9112 7.1.1"),
    _fault("a quote left open in an extension", b'5;a="b\r\nhello', "9112 7.1.1"),
    _fault("LF in a quoted extension", b'5;a="\n"\r\nhello', "9112 7.1.1"),
    _fault(
        "an extension of 20,000 bytes",
        b"5;" + b"a" * 20_000 + b"\r\nhello",
        "9112 7.1.1",
        policy=True,
    ),
    _fault(
        "an extension for each of 2,000 bytes",
        (b"1;" + b"a" * 100 + b"\r\nx\r\n") * 2_000 + b"5\r\nhello",
        "9112 7.1.1",
        policy=True,
    ),
]


def _trailer(name: str, trailer: bytes, policy: bool = False) -> Case:
    """A good chunk that the origin gets to see, then a last chunk with this behind it."""
    sent = post(_TE, body=b"3\r\nabc\r\n")
    return cut(name, "9112 7.1.2", sent, None, b"0\r\n" + trailer, status=(400, 431), policy=policy)


TRAILERS = [
    _trailer("a trailer without a colon", b"foo\r\n\r\n", policy=True),
    _trailer("a folded trailer", b"a: b\r\n c\r\n\r\n", policy=True),
    _trailer("a space before the colon of a trailer", b"a : b\r\n\r\n", policy=True),
    _trailer("a space before the first trailer", b" a: b\r\n\r\n", policy=True),
    _trailer("a trailer without a name", b": b\r\n\r\n", policy=True),
    _trailer("NUL in a trailer", b"a: b\x00\r\n\r\n", policy=True),
    _trailer("LF after a trailer", b"a: b\n\r\n"),
    _trailer("CR in a trailer", b"a: b\rc\r\n\r\n"),
    _trailer("LF in the place of the last line", b"\n" + SMUGGLED),
    _trailer("a trailer of 100,000 bytes", b"a: " + b"b" * 100_000 + b"\r\n\r\n", policy=True),
    _trailer("5,000 trailers", b"a: b\r\n" * 5_000 + b"\r\n", policy=True),
    cut(
        "LF after the last chunk size",
        "9112 7.1",
        post(_TE, body=b"3\r\nabc\r\n"),
        None,
        b"0\n\r\n" + SMUGGLED,
    ),
    passed(
        "a trailer that may come",
        "9112 7.1.2",
        post(_TE, body=b"5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n"),
        sees=Seen(b"POST /a", b"hello", lacks=(b"x-checksum",)),
    ),
    either(
        "trailers that may not come",
        "9110 6.5.1",
        post(
            _TE,
            body=b"5\r\nhello\r\n0\r\nHost: evil\r\nContent-Length: 9\r\nAuthorization: evil\r\n\r\n",
        ),
        sees=Seen(b"POST /a", b"hello", lacks=(b"evil", b"content-length: 9")),
        streamed=True,
    ),
]

GOOD_CHUNKS = [
    passed(
        "an extension",
        "9112 7.1.1",
        post(_TE, body=b"5;name=value\r\nhello\r\n0\r\n\r\n"),
        sees=_HELLO,
    ),
    passed(
        "a quoted extension",
        "9112 7.1.1",
        post(_TE, body=b'5;a="b;c\\"d"\r\nhello\r\n0;e\r\n\r\n'),
        sees=_HELLO,
    ),
    either(
        "an extension behind a space",
        "9112 7.1.1",
        post(_TE, body=b"5 ; a = b\r\nhello\r\n0\r\n\r\n"),
        sees=_HELLO,
        streamed=True,
    ),
    either(
        "an extension without a name",
        "9112 7.1.1",
        post(_TE, body=b"5;\r\nhello\r\n0\r\n\r\n"),
        sees=_HELLO,
        streamed=True,
    ),
    passed(
        "a chunk size with a zero in front",
        "9112 7.1",
        post(_TE, body=b"05\r\nhello\r\n000\r\n\r\n"),
        sees=_HELLO,
    ),
    passed(
        "a chunk size in capitals",
        "9112 7.1",
        post(_TE, body=b"A\r\nhellohello\r\n0\r\n\r\n"),
        sees=Seen(b"POST /a", b"hellohello"),
    ),
    passed(
        "a chunk for each byte",
        "9112 7.1",
        post(_TE, body=b"".join(b"1\r\n%c\r\n" % byte for byte in b"hello") + b"0\r\n\r\n"),
        sees=_HELLO,
    ),
    passed(
        "a chunked body in pieces",
        "9112 7.1",
        post(_TE),
        b"5",
        None,
        b"\r",
        b"\nhel",
        None,
        b"lo\r",
        b"\n0\r\n",
        b"\r",
        b"\n",
        sees=_HELLO,
    ),
    passed("no chunk at all", "9112 7.1", post(_TE, body=b"0\r\n\r\n"), sees=Seen(b"POST /a")),
]

CHUNKS = [*FAULTY_CHUNKS, *TRAILERS, *GOOD_CHUNKS]
