"""Request bodies: framing, streaming, and responses during the upload (RFC 9112 6, 9110 9.3)."""

from pathlib import Path

import pytest

from tests.conformance.conversation import (
    Case,
    ClientCloses,
    ClientGets,
    ClientGetsHead,
    ClientSends,
    OriginSees,
    OriginSeesEnd,
    OriginSeesHead,
    OriginSeesPiece,
    OriginSeesRest,
    OriginSends,
    Step,
    converse,
    names,
)
from tests.conformance.harness import Tier

pytestmark = pytest.mark.asyncio(loop_scope="module")


LENGTH = b"POST /a HTTP/1.1\r\nhost: facade.example\r\ncontent-length: %d\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nhost: facade.example\r\ntransfer-encoding: chunked\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
LINE = b"POST /a HTTP/1.1"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno"
ANSWERED: tuple[Step, ...] = (OriginSends(OK), ClientGets(200, b"ok"))
AGAIN: tuple[Step, ...] = (ClientSends(GET), OriginSees(b"GET /a HTTP/1.1"), *ANSWERED)


def _method(method: bytes) -> Case:
    raw = LENGTH.replace(b"POST", method) % 4 + b"body"
    line = LINE.replace(b"POST", method)
    steps = (ClientSends(raw), OriginSees(line, b"body", length=4), *ANSWERED, *AGAIN)
    return Case(f"the method {method.decode()} may have a body", "RFC 9110 9.3", steps)


WHOLE = [
    Case(
        "a body with a length keeps it",
        "RFC 9112 6.2",
        (
            ClientSends(LENGTH % 4 + b"body"),
            OriginSees(LINE, b"body", length=4),
            *ANSWERED,
            *AGAIN,
        ),
    ),
    Case(
        "a body of no bytes keeps its length of zero",
        "RFC 9110 8.6",
        (ClientSends(LENGTH % 0), OriginSees(LINE, length=0), *ANSWERED, *AGAIN),
    ),
    Case(
        "a request without a body gets no framing",
        "RFC 9112 6.3",
        (
            ClientSends(LENGTH.replace(b"content-length: %d\r\n", b"")),
            OriginSees(LINE, chunked=False),
            *ANSWERED,
            *AGAIN,
        ),
    ),
    Case(
        "a chunked body stays chunked",
        "RFC 9112 7.1",
        (
            ClientSends(CHUNKED + b"4;ext=1\r\nbody\r\n00A\r\n0123456789\r\n0\r\n\r\n"),
            OriginSees(LINE, b"body0123456789", chunked=True),
            *ANSWERED,
            *AGAIN,
        ),
    ),
    Case(
        "a chunked body of no bytes stays chunked",
        "RFC 9112 7.1",
        (
            ClientSends(CHUNKED + b"0\r\n\r\n"),
            OriginSees(LINE, chunked=True),
            *ANSWERED,
            *AGAIN,
        ),
    ),
    Case(
        "`Chunked` is case-insensitive",
        "RFC 9112 7",
        (
            ClientSends(CHUNKED.replace(b": chunked", b": Chunked") + b"4\r\nbody\r\n0\r\n\r\n"),
            OriginSees(LINE, b"body", chunked=True),
            *ANSWERED,
        ),
    ),
    *map(_method, (b"PUT", b"PATCH", b"DELETE", b"GET", b"OPTIONS")),
]

STREAMED = [
    Case(
        "the head of an upload reaches the origin before its body is sent",
        "RFC 9112 2.1",
        (
            ClientSends(LENGTH % 4),
            OriginSeesHead(LINE),
            ClientSends(b"body"),
            OriginSeesRest(b"body"),
            *ANSWERED,
        ),
    ),
    Case(
        "pieces of a body with a length reach the origin while the client still sends",
        "RFC 9112 6.2",
        (
            ClientSends(LENGTH % 9 + b"one"),
            OriginSeesHead(LINE),
            OriginSeesPiece(b"one"),
            ClientSends(b"two"),
            OriginSeesPiece(b"two"),
            ClientSends(b"end"),
            OriginSeesRest(b"end"),
            *ANSWERED,
            *AGAIN,
        ),
    ),
    Case(
        "pieces of a chunked body reach the origin while the client still sends",
        "RFC 9112 7.1",
        (
            ClientSends(CHUNKED + b"3\r\none\r\n"),
            OriginSeesHead(LINE),
            OriginSeesPiece(b"one"),
            ClientSends(b"6\r\ntwo"),
            OriginSeesPiece(b"two"),
            ClientSends(b"end\r\n0\r\n\r\n"),
            OriginSeesRest(b"end"),
            *ANSWERED,
            *AGAIN,
        ),
    ),
    Case(
        "a head that comes byte by byte is one head",
        "RFC 9112 2.2",
        (
            *(ClientSends(bytes((byte,))) for byte in LENGTH % 1 + b"x"),
            OriginSees(LINE, b"x"),
            *ANSWERED,
        ),
    ),
    Case(
        "request and response stream at the same time",
        "RFC 9112 9.5",
        (
            ClientSends(CHUNKED + b"3\r\none\r\n"),
            OriginSeesHead(LINE),
            OriginSeesPiece(b"one"),
            OriginSends(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"),
            ClientGetsHead(200),
            ClientSends(b"3\r\ntwo\r\n"),
            OriginSeesPiece(b"two"),
        ),
    ),
]

EARLY = [
    Case(
        "an early response reaches the client while its upload goes on",
        "RFC 9112 9.5",
        (
            ClientSends(LENGTH % 1000 + b"start"),
            OriginSeesHead(LINE),
            OriginSeesPiece(b"start"),
            OriginSends(TOO_LARGE),
            ClientGets(413, b"no"),
            OriginSeesEnd(),
        ),
    ),
    Case(
        "an early response to a chunked upload reaches the client",
        "RFC 9112 9.5",
        (
            ClientSends(CHUNKED + b"5\r\nstart\r\n"),
            OriginSeesHead(LINE),
            OriginSeesPiece(b"start"),
            OriginSends(TOO_LARGE),
            ClientGets(413, b"no"),
            OriginSeesEnd(),
        ),
    ),
    Case(
        "a response before any byte of the upload reaches the client",
        "RFC 9112 9.5",
        (
            ClientSends(LENGTH % 1000),
            OriginSeesHead(LINE),
            OriginSends(TOO_LARGE),
            ClientGets(413, b"no"),
            OriginSeesEnd(),
        ),
    ),
]

BROKEN_OFF = [
    Case(
        "an upload that stops before its length is not completed at the origin",
        "RFC 9112 8",
        (
            ClientSends(LENGTH % 9 + b"part"),
            OriginSeesHead(LINE),
            OriginSeesPiece(b"part"),
            ClientCloses(),
            OriginSeesEnd(),
        ),
    ),
    Case(
        "an upload without its last chunk gets no last chunk at the origin",
        "RFC 9112 8",
        (
            ClientSends(CHUNKED + b"4\r\npart\r\n"),
            OriginSeesHead(LINE),
            OriginSeesPiece(b"part"),
            ClientCloses(),
            OriginSeesEnd(),
        ),
    ),
    Case(
        "an upload with a malformed chunk gets no last chunk at the origin",
        "RFC 9112 7.1",
        (
            ClientSends(CHUNKED + b"4\r\npart\r\n"),
            OriginSeesHead(LINE),
            OriginSeesPiece(b"part"),
            ClientSends(b"zz\r\n"),
            OriginSeesEnd(),
        ),
    ),
]
LIMITED = Case(
    "a chunked body above the limit is refused, and gets no last chunk at the origin",
    "RFC 9110 15.5.14",
    (
        ClientSends(CHUNKED + b"5\r\nstart\r\n"),
        OriginSeesHead(LINE),
        OriginSeesPiece(b"start"),
        ClientSends(b"2e\r\n" + b"x" * 46 + b"\r\n0\r\n\r\n"),
        ClientGetsHead(413),
        OriginSeesEnd(),
    ),
    route="limits: {max_body_bytes: 50B}",
)
CASES = [LIMITED, *WHOLE, *STREAMED, *EARLY, *BROKEN_OFF]


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
async def test_an_upload_is_passed_on(case: Case, tier: Tier, tmp_path: Path) -> None:
    await converse(case, tier, tmp_path)
