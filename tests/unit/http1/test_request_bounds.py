"""What a reader of requests refuses before it has all of a head, and what it lets go on."""

import contextlib

import pytest

from proxy.errors import BadRequest, HeadTooLarge, RequestError, UriTooLong
from tests.unit.http1.request_calls import reading

GET = b"GET /a HTTP/1.1\r\n\r\n"
LINE = b"GET /a HTTP/1.1\r\n"

Pieces = tuple[bytes, ...]


# --- empty lines in front (RFC 9112 2.2) ----------------------------------------------------------


@pytest.mark.parametrize(
    "pieces",
    [
        (b"\r\n" + GET,),
        (b"\r\n", GET),
        (b"\r", b"\n", GET),
        (b"\r", b"\n" + GET),
        (GET + b"\r\n" + GET,),
        (b"\r\n" + GET, b"\r\n" + GET),
    ],
)
def test_one_empty_line_in_front_of_a_request_is_passed_over(pieces: Pieces) -> None:
    heard, reader = reading()
    for piece in pieces:
        reader.feed(piece)
        if reader.waits:
            reader.proceed()
    assert heard.said() == [("head", b"/a", b"")] * b"".join(pieces).count(GET)
    assert reader.held_bytes == 0


@pytest.mark.parametrize(
    "pieces",
    [
        (b"\n" + GET,),
        (b"\r" + GET,),
        (b"\r", GET),
        (b"\r\n\r\n" + GET,),
        (b"\r\n\n" + GET,),
        (b"\r\n", b"\r\n" + GET),
        (b"\r\n", b"\r"),
    ],
)
def test_more_than_that_is_refused(pieces: Pieces) -> None:
    heard, reader = reading()
    *first, last = pieces
    for piece in first:
        reader.feed(piece)
    with pytest.raises(BadRequest, match="empty lines in front"):
        reader.feed(last)
    assert heard.said() == []


# --- bounds, and nonsense that need not wait for its end ------------------------------------------


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"GET /" + b"x" * 95,), id="a line as long as a head may be"),
        pytest.param((LINE + b"a: " + b"x" * 80,), id="a head as long as it may be"),
        pytest.param((b"\r\n" + LINE + b"a: " + b"x" * 80,), id="behind an empty line"),
        pytest.param((GET + LINE + b"a: " + b"x" * 80,), id="behind a request"),
        pytest.param((LINE + b"a: b\r\n" * 3,), id="as many fields as there may be"),
        pytest.param((b"M" * 64,), id="a method as long as it may be"),
        pytest.param((b"M" * 64 + b" ",), id="and its space"),
        pytest.param((b"G", b"E", b"T", b" "), id="byte by byte"),
    ],
)
def test_a_head_within_its_bounds_is_held_until_its_end_comes(pieces: Pieces) -> None:
    heard, reader = reading()
    for piece in pieces:
        reader.feed(piece)
        if reader.waits:
            reader.proceed()
    began = b"".join(pieces).removeprefix(b"\r\n").removeprefix(GET)
    assert reader.take_rest() == began
    assert all(call == ("head", b"/a", b"") for call in heard.said())


@pytest.mark.parametrize("before", [b"", b"\r\n", GET])
@pytest.mark.parametrize(
    "head", [LINE + b"a: " + b"x" * 80 + b"\r\n\r\n", LINE + b"a: b\r\n" * 3 + b"\r\n"]
)
def test_a_whole_head_within_its_bounds_is_read_whatever_came_before(
    before: bytes, head: bytes
) -> None:
    heard, reader = reading()
    reader.feed(before + head)
    reader.proceed()
    assert heard.said()[-1] == ("head", b"/a", b"")
    assert reader.held_bytes == 0


@pytest.mark.parametrize(
    ("head", "fits"),
    [
        pytest.param(LINE + b"a: " + b"x" * 80, True, id="as large as it may be"),
        pytest.param(LINE + b"a: " + b"x" * 81, False, id="a byte larger"),
        pytest.param(LINE + b"a: b\r\na: b\r\na: b", True, id="as many fields as there may be"),
        pytest.param(LINE + b"a: b\r\na: b\r\na: b\r\na: b", False, id="a field more"),
        pytest.param(
            b"GET /" + b"x" * 86 + b" HTTP/1.1", True, id="as long a line as there may be"
        ),
        pytest.param(b"GET /" + b"x" * 87 + b" HTTP/1.1", False, id="a longer line"),
    ],
)
def test_a_head_is_judged_alike_wherever_it_is_cut(head: bytes, fits: bool) -> None:
    whole = head + b"\r\n\r\n"
    for at in range(len(whole)):
        heard, reader = reading()
        with contextlib.nullcontext() if fits else pytest.raises((HeadTooLarge, UriTooLong)):
            for piece in (whole[:at], whole[at:]):
                if piece:
                    reader.feed(piece)
        assert len(heard.said()) == fits, at


@pytest.mark.parametrize(
    ("pieces", "kind", "said"),
    [
        ((b"GET /" + b"x" * 96,), UriTooLong, "longer than 100 bytes"),
        ((b"GET /" + b"x" * 90, b"y" * 6), UriTooLong, "longer than 100 bytes"),
        ((b"GET /" + b"x" * 100 + b" HTTP/1.1\r\n\r\n",), UriTooLong, "longer than 100 bytes"),
        ((LINE + b"a: " + b"x" * 81,), HeadTooLarge, "larger than 100 bytes"),
        ((LINE, b"a: " + b"x" * 81 + b"\r\n\r\n"), HeadTooLarge, "larger than 100 bytes"),
        ((LINE + b"a: b\r\n" * 4,), HeadTooLarge, "more than 3 header fields"),
        ((LINE + b"a: b\r\n" * 4 + b"\r\n",), HeadTooLarge, "more than 3 header fields"),
        ((b"GET /a\x00",), BadRequest, "control character"),
        ((LINE, b"a: \x0b"), BadRequest, "control character"),
        ((b"GET /a HTTP/1.1\na: b",), BadRequest, "ends without CR LF"),
        ((LINE, b"a: b\n"), BadRequest, "ends without CR LF"),
        ((b"M" * 65,), BadRequest, "does not begin with a method"),
        ((b" GET /",), BadRequest, "does not begin with a method"),
        ((b"\r GET /",), BadRequest, "empty lines in front"),
        ((b"(GET",), BadRequest, "does not begin with a method"),
        ((b"GET", b"\xff /"), BadRequest, "does not begin with a method"),
    ],
)
def test_the_beginning_of_a_head_is_judged_as_it_comes(
    pieces: Pieces, kind: type[RequestError], said: str
) -> None:
    heard, reader = reading()
    *first, last = pieces
    for piece in first:
        reader.feed(piece)
    with pytest.raises(RequestError, match=said) as refused:
        reader.feed(last)
    assert type(refused.value) is kind
    assert heard.said() == []
