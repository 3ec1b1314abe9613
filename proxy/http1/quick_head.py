"""Reads usual requests: one whole request in one read, of a simple form.

This reader never refuses a request: it leaves every other one to the strict reader (`request_parser`), which reports
errors (ADR 21). Both readers give the same result for a usual request: a property test compares them.
"""

import re

from msgspec import Struct

from proxy.http1.known_lines import (
    CLOSE,
    COOKIE,
    HOST,
    KEEP_ALIVE,
    LENGTH,
    PLAIN,
    STRICT,
    KnownLines,
    Line,
)
from proxy.http1.request_head import RequestFields, RequestHead
from proxy.model import Body, HeaderPairs

MAX_HEAD_BYTES = 8000
MAX_LINES = 64
MAX_BODY_BYTES = 256 * 1024
# A segment without escapes, parameters, or a leading dot: a path of such segments has one variant (rule 12).
_SEGMENT = rb"[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*"
_REQUEST_LINE = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|PATCH) "
    rb"(/|(?:/" + _SEGMENT + rb")++/?)(\?[\x21\x22\x24-\x7e]*)? HTTP/1\.([01])"
)
_is_request_line = _REQUEST_LINE.fullmatch
_METHODS = {each: each.decode() for each in (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH")}
_NO_BODY = Body("none")
_CLOSE, _KEEP_ALIVE = 1 << CLOSE, 1 << KEEP_ALIVE


class QuickHead(Struct, frozen=True, eq=False):
    """A usual request. Bytes as the client sent them."""

    method: str
    path: bytes
    query: bytes
    """With the question mark; empty if there is none."""
    minor: int
    host: bytes
    keep_alive: bool
    lines: list[Line]
    special: int
    """One bit, `1 << kind`, for each kind of line that is not simply copied."""
    cookie: bytes
    """The values of the lines `Cookie`, joined with `; ` (RFC 6265 4.2.1). Empty without such a line."""
    body: bytes
    head_bytes: int
    has_length: bool

    @property
    def target(self) -> bytes:
        return self.path + self.query

    @property
    def headers(self) -> HeaderPairs:
        """Names as in `HeaderPairs`."""
        return [(line[1], line[2]) for line in self.lines]

    @property
    def expects_100(self) -> bool:
        """Always false: the strict reader reads the requests that expect it."""
        return False

    def strict(self) -> RequestHead:
        """The same request as a value of the strict reader."""
        pairs = self.headers
        body = Body("length", len(self.body)) if self.has_length else _NO_BODY
        kinds = {line[0] for line in self.lines}
        fields = RequestFields(pairs, body, CLOSE in kinds, KEEP_ALIVE in kinds)
        return RequestHead(self.method, self.target, self.minor, fields, self.keep_alive)


def read_quick(data: bytes, known: KnownLines) -> QuickHead | None:
    """The request in `data`; None unless it is exactly one whole usual request."""
    split = _split(data)
    if split is None:
        return None
    lines, body, head_bytes = split
    found = _is_request_line(lines[0])
    if found is None or len(lines) > MAX_LINES or len(body) > MAX_BODY_BYTES:
        return None
    del lines[0]
    fields = list(
        map(known.__getitem__, lines)
    )  # A comprehension costs twice as much in CPython 3.11.
    host, length, cookie, special = b"", b"", b"", 0
    for kind, _, value, _ in fields:
        if kind == PLAIN:
            continue
        if kind == COOKIE:
            cookie = b"%b; %b" % (cookie, value) if cookie else value
        elif kind == HOST and not host:
            host = value
        elif kind == LENGTH and not length:
            length = value
        elif kind in (STRICT, HOST, LENGTH):
            return None
        else:
            special |= 1 << kind
    if not host or int(length or 0) != len(body):
        return None
    method, path, query, minor = found.groups(b"")
    is_old = minor == b"0"
    keep = special & (_CLOSE | _KEEP_ALIVE) == _KEEP_ALIVE if is_old else not special & _CLOSE
    return QuickHead(
        _METHODS[method],
        path,
        query,
        0 if is_old else 1,
        host,
        keep,
        fields,
        special,
        cookie,
        body,
        head_bytes,
        length != b"",
    )


def _split(data: bytes) -> tuple[list[bytes], bytes, int] | None:
    """The lines of a head, the bytes after the head, and the size of the head."""
    if data.endswith(b"\r\n\r\n") and len(data) <= MAX_HEAD_BYTES:
        # With two heads in `data`, one of the lines is empty: no field, so the strict reader reads them.
        lines = data.split(b"\r\n")
        del lines[-2:]
        return lines, b"", len(data) - 4
    head_bytes = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if head_bytes < 0:
        return None
    return data[:head_bytes].split(b"\r\n"), data[head_bytes + 4 :], head_bytes
