"""Reads the head of a usual response: one that came whole in one read, its fields found among the known lines.

It never refuses. What it does not take is left to the strict reader (`response_head`), which alone decides what is
wrong with a response (ADR 21). A property test holds that both agree.
"""

import re
from operator import itemgetter

from proxy.http1.connection_login import CHALLENGE_FIELDS
from proxy.http1.fields import COMMON_NAMES, FIELD
from proxy.http1.framing import MAX_LENGTH_DIGITS
from proxy.http1.response_head import COMMON_STATUS_LINES, ResponseFields, ResponseHead
from proxy.http1.response_writer import STATUS_LINES
from proxy.model import field_name

PLAIN, LENGTH, CHUNKED, CLOSE, KEEP_ALIVE, DROPPED, MAPPED, STRICT = range(8)
"""The kinds of lines.

PLAIN is forwarded, unless the table removes it. CLOSE and KEEP_ALIVE: values of Connection. DROPPED: a hop-by-hop
field without effect on this message. MAPPED: one of `MAPPED_FIELDS`. STRICT: the whole head is left to
the strict reader.
"""

Line = tuple[int, tuple[bytes, bytes], bytes]
"""Kind, field; and for PLAIN the line to forward, with its end."""

_field, _sent = itemgetter(1), itemgetter(2)
MAX_HEAD_BYTES = 8000
MAX_FIELDS = 64
MAX_LINES = 128
MAX_LINE_BYTES = 128
_CHUNKED, _CLOSE, _KEEP_ALIVE, _MAPPED = 1 << CHUNKED, 1 << CLOSE, 1 << KEEP_ALIVE, 1 << MAPPED
_LENGTH = re.compile(rb"[0-9]{1,%d}" % MAX_LENGTH_DIGITS)
MAPPED_FIELDS = frozenset(
    b"proxy-connection te trailer upgrade http2-settings location content-location link refresh "
    b"set-cookie x-request-id".split()
)
"""Fields of a response that a rule may change or drop."""
_BY_VALUE = -1
_CONNECTION = {b"keep-alive": KEEP_ALIVE, b"close": CLOSE}
_KINDS = (
    dict.fromkeys(MAPPED_FIELDS, MAPPED)
    | dict.fromkeys(CHALLENGE_FIELDS, STRICT)
    | dict.fromkeys((b"content-length", b"connection", b"transfer-encoding"), _BY_VALUE)
    | {b"keep-alive": DROPPED}
)
# Not cached: these values differ between responses, and would evict the other lines.
_NOT_KEPT = frozenset((b"set-cookie", b"etag", b"location", b"x-request-id", b"x-runtime"))
_NO_FIELD: Line = (STRICT, (b"", b""), b"")


class KnownResponseLines(dict[bytes, Line]):
    """The known lines of one endpoint. Bounded: when the cache is full, all lines are dropped."""

    def __missing__(self, line: bytes) -> Line:
        found = FIELD.fullmatch(line)
        if found is None:
            return _NO_FIELD
        written, value = found.groups()
        value = value.rstrip(b" \t")
        name = COMMON_NAMES.get(written) or field_name(written)
        kind = _KINDS.get(name, PLAIN)
        if kind == _BY_VALUE:
            kind = _kind_of(name, value)
        sent = b"%b: %b\r\n" % (written, value) if kind == PLAIN else b""
        known = kind, (name, value), sent
        if len(line) <= MAX_LINE_BYTES and name not in _NOT_KEPT:
            if len(self) >= MAX_LINES:
                self.clear()
            self[line] = known
        return known


def _kind_of(name: bytes, value: bytes) -> int:
    if name == b"content-length":
        return LENGTH if _LENGTH.fullmatch(value) else STRICT
    if name == b"connection":
        return _CONNECTION.get(value.lower(), STRICT)
    return CHUNKED if value.lower() == b"chunked" else STRICT


def read_quick_response(data: bytes, known: KnownResponseLines) -> tuple[ResponseHead, int] | None:
    """The head with which `data` begins, and where its body begins."""
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
    if end < 0:
        return None
    lines = data[:end].split(b"\r\n")
    status = COMMON_STATUS_LINES.get(lines[0])
    if status is None or len(lines) > MAX_FIELDS:
        return None
    del lines[0]
    fields = list(map(known.__getitem__, lines))
    length: int | None = None
    kinds = 0
    for kind, field, _ in fields:
        if kind == PLAIN:
            continue
        if kind == LENGTH and length is None:
            length = int(field[1])
        elif kind in (LENGTH, STRICT) or (kind == CHUNKED and kinds & _CHUNKED):
            return None
        else:
            kinds |= 1 << kind
    chunked = kinds & _CHUNKED != 0
    if chunked and length is not None:
        return None
    block = b""
    if not kinds & _MAPPED:
        last = b"" if length is None or status == 204 else b"Content-Length: %d\r\n" % length
        block = b"%b\r\n%b%b" % (STATUS_LINES[status], b"".join(map(_sent, fields)), last)
    pairs = list(map(_field, fields))
    close, keep_alive = kinds & _CLOSE != 0, kinds & _KEEP_ALIVE != 0
    read = ResponseFields(pairs, length, chunked, close, keep_alive)
    return ResponseHead(status, False, read, block), end + 4
