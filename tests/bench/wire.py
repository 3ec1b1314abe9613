"""The requests and responses of a bench, and where they end. Origin and load agree on them.

Requests and responses are made once and compared, not parsed, where that is safe: load and origin share a core,
and what they cost is missing from the load that they can give.
"""

from dataclasses import dataclass

SMALL = b'{"special":"' + b"x" * 488 + b'"}'
BLOCK = b"x" * 262_144
DOWNLOAD_BYTES = 1 << 20
UPLOAD_BYTES = 8 << 20
STALLED_BYTES = 512 << 20
POST_BYTES = 1024

TARGET = b"/travelbuddy/flightspecials"
# Routes of the facade's table, each with weights; the last segment says what the origin sends.
TARGETS = {
    "get": TARGET,
    "unlike": b"/svc6/v1/res56/item",
    "unlike-post": b"/svc6/v1/res56/item",
    "cohort": b"/cohort/v1/item",
    "edited": b"/edited/v1/item",
    "close": b"/svc6/v1/res56/item",
    "tls-close": b"/svc6/v1/res56/item",
    "post": b"/svc7/v1/res57/post",
    "download": b"/svc8/v1/res58/download",
    "upload": b"/svc9/v1/res59/upload",
    "stalled-download": b"/svc10/v1/res60/stalled-download",
    "stalled-upload": b"/svc11/v1/res61/stalled-upload",
}
_BODIES = {
    "post": POST_BYTES,
    "unlike-post": POST_BYTES,
    "upload": UPLOAD_BYTES,
    "stalled-upload": STALLED_BYTES,
}
BUFFER_BYTES = 1 << 20


UNLIKE = ("unlike", "unlike-post", "cohort", "edited", "close", "tls-close")
"""Kinds of which no request is like the one before: another path, query, cookie, agent and client each time."""
CLOSING = ("close", "tls-close")
"""Kinds with a new connection for each request."""
HEADS = 1000


@dataclass(frozen=True)
class Requests:
    """What a client sends: these heads in turn, and so many bytes of a body behind each."""

    heads: list[bytes]
    body_bytes: int = 0


def requests_of(kind: str) -> Requests:
    """The requests of a kind."""
    return Requests(_heads_of(kind), body_bytes(kind))


def _heads_of(kind: str) -> list[bytes]:
    """The same head each time, or a thousand that are unlike."""
    if kind not in UNLIKE:
        return [head_of(kind)]
    return [_unlike(kind, number) for number in range(HEADS)]


def _unlike(kind: str, number: int) -> bytes:
    target = b"%b%d?page=%d" % (TARGETS[kind], number, number % 9)
    head = head_of(kind).replace(TARGETS[kind], target, 1)
    fields = (
        b"user-agent: Mozilla/5.0 (X11) Chrome/%d\r\naccept-language: en,ko;q=0.8\r\n"
        b"cookie: TB_UID=%d\r\nx-forwarded-for: 203.0.113.%d\r\n"
        % (number % 50, number, number % 250)
    )
    close = b"connection: close\r\n" if kind in CLOSING else b""
    return head[:-2] + fields + close + head[-2:]


def head_of(kind: str) -> bytes:
    """The head of a request; its body is `body_bytes(kind)` of anything."""
    length = body_bytes(kind)
    method = b"POST" if length else b"GET"
    framing = (
        b"content-type: application/json\r\ncontent-length: %d\r\n" % length if length else b""
    )
    return b"%b %b HTTP/1.1\r\nhost: bench.example\r\naccept: */*\r\n%b\r\n" % (
        method,
        TARGETS[kind],
        framing,
    )


def body_bytes(kind: str) -> int:
    """How long a request's body is, in bytes."""
    return _BODIES.get(kind, 0)


def response_head(length: int) -> bytes:
    """The head of the origin's 200."""
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % length
    )


class Framing:
    """Tells where a message ends: by its length, or by the last chunk.

    Bodies of a bench never hold the bytes of a last chunk, so the end of the data shows it.
    """

    __slots__ = ("_chunked", "_left", "_tail", "head")

    def __init__(self) -> None:
        self.head = b""
        self._tail = b""
        self._left = 0
        self._chunked = False

    def feed(self, data: bytes) -> bool:
        """Whether the message is complete with `data`. `head` is set once it is."""
        if self.head:
            return self._more(data)
        head, separator, body = (self._tail + data).partition(b"\r\n\r\n")
        if not separator:
            self._tail += data
            return False
        self.head, self._tail = head, b""
        lower = head.lower()
        self._chunked = b"\r\ntransfer-encoding: chunked" in lower
        self._left = 0 if self._chunked else content_length(lower)
        return self._more(body)

    def counted(self) -> bool:
        """Whether only the number of bytes matters from here on."""
        return self._left > 0

    def count(self, number: int) -> bool:
        """As `feed`, for a body with a length."""
        self._left -= number
        return self._left <= 0

    def _more(self, data: bytes) -> bool:
        if not self._chunked:
            return self.count(len(data))
        self._tail = (self._tail + data)[-7:]
        return self._tail == b"\r\n0\r\n\r\n" or self._tail == b"0\r\n\r\n"


def content_length(lower: bytes) -> int:
    """The Content-Length in a head of small letters; 0 without one."""
    at = lower.find(b"\r\ncontent-length:")
    return int(lower[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
