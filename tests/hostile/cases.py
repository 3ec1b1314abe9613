"""The words in which the corpus is written: what is sent, and what must come of it.

Verdicts of a request:

    refused   one of `statuses`, or a close; the origin sees not one byte of it
    cut       a fault inside a body: the client gets a refusal or a close, and the origin no complete request
    passed    the origin sees exactly `sees`, and the client gets the origin's responses
    either    refused or passed: the RFC leaves the choice
    harmless  whatever comes of it, what holds for every case holds

For every case: the origin reads strictly and finds nothing malformed, it never sees a request below
`/internal` (which each contestant is told to refuse), and the next responses, on the same connection and on
another, are those to the next requests.

`policy` marks what we promise beyond the RFCs: such a row is counted for the facade only.
"""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["refused", "cut", "passed", "either", "harmless"]
Piece = bytes | None
"""Bytes; or None, to wait until the origin has seen something of the request (in vain if it is buffered)."""

HOST = b"Host: facade.example"
SMUGGLED = b"GET /internal/smuggled HTTP/1.1\r\nHost: facade.example\r\n\r\n"
SECRET = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSECRET"
"""A whole response that no client may get a byte of."""


@dataclass(frozen=True)
class Seen:
    """A request as the origin must get it. `has` and `lacks` are parts of its head in lower case."""

    line: bytes
    """Method and target."""
    body: bytes = b""
    has: tuple[bytes, ...] = ()
    lacks: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Case:
    """One row of requests."""

    name: str
    rfc: str
    pieces: tuple[Piece, ...]
    verdict: Verdict
    statuses: frozenset[int] = frozenset((400,))
    sees: tuple[Seen, ...] = ()
    closes: bool = False
    """The connection has to end with the refusal: nobody knows where the next request begins."""
    streamed: bool = False
    """What may be refused stands behind the head: the origin may have seen that, but no complete request."""
    then_refused: bool = False
    """After the responses to `sees`, what follows on the connection is refused."""
    policy: bool = False


@dataclass(frozen=True)
class Hostile:
    """One row of responses. The request is for `/case`; `pieces` are what the origin sends.

    `refused` is a 502 or a visible truncation, `cut` a head of `status` and a visible truncation, `passed`
    a response of `status` and `body`. No client ever gets a byte of what stands behind the response's end.
    """

    name: str
    rfc: str
    pieces: tuple[bytes, ...]
    verdict: Verdict
    status: int = 200
    body: bytes = b""
    has: tuple[bytes, ...] = ()
    lacks: tuple[bytes, ...] = ()
    method: str = "GET"
    end: Literal["stay", "close", "reset"] = "stay"
    policy: bool = False


def head(*lines: bytes) -> bytes:
    """Lines as they come on the wire, with the empty one that ends a head."""
    return b"\r\n".join(lines) + b"\r\n\r\n"


def get(*fields: bytes, target: bytes = b"/a") -> bytes:
    """A GET with a Host and `fields`."""
    return head(b"GET %b HTTP/1.1" % target, HOST, *fields)


def post(*fields: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """A POST with a Host, `fields`, and `body` just as it is."""
    return head(b"POST /a " + version, HOST, *fields) + body


def refused(
    name: str,
    rfc: str,
    *pieces: Piece,
    status: tuple[int, ...] = (400,),
    closes: bool = False,
    policy: bool = False,
) -> Case:
    return Case(name, rfc, pieces, "refused", frozenset(status), closes=closes, policy=policy)


def cut(
    name: str, rfc: str, *pieces: Piece, status: tuple[int, ...] = (400,), policy: bool = False
) -> Case:
    # A body that is only too large has an end, so that another request may follow it.
    return Case(
        name, rfc, pieces, "cut", frozenset(status), closes=413 not in status, policy=policy
    )


def passed(
    name: str,
    rfc: str,
    *pieces: Piece,
    sees: Seen | tuple[Seen, ...],
    then_refused: bool = False,
    policy: bool = False,
) -> Case:
    all_seen = sees if isinstance(sees, tuple) else (sees,)
    return Case(
        name, rfc, pieces, "passed", sees=all_seen, then_refused=then_refused, policy=policy
    )


def either(
    name: str,
    rfc: str,
    *pieces: Piece,
    sees: Seen,
    status: tuple[int, ...] = (400,),
    streamed: bool = False,
    policy: bool = False,
) -> Case:
    statuses = frozenset(status)
    return Case(name, rfc, pieces, "either", statuses, (sees,), streamed=streamed, policy=policy)


def harmless(name: str, rfc: str, *pieces: Piece, policy: bool = False) -> Case:
    return Case(name, rfc, pieces, "harmless", policy=policy)
