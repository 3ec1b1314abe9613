"""Framing of response bodies, for clients of HTTP/1.1 and 1.0 (RFC 9112 6)."""

from pathlib import Path

import pytest

from tests.conformance.conversation import (
    Case,
    ClientGets,
    ClientGetsClosed,
    OriginCloses,
    OriginSeesEnd,
    OriginSends,
    converse,
    names,
)
from tests.conformance.harness import Tier
from tests.conformance.usual_steps import (
    AGAIN,
    ANEW,
    CHUNKED,
    HEAD,
    LENGTH_3,
    OK,
    OLD,
    UNTIL_CLOSE,
    after_request,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRAMED = [
    Case(
        "a response with a length keeps it",
        "RFC 9112 6.3",
        (*after_request(OriginSends(LENGTH_3 + b"one"), ClientGets(200, b"one", length=3)), *AGAIN),
    ),
    Case(
        "an empty response keeps its length of zero",
        "RFC 9112 6.3",
        (
            *after_request(
                OriginSends(OK + b"content-length: 0\r\n\r\n"), ClientGets(200, length=0)
            ),
            *AGAIN,
        ),
    ),
    Case(
        "a chunked response stays chunked",
        "RFC 9112 7.1",
        (
            *after_request(
                OriginSends(CHUNKED + b"3\r\none\r\n4;ext=1\r\nmore\r\n0\r\n\r\n"),
                ClientGets(200, b"onemore", chunked=True),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "chunk sizes in hexadecimal of either case with leading zeros are read",
        "RFC 9112 7.1",
        (
            *after_request(
                OriginSends(CHUNKED + b"00A\r\n0123456789\r\nb\r\n0123456789a\r\n000\r\n\r\n"),
                ClientGets(200, b"01234567890123456789a"),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "a body that ends by close is chunked for a client of HTTP/1.1, which stays connected",
        "RFC 9112 6.3",
        (
            *after_request(
                OriginSends(UNTIL_CLOSE + b"to the end"),
                OriginCloses(),
                ClientGets(200, b"to the end", chunked=True),
            ),
            *ANEW,
        ),
    ),
    Case(
        "a response of HTTP/1.0 is forwarded as HTTP/1.1",
        "RFC 9110 6.2",
        (
            *after_request(
                OriginSends(b"HTTP/1.0 200 OK\r\n\r\nold"), OriginCloses(), ClientGets(200, b"old")
            ),
            *ANEW,
        ),
    ),
    Case(
        "after close from the origin its connection is not reused, and the client stays connected",
        "RFC 9112 9.6",
        (
            *after_request(
                OriginSends(OK + b"connection: close\r\ncontent-length: 2\r\n\r\nok"),
                ClientGets(200, b"ok", closes=False),
                OriginSeesEnd(),
            ),
            *ANEW,
        ),
    ),
    Case(
        "a client of HTTP/1.0 gets a body that ends by close without chunks",
        "RFC 9112 6.1",
        after_request(
            OriginSends(UNTIL_CLOSE + b"to the end"),
            OriginCloses(),
            ClientGets(200, b"to the end", chunked=False, closes=True),
            raw=OLD,
        ),
    ),
    Case(
        "a client of HTTP/1.0 gets a chunked response without chunks",
        "RFC 9112 6.1",
        after_request(
            OriginSends(CHUNKED + b"3\r\none\r\n0\r\nx-trailer: 1\r\n\r\n"),
            ClientGets(200, b"one", chunked=False, closes=True),
            raw=OLD,
        ),
    ),
    Case(
        "a client of HTTP/1.0 gets a length, and then the end of its connection",
        "RFC 9112 9.3",
        after_request(
            OriginSends(LENGTH_3 + b"one"),
            ClientGets(200, b"one", length=3, closes=True),
            ClientGetsClosed(),
            raw=OLD,
        ),
    ),
]

WITHOUT_BODY = [
    Case(
        "a response to HEAD keeps its length and has no body",
        "RFC 9110 9.3.2",
        (
            *after_request(
                OriginSends(OK + b"content-length: 5000\r\n\r\n"),
                ClientGets(200, to="HEAD", length=5000),
                raw=HEAD,
                line=b"HEAD /a HTTP/1.1",
            ),
            *AGAIN,
        ),
    ),
    Case(
        "a response to HEAD with chunked coding has no body, and no length either",
        "RFC 9112 6.1",
        (
            *after_request(
                OriginSends(CHUNKED),
                ClientGets(200, to="HEAD", fields=[]),
                raw=HEAD,
                line=b"HEAD /a HTTP/1.1",
            ),
            *AGAIN,
        ),
    ),
    Case(
        "a response to HEAD without framing fields has no body",
        "RFC 9110 9.3.2",
        (
            *after_request(
                OriginSends(OK + b"etag: x\r\n\r\n"),
                ClientGets(200, to="HEAD", fields=[(b"etag", b"x")]),
                raw=HEAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
                line=b"HEAD /a HTTP/1.1",
            ),
            ClientGetsClosed(),
        ),
    ),
    Case(
        "a 204 has no body and no framing",
        "RFC 9110 8.6",
        (
            *after_request(
                OriginSends(b"HTTP/1.1 204 No Content\r\netag: x\r\n\r\n"),
                ClientGets(
                    204, fields=[(b"etag", b"x")], without=(b"content-length",), chunked=False
                ),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "a length of a 204 is not forwarded",
        "RFC 9110 8.6",
        (
            *after_request(
                OriginSends(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"),
                ClientGets(204, without=(b"content-length", b"transfer-encoding")),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "a 304 without a length has no body",
        "RFC 9110 15.4.5",
        (
            *after_request(
                OriginSends(b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n"),
                ClientGets(304, fields=[(b"etag", b"x")], chunked=False),
            ),
            *AGAIN,
        ),
    ),
    Case(
        "a 304 keeps the length of its representation",
        "RFC 9110 8.6",
        (
            *after_request(
                OriginSends(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"),
                ClientGets(304, length=9),
            ),
            *AGAIN,
        ),
    ),
]

CASES = [*FRAMED, *WITHOUT_BODY]


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
async def test_a_response_is_passed_on(case: Case, tier: Tier, tmp_path: Path) -> None:
    await converse(case, tier, tmp_path)
