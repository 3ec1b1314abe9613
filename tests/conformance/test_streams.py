"""Streamed responses: each piece is forwarded immediately, and truncation is visible (RFC 9112 7, 8)."""

from pathlib import Path

import pytest

from tests.conformance.conversation import (
    Case,
    ClientGetsClosed,
    ClientGetsCut,
    ClientGetsHead,
    ClientGetsPiece,
    ClientGetsRest,
    OriginCloses,
    OriginResets,
    OriginSends,
    Step,
    converse,
    names,
)
from tests.conformance.harness import Tier
from tests.conformance.usual_steps import (
    AGAIN,
    CHUNKED,
    EVENTS,
    GET,
    LENGTH_3,
    OK,
    OLD,
    UNTIL_CLOSE,
    after_request,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMED = [
    Case(
        "the first piece of a chunked response arrives before the rest is sent",
        "RFC 9112 7.1",
        (
            *after_request(
                OriginSends(CHUNKED + b"5\r\nfirst\r\n"),
                ClientGetsHead(200),
                ClientGetsPiece(b"first"),
                OriginSends(b"4\r\nrest\r\n0\r\n\r\n"),
                ClientGetsRest(b"rest"),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "the first piece of a response with a length arrives before the rest is sent",
        "RFC 9112 6.2",
        (
            *after_request(
                OriginSends(OK + b"content-length: 9\r\n\r\nfirst"),
                ClientGetsHead(200),
                ClientGetsPiece(b"first"),
                OriginSends(b"rest"),
                ClientGetsRest(b"rest"),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "the head of a response arrives before its body is sent",
        "RFC 9112 2.1",
        (
            *after_request(
                OriginSends(LENGTH_3),
                ClientGetsHead(200),
                OriginSends(b"one"),
                ClientGetsRest(b"one"),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "half a chunk arrives before the other half is sent",
        "RFC 9112 7.1",
        (
            *after_request(
                OriginSends(CHUNKED + b"a\r\nfirst"),
                ClientGetsHead(200),
                ClientGetsPiece(b"first"),
                OriginSends(b"other\r\n0\r\n\r\n"),
                ClientGetsRest(b"other"),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "server-sent events arrive one by one",
        "HTML 9.2",
        (
            *after_request(OriginSends(EVENTS), ClientGetsHead(200)),
            *(
                step
                for number in range(10)
                for step in (
                    OriginSends(b"9\r\ndata: %d\n\n\r\n" % number),
                    ClientGetsPiece(b"data: %d\n\n" % number),
                )
            ),
            OriginSends(b"0\r\n\r\n"),
            ClientGetsRest(),
        ),
    ),
    Case(
        "events of a response that ends by close arrive one by one",
        "HTML 9.2",
        after_request(
            OriginSends(OK + b"content-type: text/event-stream\r\n\r\ndata: 1\n\n"),
            ClientGetsHead(200),
            ClientGetsPiece(b"data: 1\n\n"),
            OriginSends(b"data: 2\n\n"),
            ClientGetsPiece(b"data: 2\n\n"),
            OriginCloses(),
            ClientGetsRest(),
        ),
    ),
    Case(
        "events arrive one by one at a client of HTTP/1.0",
        "RFC 9112 6.1",
        after_request(
            OriginSends(EVENTS + b"9\r\ndata: 1\n\n\r\n"),
            ClientGetsHead(200),
            ClientGetsPiece(b"data: 1\n\n"),
            OriginSends(b"0\r\n\r\n"),
            ClientGetsRest(),
            ClientGetsClosed(),
            raw=OLD,
        ),
    ),
]


def _cut(name: str, head: bytes, end: Step, raw: bytes = GET, reset: bool = False) -> Case:
    part = (OriginSends(head), ClientGetsHead(200), ClientGetsPiece(b"part"), end)
    return Case(name, "RFC 9112 8", after_request(*part, ClientGetsCut(reset), raw=raw))


LONG = OK + b"content-length: 9\r\n\r\npart"
PART = CHUNKED + b"4\r\npart\r\n"
TRUNCATED = [
    _cut("a response that closes before its length is truncated", LONG, OriginCloses()),
    _cut("a response that is reset before its length is truncated", LONG, OriginResets()),
    _cut("a response that closes before its last chunk is truncated", PART, OriginCloses()),
    _cut("a response that is reset before its last chunk is truncated", PART, OriginResets()),
    _cut(
        "a response that ends inside a chunk is truncated", CHUNKED + b"9\r\npart", OriginCloses()
    ),
    _cut("a response with a malformed chunk is truncated", PART, OriginSends(b"zz\r\n")),
    _cut(
        "a response that ends by close is truncated by a reset",
        UNTIL_CLOSE + b"part",
        OriginResets(),
    ),
    _cut("a short response is truncated for HTTP/1.0", LONG, OriginCloses(), raw=OLD),
    _cut(
        "a response without its last chunk is reset for HTTP/1.0",
        PART,
        OriginCloses(),
        raw=OLD,
        reset=True,
    ),
    _cut(
        "a response that ends by close is reset for HTTP/1.0 after a reset",
        UNTIL_CLOSE + b"part",
        OriginResets(),
        raw=OLD,
        reset=True,
    ),
]
CASES = [*STREAMED, *TRUNCATED]


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
async def test_a_response_flows(case: Case, tier: Tier, tmp_path: Path) -> None:
    await converse(case, tier, tmp_path)
