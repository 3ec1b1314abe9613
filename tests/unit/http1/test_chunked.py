"""Chunked bodies: data, end, trailers and refusals, wherever reads are cut (RFC 9112 7.1)."""

import pytest

from proxy.errors import BadRequest, HeadTooLarge
from proxy.http1.chunked import (
    MAX_LINE_BYTES,
    MAX_TRAILER_BYTES,
    MAX_TRAILERS,
    ChunkReader,
    chunked_body,
)
from proxy.model import HeaderPairs

END = b"0\r\n\r\n"


def read(*pieces: bytes) -> tuple[bytes, ChunkReader]:
    reader = ChunkReader()
    body = b"".join(part for piece in pieces for part in reader.feed(piece))
    return body, reader


def cut_at(data: bytes, at: int) -> list[bytes]:
    return [piece for piece in (data[:at], data[at:]) if piece]


@pytest.mark.parametrize(
    ("data", "body"),
    [
        pytest.param(END, b"", id="empty"),
        pytest.param(b"3\r\nabc\r\n" + END, b"abc", id="one chunk"),
        pytest.param(
            b"3\r\nabc\r\n2\r\n\r\n\r\n" + END, b"abc\r\n", id="two chunks with line ends"
        ),
        pytest.param(
            b"0000A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", id="leading zeros, hexadecimal"
        ),
        pytest.param(b'3;a;b=c ; d="\\"; x"\r\nabc\r\n' + END, b"abc", id="extensions are dropped"),
    ],
)
def test_a_body_is_read_wherever_it_is_cut(data: bytes, body: bytes) -> None:
    for at in range(len(data)):
        content, reader = read(*cut_at(data, at))
        assert (content, reader.complete, reader.rest, reader.trailers) == (body, True, b"", [])
    content, reader = read(*(data[at : at + 1] for at in range(len(data))))
    assert (content, reader.complete) == (body, True)


def test_half_a_body_is_returned_and_is_not_complete() -> None:
    body, reader = read(b"5\r\nab", b"c")
    assert (body, reader.complete) == (b"abc", False)


@pytest.mark.parametrize(
    ("raw", "trailers"),
    [
        (b"X-Sum: 1\r\n", [(b"x-sum", b"1")]),
        (b"a: 1\r\nb: 2\r\na: 3\r\n", [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]),
    ],
)
def test_trailers_are_returned_wherever_they_are_cut(raw: bytes, trailers: HeaderPairs) -> None:
    data = b"1\r\nx\r\n0\r\n" + raw + b"\r\n"
    for at in range(len(data)):
        body, reader = read(*cut_at(data, at))
        assert (body, reader.complete, reader.trailers) == (b"x", True, trailers)


@pytest.mark.parametrize("trailers", [b"", b"a: b\r\n"])
def test_bytes_after_the_body_are_kept_apart(trailers: bytes) -> None:
    whole = b"1\r\nx\r\n0\r\n" + trailers + b"\r\n"
    body, reader = read(whole + b"2\r\nGET")
    assert (body, reader.complete, reader.rest) == (b"x", True, b"2\r\nGET")
    body, reader = read(whole, b"2\r\nGET")
    assert (body, reader.complete, reader.rest) == (b"x", True, b"2\r\nGET")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"\r\n", "hexadecimal", id="no size"),
        pytest.param(b"g\r\n", "hexadecimal", id="no digit"),
        pytest.param(b"0x3\r\n", "hexadecimal", id="a prefix"),
        pytest.param(b"-1\r\n", "hexadecimal", id="a sign"),
        pytest.param(b" 3\r\n", "hexadecimal", id="a space before"),
        pytest.param(b"3 \r\n", "hexadecimal", id="a space after"),
        pytest.param(b"1" * 16 + b"\r\n", "hexadecimal", id="16 digits"),
        pytest.param(b"3;\r\n", "hexadecimal", id="an extension without name"),
        pytest.param(b'3;a="b\r\n', "hexadecimal", id="an unclosed quotation mark"),
        pytest.param(b"3\nabc", "CR LF", id="a bare line feed after the size"),
        pytest.param(b"\n", "CR LF", id="a bare line feed alone"),
        pytest.param(b"3\r\nabcd", "longer than its size", id="a byte too many"),
        pytest.param(b"3\r\nabc\n", "longer than its size", id="a bare line feed after a chunk"),
        pytest.param(b"3\r\nabc\rx", "longer than its size", id="half a line end"),
        pytest.param(b"0\r\na: b\n", "without CR LF", id="a bare line feed after a trailer"),
        pytest.param(b"0\r\nab\r\n\r\n", "its name a token", id="an invalid trailer"),
        pytest.param(b"1;" + b"a" * MAX_LINE_BYTES, "longer than", id="an endless size line"),
        pytest.param(b"1;" + b"a" * MAX_LINE_BYTES + b"\r\n", "CR LF", id="a size line too long"),
    ],
)
def test_an_invalid_chunk_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refused:
        read(data)
    assert refused.value.status == 400


def test_extensions_out_of_proportion_to_the_body_are_refused() -> None:
    chunk = b"1;" + b"a" * 1000 + b"\r\nx\r\n"
    body, _ = read(chunk * 16)
    assert body == b"x" * 16
    with pytest.raises(BadRequest, match="out of proportion"):
        read(chunk * 17)


@pytest.mark.parametrize(
    ("trailers", "fits"),
    [
        pytest.param(b"a: 1\r\n" * MAX_TRAILERS, True, id="the greatest number"),
        pytest.param(b"a: 1\r\n" * (MAX_TRAILERS + 1), False, id="one more"),
        pytest.param(b"a: %b\r\n" % (b"x" * (MAX_TRAILER_BYTES - 5)), True, id="the greatest size"),
        pytest.param(b"a: %b\r\n" % (b"x" * (MAX_TRAILER_BYTES - 4)), False, id="one byte larger"),
    ],
)
def test_the_limits_of_trailers_hold_wherever_they_are_cut(trailers: bytes, fits: bool) -> None:
    data = b"0\r\n" + trailers + b"\r\n"
    for at in [*range(10), *range(len(data) - 10, len(data))]:
        if fits:
            assert read(*cut_at(data, at))[1].complete
        else:
            with pytest.raises(HeadTooLarge):
                read(*cut_at(data, at))


def test_too_many_trailers_are_refused_before_their_end() -> None:
    with pytest.raises(HeadTooLarge):
        read(b"0\r\n" + b"a: 1\r\n" * (MAX_TRAILERS + 2))
    with pytest.raises(HeadTooLarge):
        read(b"0\r\na: " + b"x" * MAX_TRAILER_BYTES)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        pytest.param(b"", END, id="an empty body is its last chunk"),
        pytest.param(b"x" * 27, b"1b\r\n" + b"x" * 27 + b"\r\n" + END, id="one chunk and the last"),
    ],
)
def test_a_whole_body_is_written_as_chunks(body: bytes, data: bytes) -> None:
    assert chunked_body(body) == data
    assert read(data)[0] == body
