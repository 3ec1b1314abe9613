"""Field lines of requests that were read before (ADR 21): a line's bytes -> what they are, and the line that goes on.

Clients repeat most of their lines, whatever else differs between their requests. A line is read by the strict
grammar once and found by a look into a dict from then on, by all connections of a worker. What is in the dict is
valid, so bare line ends, control characters, folded lines and malformed names can only come in as lines that are
not known.
"""

import re

from proxy.http1.connection_login import CREDENTIALS_FIELDS, has_login_credentials
from proxy.http1.fields import COMMON_NAMES, TCHAR
from proxy.http1.host import is_host
from proxy.model import field_name

PLAIN, COOKIE, HOST, DROPPED, RESTRICTED, FORWARDING, VIA, IDS, LENGTH, CLOSE, STRICT = range(11)
"""The kinds of lines.

PLAIN and COOKIE go on, unless the table says otherwise. DROPPED: a hop-by-hop field that says nothing of this message.
RESTRICTED: a field that clients may not send on, unless the table allows its name. FORWARDING: `Forwarded`
and `X-Forwarded-*`. IDS: request id and trace context. CLOSE: `Connection: close`. STRICT: for the strict reader
alone, which refuses the line, or knows its meaning.
"""

Line = tuple[int, bytes, bytes, bytes]
"""Kind, name, value; and the line as it was sent, where it goes on by itself: for PLAIN and COOKIE. It has its end, and
no white space around the value but the one after the colon."""

MAX_LINES = 1024
MAX_LINE_BYTES = 160
_FIELD = re.compile(rb"(" + TCHAR + rb"+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,18}")
# Values that differ between clients or requests: they would push the others out.
_NOT_KEPT = frozenset(
    b"cookie authorization referer if-none-match if-match if-modified-since if-unmodified-since range "
    b"x-forwarded-for forwarded x-request-id traceparent tracestate idempotency-key".split()
)
_KINDS = (
    dict.fromkeys(
        b"keep-alive proxy-connection te trailer http2-settings proxy-authenticate".split(),
        DROPPED,
    )
    | dict.fromkeys(
        b"x-real-ip x-original-url x-rewrite-url proxy proxy-authorization".split(), RESTRICTED
    )
    | dict.fromkeys(b"x-request-id traceparent tracestate".split(), IDS)
    | dict.fromkeys(b"transfer-encoding expect upgrade".split(), STRICT)
    | {b"cookie": COOKIE, b"via": VIA, b"forwarded": FORWARDING}
)
_CONNECTION = {b"keep-alive": DROPPED, b"close": CLOSE}
_NO_FIELD: Line = (STRICT, b"", b"", b"")


class KnownLines(dict[bytes, Line]):
    """The lines of one worker. Bounded: it forgets all of them when it is full."""

    def __missing__(self, line: bytes) -> Line:
        found = _FIELD.fullmatch(line)
        if found is None:
            return _NO_FIELD
        written, value = found[1], found[2].rstrip(b" \t")
        name = COMMON_NAMES.get(written) or field_name(written)
        kind = _kind_of(name, value)
        sent = b"%b: %b\r\n" % (written, value) if kind <= COOKIE else b""
        known = kind, name, value, sent
        if len(line) <= MAX_LINE_BYTES and name not in _NOT_KEPT:
            if len(self) >= MAX_LINES:
                self.clear()
            self[line] = known
        return known


def _kind_of(name: bytes, value: bytes) -> int:
    if name == b"host":
        return HOST if is_host(value) else STRICT
    if name == b"connection":
        return _CONNECTION.get(value.lower(), STRICT)
    if name == b"content-length":
        return LENGTH if _LENGTH.fullmatch(value) else STRICT
    if name in CREDENTIALS_FIELDS and has_login_credentials([(name, value)]):
        return STRICT  # What is behind the connection matters, and not the request alone.
    kind = _KINDS.get(name)
    if kind is not None:
        return kind
    if name.startswith(b"x-forwarded-"):
        return FORWARDING
    return RESTRICTED if b"_" in name else PLAIN
