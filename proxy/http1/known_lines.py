"""A cache of parsed field lines of requests (ADR 21), shared by all connections of a worker.

Clients repeat most of their lines. A line is parsed by the strict grammar once, and then found in a dict by its bytes.
Every line in the dict is valid: bare line ends, control characters, folded lines and malformed names can only occur in
unknown lines.
"""

import re
from operator import itemgetter

from proxy.http1.connection_login import CREDENTIALS_FIELDS, has_login_credentials
from proxy.http1.fields import COMMON_NAMES, FIELD
from proxy.http1.host import is_host
from proxy.model import field_name

(
    PLAIN,
    COOKIE,
    HOST,
    DROPPED,
    RESTRICTED,
    REPORTING,
    FORWARDING,
    VIA,
    IDS,
    STATE,
    LENGTH,
    CLOSE,
    KEEP_ALIVE,
    STRICT,
) = range(14)
"""The kinds of lines.

PLAIN and COOKIE are forwarded, unless the table removes them. DROPPED: a hop-by-hop field without effect on this
message. RESTRICTED: forwarded only if the table allows its name. FORWARDING: `Forwarded` and `X-Forwarded-For`, which
the facade extends. REPORTING: other `X-Forwarded-*`, which are forwarded for trusted peers. IDS: request id and trace
parent. STATE: `tracestate`, which is forwarded with the client's trace parent. CLOSE: `Connection: close`. STRICT: the
whole request is left to the strict reader.
"""

Line = tuple[int, bytes, bytes, bytes]
"""Kind, name, value; for PLAIN, COOKIE, REPORTING and STATE also the line to forward: as it was sent, but for white
space around the value, and with its end."""
SENT = itemgetter(3)
"""The line to forward."""

MAX_LINES = 1024
MAX_LINE_BYTES = 160
_LENGTH = re.compile(rb"[0-9]{1,18}")
# Not cached: these values differ between clients or requests, and would evict the other lines.
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
        b"x-real-ip x-original-url x-rewrite-url proxy x-facade-mirror".split(), RESTRICTED
    )
    | dict.fromkeys(b"forwarded x-forwarded-for".split(), FORWARDING)
    | {b"x-forwarded-proto": REPORTING}
    | dict.fromkeys(b"x-request-id traceparent".split(), IDS)
    | {b"tracestate": STATE}
    | dict.fromkeys(b"transfer-encoding expect upgrade".split(), STRICT)
    | {b"cookie": COOKIE, b"via": VIA}
)
_OFTEN_SENT = frozenset((REPORTING, STATE))
_CONNECTION = {b"keep-alive": KEEP_ALIVE, b"close": CLOSE}
_NO_FIELD: Line = (STRICT, b"", b"", b"")


class KnownLines(dict[bytes, Line]):
    """The known lines of one worker. Bounded: when the cache is full, all lines are dropped."""

    def __missing__(self, line: bytes) -> Line:
        found = FIELD.fullmatch(line)
        if found is None:
            return _NO_FIELD
        written, value = found[1], found[2].rstrip(b" \t")
        name = COMMON_NAMES.get(written) or field_name(written)
        kind = _KINDS.get(name)
        if kind is None:
            kind = _kind_of(name, value)
        sent = b""
        if kind <= COOKIE or kind in _OFTEN_SENT:
            sent = b"%b: %b\r\n" % (written, value)
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
    if name in CREDENTIALS_FIELDS:
        if has_login_credentials([(name, value)]):
            return STRICT  # The login is one of the connection (`connection_login`).
        return PLAIN if name == b"authorization" else RESTRICTED
    if name.startswith(b"x-forwarded-"):
        return REPORTING
    return RESTRICTED if b"_" in name else PLAIN
