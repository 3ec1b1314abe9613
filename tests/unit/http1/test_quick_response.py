"""The quick reader of responses: it reads a head as the strict reader does, or passes it on."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.http1 import quick_response as kinds
from proxy.http1.quick_response import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    MAX_LINES,
    KnownResponseLines,
    read_quick_response,
)
from proxy.http1.response_head import MalformedResponse, ResponseHead, read_response_head
from proxy.model import written_name
from proxy.routing.transforms.response import head_block, unchanged
from tests.hostile.cases import Hostile
from tests.hostile.corpus import HOSTILE
from tests.hostile.strategies import mutated, responses

HEADER = b"x-facade-decision"
OK = b"HTTP/1.1 200 OK\r\n"
_FUZZ = settings(
    max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def read(data: bytes) -> ResponseHead | None:
    """The head by the quick reader, which is the head by the strict reader; twice, with lines that are then known."""
    known = KnownResponseLines()
    read_quick_response(data, known)
    quick = read_quick_response(data, known)
    if quick is None:
        return None
    head, body_at = quick
    end = data.find(b"\r\n\r\n")
    assert body_at == end + 4
    try:
        strict = read_response_head(data[:end])
    except (MalformedResponse, BadRequest) as error:
        raise AssertionError("refused by the strict reader") from error
    assert (head.status, head.is_http10) == (strict.status, strict.is_http10)
    assert head.fields == strict.fields
    spellings = [[written_name(name) for name, _ in each.pairs] for each in (head, strict)]
    assert spellings[0] == spellings[1]
    _assert_same_for_clients(head, strict)
    return head


def _assert_same_for_clients(head: ResponseHead, strict: ResponseHead) -> None:
    """The head block, also if it is made again after edits, and also for a header that is the decision's."""
    for header in (HEADER, *(name for name, _ in strict.pairs)):
        mine, theirs = unchanged(head, bytes(header)), unchanged(strict, bytes(header))
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert mine[0] == theirs[0]
            assert head_block(head, mine[1]) == head_block(strict, theirs[1])


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"Server: x", kinds.PLAIN),
        (b"x-a:\t 1 2 \t", kinds.PLAIN),
        (b"Content-Length: 12", kinds.LENGTH),
        (b"content-length: 1,1", kinds.STRICT),
        (b"content-length: " + b"9" * 19, kinds.STRICT),
        (b"Transfer-Encoding: Chunked", kinds.CHUNKED),
        (b"Transfer-Encoding: gzip, chunked", kinds.STRICT),
        (b"Connection: Close", kinds.CLOSE),
        (b"Connection: Keep-Alive", kinds.KEEP_ALIVE),
        (b"Connection: close, x-a", kinds.STRICT),
        (b"Keep-Alive: timeout=5", kinds.DROPPED),
        *((b"%b: x" % name, kinds.MAPPED) for name in (b"Location", b"Set-Cookie", b"Upgrade")),
        *((b"%b: x" % name, kinds.MAPPED) for name in (b"X-Request-ID", b"Refresh", b"Link")),
        *((b"%b: x" % name, kinds.STRICT) for name in (b"WWW-Authenticate", b"Persistent-Auth")),
        *((line, kinds.STRICT) for line in (b"", b"x", b": x", b" x: y", b"x : y", b"x: a\nb: c")),
    ],
)
def test_a_line_is(line: bytes, kind: int) -> None:
    known = KnownResponseLines()
    for _ in range(2):
        found, (name, value), sent = known[line]
        assert found == kind
        plain = b"%b: %b\r\n" % (written_name(name), value)
        assert sent == (plain if kind == kinds.PLAIN else b"")


@pytest.mark.parametrize(
    ("lines", "length", "close"),
    [
        ((b"Server: x", b"content-length: 2"), 2, False),
        ((b"Content-Length: 0", b"Connection: close", b"X-A: 1", b"x-a: 2"), 0, True),
        ((b"ETag: x", b"Connection: keep-alive", b"Keep-Alive: timeout=5"), None, False),
        ((b"Transfer-Encoding: chunked", b"X-A: 1"), None, False),
        ((b"Set-Cookie: a=1", b"Location: /x", b"Content-Length: 3"), 3, False),
        ((b"X-Facade-Decision: forged", b"Content-Length: 3"), 3, False),
        ((b"X-A: see x-facade-decision", b"Content-Length: 3"), 3, False),
        ((), None, False),
    ],
)
@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/1.1 204 No Content"])
@pytest.mark.parametrize("body", [b"", b"abc", b"\r\n\r\n"])
def test_a_usual_head_is_read(
    line: bytes, lines: tuple[bytes, ...], length: int | None, close: bool, body: bytes
) -> None:
    head = read(b"\r\n".join((line, *lines, b"", body)))
    assert head is not None
    assert (head.fields.length, head.fields.close) == (length, close)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        OK,
        OK + b"a: b\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 Fine\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"\r\n" + OK + b"\r\n",
        OK + b"content-length: 1\r\ncontent-length: 1\r\n\r\n",
        OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n",
        OK + b"a: b\n\r\n\r\n",
        OK + b"a: b\r\n c\r\n\r\n",
        OK + b"a: b\r\n" * MAX_FIELDS + b"\r\n",
        OK + b"a: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_another_head_is_passed_on(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_both_readers_agree_about_hostile_responses(case: Hostile) -> None:
    pieces = [piece for piece in case.pieces if piece]
    for data in (*pieces, b"".join(pieces)):
        read(data)


@pytest.mark.untraced
def test_both_readers_agree_about_random_responses() -> None:
    @_FUZZ
    @given(st.one_of(responses(), mutated(responses())))
    def agree(data: bytes) -> None:
        read(data)

    agree()


def test_a_flood_of_lines_does_not_grow_what_is_kept() -> None:
    known = KnownResponseLines()
    for number in range(3 * MAX_LINES):
        assert known[b"x-a: %d" % number][1] == (b"x-a", b"%d" % number)
        assert len(known) <= MAX_LINES


@pytest.mark.parametrize(
    "line", [b"Set-Cookie: a=1", b"ETag: x", b"x: " + b"y" * (MAX_LINE_BYTES - 2), b"malformed"]
)
def test_a_line_of_one_response_is_not_kept(line: bytes) -> None:
    known = KnownResponseLines()
    assert known[line]
    assert len(known) == 0
