"""Limits of a request's head, and what is refused before the whole head has come."""

import contextlib

import pytest

from proxy.errors import BadRequest, HeadTooLarge, RequestError, UriTooLong
from tests.unit.http1.request_calls import new_parser

GET = b"GET /a HTTP/1.1\r\n\r\n"
LINE = b"GET /a HTTP/1.1\r\n"

Pieces = tuple[bytes, ...]


# --- empty lines before a request (RFC 9112 2.2) ----------------------------------------------------------


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
def test_one_empty_line_before_a_request_is_skipped(pieces: Pieces) -> None:
    sink, parser = new_parser()
    for piece in pieces:
        parser.feed(piece)
        if parser.is_complete:
            parser.proceed()
    assert sink.take_calls() == [("head", b"/a", b"")] * b"".join(pieces).count(GET)
    assert parser.held_bytes == 0


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
def test_other_line_ends_before_a_request_are_refused(pieces: Pieces) -> None:
    sink, parser = new_parser()
    *first, last = pieces
    for piece in first:
        parser.feed(piece)
    with pytest.raises(BadRequest, match="empty lines in front"):
        parser.feed(last)
    assert sink.take_calls() == []


# --- limits, and early refusals -------------------------------------------------------------------


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"GET /" + b"x" * 95,), id="a line of the size of a head"),
        pytest.param((LINE + b"a: " + b"x" * 80,), id="a head of the greatest size"),
        pytest.param((b"\r\n" + LINE + b"a: " + b"x" * 80,), id="after an empty line"),
        pytest.param((GET + LINE + b"a: " + b"x" * 80,), id="after a request"),
        pytest.param((LINE + b"a: b\r\n" * 3,), id="the greatest number of fields"),
        pytest.param((b"M" * 64,), id="the longest method"),
        pytest.param((b"M" * 64 + b" ",), id="the longest method and its space"),
        pytest.param((b"G", b"E", b"T", b" "), id="byte by byte"),
    ],
)
def test_an_incomplete_head_within_the_limits_is_buffered(pieces: Pieces) -> None:
    sink, parser = new_parser()
    for piece in pieces:
        parser.feed(piece)
        if parser.is_complete:
            parser.proceed()
    incomplete = b"".join(pieces).removeprefix(b"\r\n").removeprefix(GET)
    assert parser.take_rest() == incomplete
    assert all(call == ("head", b"/a", b"") for call in sink.take_calls())


@pytest.mark.parametrize("before", [b"", b"\r\n", GET])
@pytest.mark.parametrize(
    "head", [LINE + b"a: " + b"x" * 80 + b"\r\n\r\n", LINE + b"a: b\r\n" * 3 + b"\r\n"]
)
def test_a_head_within_the_limits_is_read_whatever_came_before(before: bytes, head: bytes) -> None:
    sink, parser = new_parser()
    parser.feed(before + head)
    parser.proceed()
    assert sink.take_calls()[-1] == ("head", b"/a", b"")
    assert parser.held_bytes == 0


@pytest.mark.parametrize(
    ("head", "fits"),
    [
        pytest.param(LINE + b"a: " + b"x" * 80, True, id="the greatest size"),
        pytest.param(LINE + b"a: " + b"x" * 81, False, id="one byte larger"),
        pytest.param(LINE + b"a: b\r\na: b\r\na: b", True, id="the greatest number of fields"),
        pytest.param(LINE + b"a: b\r\na: b\r\na: b\r\na: b", False, id="one field more"),
        pytest.param(b"GET /" + b"x" * 86 + b" HTTP/1.1", True, id="the longest line"),
        pytest.param(b"GET /" + b"x" * 87 + b" HTTP/1.1", False, id="a longer line"),
    ],
)
def test_the_limits_hold_wherever_a_head_is_cut(head: bytes, fits: bool) -> None:
    whole = head + b"\r\n\r\n"
    for at in range(len(whole)):
        sink, parser = new_parser()
        with contextlib.nullcontext() if fits else pytest.raises((HeadTooLarge, UriTooLong)):
            for piece in (whole[:at], whole[at:]):
                if piece:
                    parser.feed(piece)
        assert len(sink.take_calls()) == fits, at


@pytest.mark.parametrize(
    ("pieces", "kind", "message"),
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
def test_a_head_is_refused_before_its_end_comes(
    pieces: Pieces, kind: type[RequestError], message: str
) -> None:
    sink, parser = new_parser()
    *first, last = pieces
    for piece in first:
        parser.feed(piece)
    with pytest.raises(RequestError, match=message) as refused:
        parser.feed(last)
    assert type(refused.value) is kind
    assert sink.take_calls() == []
