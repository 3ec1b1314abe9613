"""Deviations of old backends: read where the table tolerates them, and only then (promise U4)."""

from typing import get_args

import pytest

from proxy.http1.lenient_response import LenientResponseParser, strict_head
from proxy.http1.response_head import MAX_HEAD_BYTES
from proxy.http1.response_parser import OVER, LastResponse, ResponseParser
from proxy.model import Deviation
from proxy.upstream.failures import NOT_HTTP
from tests.unit.http1.responses import RecordingSink

ALL = frozenset(get_args(Deviation))
OK = b"HTTP/1.1 200 OK\r\n"

HEADS = [
    pytest.param(OK + b"a: b\r\n c\r\n\td\r\ncontent-length: 2", ["folded_fields"], id="folds"),
    pytest.param(b"HTTP/1.1 200 OK\na: b c d\ncontent-length: 2", ["bare_lf"], id="bare LF"),
    pytest.param(
        OK + b"a \t: b c d\r\nContent-Length : 2", ["space_before_colon"], id="space before colon"
    ),
    pytest.param(
        OK + b"a: b c d\r\ncontent-length: 2\r\nContent-Length:2",
        ["repeated_content_length"],
        id="two equal lengths",
    ),
    pytest.param(
        OK + b"a: b c d\r\ncontent-length: 2, 2",
        ["repeated_content_length"],
        id="a list of lengths",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\na : b\n c\n d\ncontent-length: 2\ncontent-length : 2",
        ["bare_lf", "folded_fields", "space_before_colon", "repeated_content_length"],
        id="all of them",
    ),
    pytest.param(OK + b"a: b c d\r\ncontent-length: 2", [], id="none"),
]


def feed(tolerated: frozenset[Deviation], *reads: bytes) -> tuple[ResponseParser, list[Deviation]]:
    counted: list[Deviation] = []
    parser = LenientResponseParser(LastResponse(), tolerated, counted.append)
    parser.begin(RecordingSink(), False)
    for data in reads:
        parser.feed(data)
    return parser, counted


@pytest.mark.parametrize("pieces", ["whole", "bytes"])
@pytest.mark.parametrize(("head", "found"), HEADS)
def test_a_tolerated_deviation_is_read_and_counted(
    head: bytes, found: list[Deviation], pieces: str
) -> None:
    end = b"\n\n" if "bare_lf" in found else b"\r\n\r\n"
    data = head + end + b"ok"
    reads = [data] if pieces == "whole" else [data[at : at + 1] for at in range(len(data))]
    parser, counted = feed(ALL, *reads)
    assert counted == found
    assert parser.phase == OVER
    fields = parser._last.head.pairs
    assert fields == [(b"a", b"b c d"), (b"content-length", b"2")]


@pytest.mark.parametrize(("head", "found"), HEADS)
def test_each_deviation_needs_its_own_word(head: bytes, found: list[Deviation]) -> None:
    for missing in found:
        end = b"\n\n" if "bare_lf" in found else b"\r\n\r\n"
        if missing == "bare_lf":
            end = b"\r\n\r\n"
        with pytest.raises(NOT_HTTP):
            feed(ALL - {missing}, head + end + b"ok")


@pytest.mark.parametrize(
    "head",
    [
        OK + b"content-length: 2\r\ncontent-length: 3",
        OK + b"content-length: 2, 3",
        OK + b"content-length: -2\r\ncontent-length: -2",
        b"HTTP/1.1 200 OK\r\n folded: x\r\ncontent-length: 2",
        OK + b"a\r: b",
        OK + b"a: b\x00",
        b"SPDY/1.1 200 OK",
        OK + b"a: " + b"x" * MAX_HEAD_BYTES,
    ],
)
def test_all_else_stays_an_error(head: bytes) -> None:
    with pytest.raises(NOT_HTTP):
        feed(ALL, head + b"\r\n\r\nok")


def test_an_endless_head_is_an_error() -> None:
    with pytest.raises(NOT_HTTP, match="larger"):
        feed(ALL, OK, b"a: " + b"x" * MAX_HEAD_BYTES)


def test_interim_responses_are_read_as_the_final_one() -> None:
    parser, counted = feed(
        ALL, b"HTTP/1.1 103 Early\na : b\n\nHTTP/1.1 200 OK\ncontent-length : 2\n\n", b"ok"
    )
    assert parser.phase == OVER
    assert counted == ["bare_lf", "space_before_colon"] * 2


def test_an_interim_response_alone_waits_for_the_final_one() -> None:
    for first, then in ((b"HTTP", b"/1.1 204 No\n\n"), (b"", b"HTTP/1.1 204 No\n\n")):
        parser, counted = feed(ALL, b"HTTP/1.1 103 Early\n\n" + first, then)
        assert parser.phase == OVER
        assert counted == ["bare_lf"] * 2


def test_a_strict_head_stays_as_it_is() -> None:
    raw = OK + b"a: b\r\ncontent-length: 2\r\n\r\n"
    assert strict_head(raw, ALL) == (raw, [])
    assert strict_head(OK + b"a : b\r\n\r\n", frozenset()) == (OK + b"a : b\r\n\r\n", [])


def test_a_head_with_strict_line_ends_may_come_in_pieces() -> None:
    tolerated: frozenset[Deviation] = frozenset(("folded_fields",))
    parser, counted = feed(tolerated, OK + b"a: b\r\n c\r\n", b"content-length: 0\r\n\r\n")
    assert (parser.phase, counted) == (OVER, ["folded_fields"])
