"""Interim responses, `Expect: 100-continue` and trailers (RFC 9110 6.5, 10.1.1, 15.2)."""

from pathlib import Path

import pytest

from tests.conformance.conversation import (
    Case,
    ClientGets,
    ClientGetsClosed,
    ClientGetsHead,
    ClientGetsPiece,
    ClientGetsRest,
    ClientSends,
    OriginSees,
    OriginSeesHead,
    OriginSeesRest,
    OriginSends,
    Step,
    converse,
    names,
)
from tests.conformance.harness import Tier

GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
LINE = b"GET /a HTTP/1.1"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </s.css>; rel=preload\r\n\r\n"
HINT = [(b"link", b"</s.css>; rel=preload")]
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
EXPECTING = (
    b"POST /a HTTP/1.1\r\nhost: facade.example\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n"
)
POST = b"POST /a HTTP/1.1"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNKED_POST = b"POST /a HTTP/1.1\r\nhost: facade.example\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.asyncio(loop_scope="module")


def asked(*response: Step, raw: bytes = GET) -> tuple[Step, ...]:
    return (ClientSends(raw), OriginSees(LINE), *response)


def _interim(name: str, sent: bytes, statuses: tuple[int, ...]) -> Case:
    """Passed on by the fast tier; ASGI has no message for it, so that tier leaves it out."""
    return Case(
        name,
        "RFC 9110 15.2",
        asked(OriginSends(sent + OK), ClientGets(200, b"ok", interim=statuses)),
        asgi=asked(OriginSends(sent + OK), ClientGets(200, b"ok")),
    )


INTERIM = [
    Case(
        "early hints arrive, with their fields, before the response exists",
        "RFC 8297 2",
        asked(
            OriginSends(HINTS),
            ClientGetsHead(103, HINT),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
        asgi=asked(OriginSends(HINTS), OriginSends(OK), ClientGets(200, b"ok", fields=[])),
    ),
    _interim("a 103 in one packet with the response comes before it", HINTS, (103,)),
    _interim("a 102 is forwarded", PROCESSING, (102,)),
    _interim(
        "several interim responses come in order", PROCESSING + HINTS + HINTS, (102, 103, 103)
    ),
    Case(
        "a 100 without an expectation is no response",
        "RFC 9110 15.2.1",
        asked(
            OriginSends(b"HTTP/1.1 100 Continue\r\n\r\n" + OK),
            ClientGets(200, b"ok", interim=None),
            ClientSends(GET),
            OriginSees(LINE),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
    Case(
        "a 101 without an upgrade is refused",
        "RFC 9110 15.2.2",
        asked(
            OriginSends(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
            ),
            ClientGetsHead(502),
        ),
    ),
    Case(
        "a client of HTTP/1.0 gets no interim response",
        "RFC 9110 15.2",
        asked(
            OriginSends(HINTS + PROCESSING + OK),
            ClientGets(200, b"ok", interim=()),
            ClientGetsClosed(),
            raw=b"GET /a HTTP/1.0\r\n\r\n",
        ),
    ),
    Case(
        "interim fields do not get into the response",
        "RFC 9110 15.2",
        asked(OriginSends(HINTS + OK), ClientGets(200, b"ok", fields=[], interim=None)),
    ),
]

EXPECT = [
    Case(
        "a client that waits for 100 gets it before it sends its body",
        "RFC 9110 10.1.1",
        (
            ClientSends(EXPECTING),
            OriginSeesHead(POST),
            ClientGetsHead(100),
            ClientSends(b"body"),
            OriginSeesRest(b"body"),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
    Case(
        "the expectation is case-insensitive",
        "RFC 9110 10.1.1",
        (
            ClientSends(EXPECTING.replace(b"expect: 100-continue", b"Expect: 100-Continue")),
            ClientGetsHead(100),
            ClientSends(b"body"),
            OriginSees(POST, b"body"),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
    Case(
        "a body that comes before the 100 is accepted",
        "RFC 9110 10.1.1",
        (
            ClientSends(EXPECTING + b"body"),
            OriginSees(POST, b"body"),
            OriginSends(OK),
            ClientGets(200, b"ok", interim=None),
        ),
    ),
    Case(
        "an early final response arrives although the body was not sent",
        "RFC 9110 10.1.1",
        (
            ClientSends(EXPECTING),
            OriginSeesHead(POST),
            OriginSends(b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno"),
            ClientGets(417, b"no", interim=None),
        ),
    ),
    Case(
        "an expectation of HTTP/1.0 is ignored",
        "RFC 9110 10.1.1",
        (
            ClientSends(EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0") + b"body"),
            OriginSees(POST, b"body"),
            OriginSends(OK),
            ClientGets(200, b"ok", interim=()),
        ),
    ),
    Case(
        "a refusal by the facade itself comes without a 100",
        "RFC 9110 10.1.1",
        (ClientSends(EXPECTING.replace(b" /a ", b" /a%00 ")), ClientGetsHead(400)),
    ),
    Case(
        "a length above the limit is refused without a 100",
        "RFC 9110 15.5.14",
        (ClientSends(EXPECTING.replace(b"length: 4", b"length: 99")), ClientGetsHead(413)),
        route="limits: {max_body_bytes: 50B}",
    ),
]

TRAILED = CHUNKED + b"2\r\nok\r\n0\r\nx-check: abc\r\nx-check: def\r\n\r\n"
FORBIDDEN = CHUNKED + b"2\r\nok\r\n0\r\ncontent-type: text/x\r\nset-cookie: a=1\r\n\r\n"
SENT = b"4\r\nbody\r\n0\r\nx-check: abc\r\n\r\n"
TRAILERS = [
    Case(
        "trailers of a response arrive as trailers",
        "RFC 9110 6.5",
        asked(
            OriginSends(TRAILED),
            ClientGets(
                200,
                b"ok",
                fields=[],
                trailers=[(b"x-check", b"abc"), (b"x-check", b"def")],
            ),
        ),
        asgi=asked(OriginSends(TRAILED), ClientGets(200, b"ok", fields=[])),
    ),
    Case(
        "trailers arrive after a body that came in pieces",
        "RFC 9112 7.1.2",
        asked(
            OriginSends(CHUNKED + b"2\r\nok\r\n"),
            ClientGetsHead(200),
            ClientGetsPiece(b"ok"),
            OriginSends(b"0\r\nx-check: abc\r\n\r\n"),
            ClientGetsRest(),
            ClientSends(GET),
            OriginSees(LINE),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
    Case(
        "cookies and content fields are no trailers",
        "RFC 9110 6.5.1",
        asked(OriginSends(FORBIDDEN), ClientGets(200, b"ok", fields=[])),
    ),
    Case(
        "a client of HTTP/1.0 gets no trailers",
        "RFC 9112 7.1",
        asked(
            OriginSends(TRAILED),
            ClientGets(200, b"ok", chunked=False),
            raw=b"GET /a HTTP/1.0\r\n\r\n",
        ),
    ),
    Case(
        "trailers of a request reach the origin as trailers",
        "RFC 9110 6.5",
        (
            ClientSends(CHUNKED_POST + SENT),
            OriginSees(POST, b"body", fields=[], trailers=[(b"x-check", b"abc")]),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
        asgi=(
            ClientSends(CHUNKED_POST + SENT),
            OriginSees(POST, b"body", fields=[]),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
    Case(
        "a request's trailers cannot add credentials, a host or forwarding fields",
        "RFC 9110 6.5.1",
        (
            ClientSends(
                CHUNKED_POST + b"4\r\nbody\r\n0\r\nauthorization: evil\r\nhost: evil\r\n"
                b"x-forwarded-for: 1.2.3.4\r\ncookie: a=1\r\nte: x\r\n\r\n"
            ),
            OriginSees(POST, b"body", fields=[], trailers=[]),
            OriginSends(OK),
            ClientGets(200, b"ok"),
        ),
    ),
]
CASES = [*INTERIM, *EXPECT, *TRAILERS]


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
async def test_interim_responses_and_trailers(case: Case, tier: Tier, tmp_path: Path) -> None:
    await converse(case, tier, tmp_path)
