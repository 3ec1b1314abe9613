"""A chunked body, byte by byte: what it holds, where it ends, what is refused (RFC 9112 7.1)."""

import pytest

from proxy.errors import BadRequest, HeadTooLarge
from proxy.http1.chunked import (
    MAX_LINE_BYTES,
    MAX_TRAILER_BYTES,
    MAX_TRAILERS,
    ChunkReader,
    whole_chunked,
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
        pytest.param(END, b"", id="nothing"),
        pytest.param(b"3\r\nabc\r\n" + END, b"abc", id="one chunk"),
        pytest.param(b"3\r\nabc\r\n2\r\n\r\n\r\n" + END, b"abc\r\n", id="two, line ends inside"),
        pytest.param(b"0000A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", id="zeros, hexadecimal"),
        pytest.param(b'3;a;b=c ; d="\\"; x"\r\nabc\r\n' + END, b"abc", id="extensions are dropped"),
    ],
)
def test_a_body_is_read_wherever_it_is_cut(data: bytes, body: bytes) -> None:
    for at in range(len(data)):
        found, reader = read(*cut_at(data, at))
        assert (found, reader.over, reader.rest, reader.trailers) == (body, True, b"", [])
    found, reader = read(*(data[at : at + 1] for at in range(len(data))))
    assert (found, reader.over) == (body, True)


def test_a_body_that_came_half_is_given_half_and_is_not_over() -> None:
    body, reader = read(b"5\r\nab", b"c")
    assert (body, reader.over) == (b"abc", False)


@pytest.mark.parametrize(
    ("raw", "trailers"),
    [
        (b"X-Sum: 1\r\n", [(b"x-sum", b"1")]),
        (b"a: 1\r\nb: 2\r\na: 3\r\n", [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]),
    ],
)
def test_trailers_are_kept_apart_wherever_they_are_cut(raw: bytes, trailers: HeaderPairs) -> None:
    data = b"1\r\nx\r\n0\r\n" + raw + b"\r\n"
    for at in range(len(data)):
        body, reader = read(*cut_at(data, at))
        assert (body, reader.over, reader.trailers) == (b"x", True, trailers)


@pytest.mark.parametrize("trailers", [b"", b"a: b\r\n"])
def test_what_follows_the_body_is_no_part_of_it(trailers: bytes) -> None:
    whole = b"1\r\nx\r\n0\r\n" + trailers + b"\r\n"
    body, reader = read(whole + b"2\r\nGET")
    assert (body, reader.over, reader.rest) == (b"x", True, b"2\r\nGET")
    body, reader = read(whole, b"2\r\nGET")
    assert (body, reader.over, reader.rest) == (b"x", True, b"2\r\nGET")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"\r\n", "hexadecimal", id="no size"),
        pytest.param(b"g\r\n", "hexadecimal", id="no digit"),
        pytest.param(b"0x3\r\n", "hexadecimal", id="a prefix"),
        pytest.param(b"-1\r\n", "hexadecimal", id="a sign"),
        pytest.param(b" 3\r\n", "hexadecimal", id="a space in front"),
        pytest.param(b"3 \r\n", "hexadecimal", id="a space behind"),
        pytest.param(b"1" * 16 + b"\r\n", "hexadecimal", id="16 digits"),
        pytest.param(b"3;\r\n", "hexadecimal", id="an extension without name"),
        pytest.param(b'3;a="b\r\n', "hexadecimal", id="a quotation mark that is not closed"),
        pytest.param(b"3\nabc", "CR LF", id="a bare line feed behind the size"),
        pytest.param(b"\n", "CR LF", id="a bare line feed alone"),
        pytest.param(b"3\r\nabcd", "longer than its size", id="a byte too many"),
        pytest.param(b"3\r\nabc\n", "longer than its size", id="a bare line feed behind a chunk"),
        pytest.param(b"3\r\nabc\rx", "longer than its size", id="half a line end"),
        pytest.param(b"0\r\na: b\n", "without CR LF", id="a bare line feed behind a trailer"),
        pytest.param(b"0\r\nab\r\n\r\n", "its name a token", id="a trailer that is none"),
        pytest.param(b"1;" + b"a" * MAX_LINE_BYTES, "longer than", id="a size line without end"),
        pytest.param(b"1;" + b"a" * MAX_LINE_BYTES + b"\r\n", "CR LF", id="a size line too long"),
    ],
)
def test_what_is_no_chunk_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as refused:
        read(data)
    assert refused.value.status == 400


def test_extensions_may_not_outgrow_the_body() -> None:
    chunk = b"1;" + b"a" * 1000 + b"\r\nx\r\n"
    body, _ = read(chunk * 16)
    assert body == b"x" * 16
    with pytest.raises(BadRequest, match="out of proportion"):
        read(chunk * 17)


@pytest.mark.parametrize(
    ("trailers", "fit"),
    [
        pytest.param(b"a: 1\r\n" * MAX_TRAILERS, True, id="as many as there may be"),
        pytest.param(b"a: 1\r\n" * (MAX_TRAILERS + 1), False, id="one more"),
        pytest.param(b"a: %b\r\n" % (b"x" * (MAX_TRAILER_BYTES - 5)), True, id="as large"),
        pytest.param(b"a: %b\r\n" % (b"x" * (MAX_TRAILER_BYTES - 4)), False, id="a byte larger"),
    ],
)
def test_trailers_are_judged_alike_wherever_they_are_cut(trailers: bytes, fit: bool) -> None:
    data = b"0\r\n" + trailers + b"\r\n"
    for at in [*range(10), *range(len(data) - 10, len(data))]:
        if fit:
            assert read(*cut_at(data, at))[1].over
        else:
            with pytest.raises(HeadTooLarge):
                read(*cut_at(data, at))


def test_trailers_without_end_are_not_waited_for() -> None:
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
    assert whole_chunked(body) == data
    assert read(data)[0] == body
