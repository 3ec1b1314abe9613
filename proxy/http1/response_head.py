"""What an upstream may answer. Pure rules, beside those of `proxy.reading` that hold for every message.

Refused are other protocols and versions, statuses outside 100..599, control bytes, codings other than exactly
`chunked`, coded HTTP/1.0, lengths that are repeated, negative or malformed, both lengths at once, empty lines in
front (finding 8).
"""

import re
from http import HTTPStatus
from typing import Literal

from msgspec import Struct

from proxy.http1.fields import cut_lines, read_field
from proxy.model import HeaderPairs

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 256
MAX_INTERIM = 32
"""Interim answers (1xx) to one request."""
MAX_TRAILER_BYTES = 16 * 1024

Framing = Literal["length", "chunked", "until_close", "none"]
"""How the end of an answer's body is told (RFC 9112 6.3)."""

_MAX_LENGTH_DIGITS = 18
_REMEMBERED_LINES = 64
_REMEMBERED_BYTES = 128
_OF_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection"))

USUAL_LINES = {
    b"HTTP/1.1 %d %b" % (status, status.phrase.encode()): int(status)
    for status in HTTPStatus
    if status >= 200
}
"""The status lines that need no second look."""

_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_NO_BODY = frozenset((204, 304))
# A trailer cannot change framing, routing or authentication (RFC 9110 6.5.1).
_NO_TRAILERS = frozenset(
    (
        b"transfer-encoding",
        b"content-length",
        b"host",
        b"connection",
        b"content-encoding",
        b"content-type",
        b"content-range",
        b"trailer",
        b"te",
        b"upgrade",
        b"set-cookie",
        b"authorization",
        b"cache-control",
        b"location",
    )
)


class Malformed(Exception):
    """An answer that cannot be passed on. Stays inside this package."""


def status_of(line: bytes) -> int:
    """The status of a status line. Raises Malformed unless it is one of HTTP/1.0 or 1.1."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise Malformed("its status line is not one of HTTP/1.1")
    return int(found[1])


def check_beginning(head: bytes, seen: int = 0) -> None:
    """Look at the first part of a head, so that nonsense need not wait for a time-out. Raises Malformed.

    The first `seen` bytes were looked at before: one that drips must not cost more than one that comes at once.
    """
    if len(head) > MAX_HEAD_BYTES:
        raise Malformed(f"its head is larger than {MAX_HEAD_BYTES} bytes")
    if not head.startswith(b"HTTP/1."[: len(head)]):
        raise Malformed("it does not begin with a status line of HTTP/1.1")
    if head.count(b"\n", seen) != head.count(b"\r\n", max(seen - 1, 0)):
        raise Malformed("a line of its head ends without CR")


class ResponseFields(Struct, frozen=True):
    """The fields of an answer, and what they say of its end."""

    pairs: HeaderPairs
    length: int | None = None
    chunked: bool = False
    close: bool = False
    """`Connection: close`."""


class ResponseHead(Struct, frozen=True, eq=False):
    """The head of an answer. `old` is one of HTTP/1.0. Equal heads of one connection share one value (ADR 11)."""

    status: int
    old: bool
    fields: ResponseFields
    made: dict[bytes, tuple[bytes, HeaderPairs] | None] = {}
    """What whoever passes it on made of it, to have it at hand when it comes again."""

    @property
    def pairs(self) -> HeaderPairs:
        """Names in lower case, framing fields included."""
        return self.fields.pairs


def read_response_head(raw: bytes, known: dict[bytes, tuple[bytes, bytes]]) -> ResponseHead:
    """A head without its empty line. Raises Malformed or BadRequest. `known` is for `read_response_fields`."""
    lines = cut_lines(raw)
    status = USUAL_LINES.get(lines[0]) or status_of(lines[0])
    return ResponseHead(
        status, lines[0].startswith(b"HTTP/1.0"), read_response_fields(lines, known)
    )


def check_switch(head: ResponseHead, may_switch: bool) -> None:
    """Raises Malformed for a 101 that nobody asked for (RFC 9110 15.2.2)."""
    if head.old or not may_switch:
        raise Malformed("it switched protocols unasked")


def read_response_fields(
    lines: list[bytes], known: dict[bytes, tuple[bytes, bytes]]
) -> ResponseFields:
    """Reads the lines behind a status line. Raises Malformed, or BadRequest for what is no field.

    `known` holds lines that were read before: those of one backend are much alike.
    """
    if len(lines) > MAX_HEADERS + 1:
        raise Malformed(f"it has more than {MAX_HEADERS} header fields")
    pairs: HeaderPairs = []
    framing: HeaderPairs = []
    for line in lines[1:]:
        pair = known.get(line)
        if pair is None:
            pair = _new_field(line, known)
        pairs.append(pair)
        if pair[0] in _OF_FRAMING:
            framing.append(pair)
    return _framed(pairs, framing) if framing else ResponseFields(pairs)


def _new_field(line: bytes, known: dict[bytes, tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    pair = read_field(line)
    # What is one client's alone is not kept.
    if len(line) <= _REMEMBERED_BYTES and pair[0] != b"set-cookie":
        if len(known) >= _REMEMBERED_LINES:
            known.clear()
        known[line] = pair
    return pair


def _framed(pairs: HeaderPairs, framing: HeaderPairs) -> ResponseFields:
    length: int | None = None
    chunked = close = False
    for name, value in framing:
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
                raise Malformed("its Content-Length is not one whole number (RFC 9112 6.3)")
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise Malformed("its Transfer-Encoding is not exactly `chunked`")
            chunked = True
        elif value != b"keep-alive":
            close = close or b"close" in (
                token.strip(b" \t") for token in value.lower().split(b",")
            )
    if chunked and length is not None:
        raise Malformed("its framing fields contradict each other")
    return ResponseFields(pairs, length, chunked, close)


def framing_of(head: ResponseHead, is_head: bool) -> Framing:
    """How the body ends (RFC 9112 6.3). Raises Malformed. `is_head`: it answers a HEAD."""
    fields = head.fields
    if head.old and fields.chunked:
        raise Malformed("HTTP/1.0 has no Transfer-Encoding (RFC 9112 6.1)")
    if is_head or head.status in _NO_BODY:
        return "none"
    if fields.chunked:
        return "chunked"
    return "until_close" if fields.length is None else "length"


def check_interim(fields: ResponseFields, seen: int) -> None:
    """An interim answer has no body and does not come for ever. Raises Malformed."""
    if seen > MAX_INTERIM:
        raise Malformed(f"it sent more than {MAX_INTERIM} interim answers")
    if fields.chunked or fields.length is not None:
        raise Malformed("its interim answer has a body (RFC 9110 15.2)")


def kept_trailers(trailers: HeaderPairs) -> HeaderPairs:
    """The trailer fields that may be passed on. Raises Malformed where there is no end of them."""
    size = sum(len(name) + len(value) for name, value in trailers)
    if len(trailers) > MAX_HEADERS or size > MAX_TRAILER_BYTES:
        raise Malformed("its trailers are too large")
    return [pair for pair in trailers if pair[0] not in _NO_TRAILERS]
