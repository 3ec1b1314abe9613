"""Parses the head of a backend's response strictly, and decides how its body ends (RFC 9112 4, 6.3).

Refused: other protocols and versions; statuses outside 100 to 599; control characters; any transfer coding but exactly
`chunked`, and that in HTTP/1.0; a repeated, negative or malformed length; a length beside a coding; empty lines before
the head (finding 8).
"""

import re
from http import HTTPStatus
from typing import Literal

from msgspec import Struct

from proxy.http1.connection_login import CHALLENGE_FIELDS, is_login_challenge
from proxy.http1.fields import cut_lines, read_fields
from proxy.http1.framing import BODILESS_STATUSES, MAX_LENGTH_DIGITS
from proxy.http1.trailers import FORBIDDEN_IN_RESPONSES
from proxy.model import HeaderPairs

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 256
MAX_INTERIM = 32
"""Interim responses (1xx) to one request."""
MAX_TRAILER_BYTES = 16 * 1024

Framing = Literal["length", "chunked", "until_close", "none"]
"""How a body ends (RFC 9112 6.3)."""

_SPECIAL_FIELDS = CHALLENGE_FIELDS | {b"content-length", b"transfer-encoding", b"connection"}

COMMON_STATUS_LINES = {
    b"HTTP/1.1 %d %b" % (status, status.phrase.encode()): int(status)
    for status in HTTPStatus
    if status >= 200
}
"""Common status lines, parsed: these need no regex."""

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")


class MalformedResponse(Exception):
    """A response that cannot be passed on. `proxy.upstream` turns it into an `UpstreamError`."""


def _parse_status(line: bytes) -> int:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise MalformedResponse("its status line is not one of HTTP/1.1")
    return int(match[1])


def check_incomplete(head: bytes, checked: int = 0) -> None:
    """Refuse a head early, before its end has come. Raises MalformedResponse.

    The first `checked` bytes passed an earlier check: the cost must not grow with the number of reads.
    """
    if len(head) > MAX_HEAD_BYTES:
        raise MalformedResponse(f"its head is larger than {MAX_HEAD_BYTES} bytes")
    if not head.startswith(b"HTTP/1."[: len(head)]):
        raise MalformedResponse("it does not begin with a status line of HTTP/1.1")
    if head.count(b"\n", checked) != head.count(b"\r\n", max(checked - 1, 0)):
        raise MalformedResponse("a line of its head ends without CR")


class ResponseFields(Struct, frozen=True):
    """The fields of a response, and what they mean for its body and its connection."""

    pairs: HeaderPairs
    length: int | None = None
    chunked: bool = False
    close: bool = False
    """`Connection: close`."""
    keep_alive: bool = False
    """`Connection: keep-alive`, with which HTTP/1.0 grants a persistent connection."""
    login: bool = False
    """A challenge or confirmation of a login of the connection (`connection_login`)."""


class ResponseHead(Struct, frozen=True, eq=False):
    """A status line and its fields. Equal heads of one endpoint share one value (ADR 11)."""

    status: int
    is_http10: bool
    fields: ResponseFields
    block: bytes = b""
    """Status line and fields for clients, with Content-Length. Empty if a rule may be about a field, or if the strict
    reader has read the head: `unchanged` makes it then.
    """
    rendered: dict[bytes, tuple[bytes, HeaderPairs] | None] = {}
    """A cache for the code that passes the response on: heads for clients, by the name of the decision header."""

    @property
    def persists(self) -> bool:
        """Whether another response may follow on the connection (RFC 9112 9.3)."""
        fields = self.fields
        return not fields.close and (fields.keep_alive or not self.is_http10)

    @property
    def pairs(self) -> HeaderPairs:
        """Framing fields included."""
        return self.fields.pairs


def read_response_head(raw: bytes) -> ResponseHead:
    """Parse a head without its empty line. Raises MalformedResponse, or BadRequest for a bad field."""
    lines = cut_lines(raw)
    status = COMMON_STATUS_LINES.get(lines[0]) or _parse_status(lines[0])
    return ResponseHead(status, lines[0].startswith(b"HTTP/1.0"), parse_fields(lines))


def check_switch(head: ResponseHead, may_switch: bool) -> None:
    """Raises MalformedResponse for a 101 to a request without Upgrade (RFC 9110 15.2.2)."""
    if head.is_http10 or not may_switch:
        raise MalformedResponse("it switched protocols unasked")


def parse_fields(lines: list[bytes]) -> ResponseFields:
    """Parse the lines after the status line, the first of `lines`. Raises MalformedResponse, or BadRequest."""
    if len(lines) > MAX_HEADERS + 1:
        raise MalformedResponse(f"it has more than {MAX_HEADERS} header fields")
    pairs = read_fields(lines[1:])
    special = [pair for pair in pairs if pair[0] in _SPECIAL_FIELDS]
    return _with_framing(pairs, special) if special else ResponseFields(pairs)


def _with_framing(pairs: HeaderPairs, special: HeaderPairs) -> ResponseFields:
    length: int | None = None
    chunked = login = False
    options: set[bytes] = set()
    for name, value in special:
        if name == b"content-length":
            if length is not None or not value.isdigit() or len(value) > MAX_LENGTH_DIGITS:
                raise MalformedResponse("its Content-Length is not one whole number (RFC 9112 6.3)")
            length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise MalformedResponse("its Transfer-Encoding is not exactly `chunked`")
            chunked = True
        elif name in CHALLENGE_FIELDS:
            login = login or is_login_challenge(name, value)
        else:
            options.update(option.strip(b" \t") for option in value.lower().split(b","))
    if chunked and length is not None:
        raise MalformedResponse("its framing fields contradict each other")
    close, keep_alive = b"close" in options, b"keep-alive" in options
    return ResponseFields(pairs, length, chunked, close, keep_alive, login)


def framing_of(head: ResponseHead, is_head: bool) -> Framing:
    """How the body ends (RFC 9112 6.3). `is_head`: the request was a HEAD. Raises MalformedResponse."""
    fields = head.fields
    if head.is_http10 and fields.chunked:
        raise MalformedResponse("HTTP/1.0 has no Transfer-Encoding (RFC 9112 6.1)")
    if is_head or head.status in BODILESS_STATUSES:
        return "none"
    if fields.chunked:
        return "chunked"
    return "until_close" if fields.length is None else "length"


def check_interim(fields: ResponseFields, count: int) -> None:
    """Raises MalformedResponse for an interim response with a body, or for the `count`th if that is too many."""
    if count > MAX_INTERIM:
        raise MalformedResponse(f"it sent more than {MAX_INTERIM} interim answers")
    if fields.chunked or fields.length is not None:
        raise MalformedResponse("its interim answer has a body (RFC 9110 15.2)")


def allowed_trailers(trailers: HeaderPairs) -> HeaderPairs:
    """The trailers that may be passed on. Raises MalformedResponse if they are too large."""
    size = sum(len(name) + len(value) for name, value in trailers)
    if len(trailers) > MAX_HEADERS or size > MAX_TRAILER_BYTES:
        raise MalformedResponse("its trailers are too large")
    return [pair for pair in trailers if pair[0] not in FORBIDDEN_IN_RESPONSES]
