"""Bytes for the fuzzers: messages as they should be, the same with a few changes, odd pieces in a row."""

from collections.abc import Sequence

from hypothesis import strategies as st

_TOKEN = st.text("!#$%&'*+-.^_`|~019AZaz", min_size=1, max_size=8).map(str.encode)
_METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"HEAD"])
_TARGETS = st.text("/abAZ09-._~%2eE;:@&=+$,!*'()?", max_size=20).map(
    lambda text: b"/" + text.encode()
)
_VALUES = st.binary(max_size=12).map(
    lambda data: bytes(b for b in data if b == 9 or 0x20 <= b < 0x7F or b >= 0x80).strip(b" \t")
)
_NAMES = st.one_of(
    st.sampled_from(
        [b"Accept", b"Cookie", b"X-A", b"Connection", b"TE", b"Trailer", b"User-Agent"]
    ),
    _TOKEN,
).filter(
    lambda name: (
        name.lower()
        not in (
            b"host",
            b"content-length",
            b"transfer-encoding",
            b"expect",
            b"upgrade",
            b"connection",
        )
    )
)
_FIELDS = st.lists(st.tuples(_NAMES, _VALUES), max_size=4)
_EXTENSIONS = st.sampled_from([b"", b"", b"", b";a", b";a=b", b';a="b;c"', b" ; a = b", b";a;b=c"])

ODD_PIECES: Sequence[bytes] = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\n\n",
        b"\r\n ",
        b"\r\n\t",
        b" ",
        b"\t",
        b"\x0b",
        b"\x0c",
    ),
    *(
        b"\x00",
        b"\x7f",
        b"\x80",
        b"\xff",
        b":",
        b": ",
        b" : ",
        b",",
        b";",
        b'"',
        b"\\",
        b"0",
        b"1",
        b"-",
    ),
    *(
        b"+",
        b"0x",
        b"_",
        b"GET ",
        b"POST ",
        b"/ ",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/2.0\r\n",
    ),
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    *(
        b"Host: h\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 05\r\n",
    ),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding:",
    ),
    *(b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"X: y\r\n"),
    *(
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"5;a=b\r\nhello\r\n",
        b"5\nhello\n",
        b"hello",
        b"A\r\n",
    ),
    *(
        b"ffffffffffffffff\r\n",
        b"10000000000000005\r\n",
        b"0\r\nX: y\r\n\r\n",
        b"GET /x HTTP/1.1\r\n",
    ),
)


@st.composite
def _fields(draw: st.DrawFn) -> bytes:
    lines = []
    for name, value in draw(_FIELDS):
        space = draw(st.sampled_from([b" ", b" ", b" ", b"", b"  ", b"\t"]))
        lines.append(name + b":" + space + value + draw(st.sampled_from([b"", b"", b" ", b"\t"])))
    return b"".join(line + b"\r\n" for line in lines)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A framing field, and a body in that framing."""
    content = draw(st.binary(max_size=40))
    kind = draw(st.sampled_from(["none", "length", "length", "chunked", "chunked"]))
    if kind == "none":
        return b"", b""
    if kind == "length":
        return b"Content-Length: %d\r\n" % len(content), content
    sent = b""
    while content:
        size = draw(st.integers(1, len(content)))
        form = draw(st.sampled_from([b"%x", b"%X", b"0%x"]))
        sent += form % size + draw(_EXTENSIONS) + b"\r\n" + content[:size] + b"\r\n"
        content = content[size:]
    trailer = draw(st.sampled_from([b"", b"", b"X-T: 1\r\n"]))
    return b"Transfer-Encoding: chunked\r\n", sent + b"0" + draw(
        _EXTENSIONS
    ) + b"\r\n" + trailer + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One to three well-formed requests."""
    sent = b""
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        framing, body = draw(bodies())
        line = draw(_METHODS) + b" " + draw(_TARGETS) + b" HTTP/1.1\r\n"
        sent += line + b"Host: h.example\r\n" + draw(_fields()) + framing + b"\r\n" + body
    return sent


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A well-formed response, with interim ones in front of some."""
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]))
    framing, body = draw(bodies())
    line = draw(st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 500 "]))
    return interim + line + b"\r\n" + draw(_fields()) + framing + b"\r\n" + body


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Something well-formed with one to four changes."""
    data = draw(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 4)))
        piece = draw(
            st.one_of(st.sampled_from(ODD_PIECES), st.binary(max_size=2), st.just(data[at:to]))
        )
        how = draw(st.sampled_from(["insert", "replace", "delete"]))
        if how == "insert":
            data = data[:at] + piece + data[at:]
        elif how == "replace":
            data = data[:at] + piece + data[to:]
        else:
            data = data[:at] + data[to:]
    return data


odd = st.lists(st.sampled_from(ODD_PIECES), max_size=12).map(b"".join)


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces."""
    if draw(st.booleans()):
        return [data[at : at + 1] for at in range(len(data))]
    places = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=6)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]
