"""The parser remembers the last request: the next one is still parsed byte by byte."""

import pytest

from tests.hostile.oracles import ParsedRequest, ours

GET = b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n"
OTHER = b"GET /b HTTP/1.1\r\nhost: h\r\n\r\n"
HEAD_OF_POST = b"POST /c HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n"
CUT = b"GET /d HTTP/1.1\r\nx-a: "


def asked(*pieces: bytes) -> list[tuple[bytes, bytes, bytes]]:
    reading = ours(list(pieces))
    assert not reading.refused
    return [(each.method, each.target, each.body) for each in reading.complete]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([GET, GET, GET], [b"/a", b"/a", b"/a"], id="the same again"),
        pytest.param([GET, OTHER, GET], [b"/a", b"/b", b"/a"], id="another one between"),
        pytest.param([GET + OTHER] * 3, [b"/a", b"/b"] * 3, id="two in each read"),
        pytest.param([GET, GET + OTHER, GET], [b"/a", b"/a", b"/b", b"/a"], id="one, then two"),
        pytest.param([GET, GET[:9], GET[9:]], [b"/a", b"/a"], id="cut the second time"),
        pytest.param([GET, b"\r\n", GET], [b"/a", b"/a"], id="after an empty line"),
        pytest.param([GET, GET[:-1], b"\n", GET], [b"/a"] * 3, id="the last byte comes later"),
    ],
)
def test_a_request_is_not_taken_for_the_one_before(
    pieces: list[bytes], expected: list[bytes]
) -> None:
    assert asked(*pieces) == [(b"GET", target, b"") for target in expected]


def test_bytes_of_the_last_request_may_be_the_end_of_a_field() -> None:
    """After half a head the same bytes are its rest. Parsing them as a request would allow request smuggling."""
    reading = ours([GET, CUT, GET])
    assert [each.target for each in reading.complete] == [b"/a", b"/d"]
    assert (b"x-a", b"GET /a HTTP/1.1") in reading.complete[1].headers


def test_bytes_of_the_last_request_may_be_a_body() -> None:
    post = b"POST /c HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(GET)
    assert asked(GET, post, GET, GET) == [
        (b"GET", b"/a", b""),
        (b"POST", b"/c", GET),
        (b"GET", b"/a", b""),
    ]


def test_a_body_may_come_in_another_read_than_its_head() -> None:
    expected = [(b"POST", b"/c", b"abc")] * 3
    assert asked(HEAD_OF_POST, b"abc", HEAD_OF_POST, b"abc", HEAD_OF_POST + b"abc") == expected


def test_two_empty_lines_are_refused_after_a_remembered_request() -> None:
    assert [ours([GET, b"\r\n", b"\r\n", GET]).refused, ours([GET, b"\r\n\r\n" + GET]).refused] == [
        True,
        True,
    ]
    assert isinstance(ours([GET]).requests[0], ParsedRequest)
