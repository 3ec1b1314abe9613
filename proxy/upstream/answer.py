"""What an upstream may answer. Pure rules, for what llhttp inside httptools lets pass (findings, 8).

llhttp refuses by itself: bare CR and LF, obs-fold, space before the colon, names that are no tokens, control
bytes in values, repeated, negative and malformed lengths, both lengths at once, malformed chunks. It accepts,
and these rules refuse: other protocols and versions, statuses outside 100..599, control bytes in the reason,
codings other than exactly `chunked`, coded HTTP/1.0, empty lines in front.
"""

import re
from http import HTTPStatus

from proxy.model import HeaderPairs
from proxy.upstream.api import Framing

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 256
MAX_INTERIM = 32
"""Interim answers (1xx) to one request."""
MAX_TRAILER_BYTES = 16 * 1024

# What a chunked body may cost beside its bytes: 1-byte chunks with a short extension are within it.
_FRAMING_FLOOR_BYTES = 16 * 1024
_FRAMING_FACTOR = 16

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
    """The status of a status line. Raises Malformed unless it is one of HTTP/1.0 or 1.1 that may come here."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise Malformed("its status line is not one of HTTP/1.1")
    status = int(found[1])
    if status == 101:
        raise Malformed("it switched protocols unasked")
    return status


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


def framing_of(status: int, headers: HeaderPairs, is_head: bool, old: bool) -> tuple[Framing, int]:
    """How the body ends, and its length in bytes where that is told (RFC 9112 6.3). Raises Malformed.

    `old` is an answer of HTTP/1.0.
    """
    if len(headers) > MAX_HEADERS:
        raise Malformed(f"it has more than {MAX_HEADERS} header fields")
    fields = dict(headers)
    chunked = b"transfer-encoding" in fields
    length = fields.get(b"content-length")
    if chunked:
        codings = [value for name, value in headers if name == b"transfer-encoding"]
        # Not stripped of tabs: llhttp would not take that for chunked.
        if len(codings) > 1 or codings[0].rstrip(b" ").lower() != b"chunked":
            raise Malformed("its Transfer-Encoding is not exactly `chunked`")
        if old or length is not None:
            raise Malformed("its framing fields contradict each other")
    if is_head or status in _NO_BODY:
        return "none", 0
    if chunked:
        return "chunked", 0
    # llhttp has let only digits, and only one such field, pass.
    return ("until_close", 0) if length is None else ("length", int(length))


def check_interim(headers: HeaderPairs, seen: int) -> None:
    """An interim answer has no body and does not come for ever. Raises Malformed."""
    if seen > MAX_INTERIM:
        raise Malformed(f"it sent more than {MAX_INTERIM} interim answers")
    if len(headers) > MAX_HEADERS:
        raise Malformed(f"it has more than {MAX_HEADERS} header fields")
    if any(name in (b"content-length", b"transfer-encoding") for name, _ in headers):
        raise Malformed("its interim answer has a body (RFC 9110 15.2)")


def check_overhead(received_bytes: int, body_bytes: int, quiet_bytes: int) -> None:
    """Chunk extensions and trailers within reason. Raises Malformed.

    `received_bytes` and `body_bytes` are of this answer, `quiet_bytes` came since the last byte of body.
    """
    reasonable = _FRAMING_FLOOR_BYTES + (1 + _FRAMING_FACTOR) * body_bytes
    if received_bytes > reasonable or quiet_bytes > _FRAMING_FLOOR_BYTES:
        raise Malformed("its chunk extensions and trailers are out of proportion to its body")


def kept_trailers(trailers: HeaderPairs) -> HeaderPairs:
    """The trailer fields that may be passed on. Raises Malformed where there is no end of them."""
    size = sum(len(name) + len(value) for name, value in trailers)
    if len(trailers) > MAX_HEADERS or size > MAX_TRAILER_BYTES:
        raise Malformed("its trailers are too large")
    return [pair for pair in trailers if pair[0] not in _NO_TRAILERS]
