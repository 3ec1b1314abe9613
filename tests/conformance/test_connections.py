"""Persistent connections, pipelining, and HTTP/1.0 (RFC 9112 9)."""

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
    OriginSends,
    Step,
    converse,
    names,
)
from tests.conformance.harness import Tier, client, facade, table
from tests.support.origin import ok, origin, responding, responding_once
from tests.support.wire import Message

pytestmark = pytest.mark.asyncio(loop_scope="module")


H = b"host: facade.example\r\n"
GET = b"GET /%d HTTP/1.1\r\n" + H + b"\r\n"
POST = b"POST /%d HTTP/1.1\r\n" + H + b"content-length: 4\r\n\r\nbody"
CHUNKED = b"POST /%d HTTP/1.1\r\n" + H + b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
HEAD = b"HEAD /%d HTTP/1.1\r\n" + H + b"\r\n"
CLOSING = b"GET /%d HTTP/1.1\r\n" + H + b"connection: close\r\n\r\n"
OLD = b"GET /%d HTTP/1.0\r\n\r\n"
OLD_KEPT = b"GET /%d HTTP/1.0\r\n" + H + b"connection: Keep-Alive\r\n\r\n"
SEES_1, SEES_2 = OriginSees(b"GET /1 HTTP/1.1"), OriginSees(b"GET /2 HTTP/1.1")
RESPONSE_1, RESPONSE_2 = OriginSends(ok(b"one")), OriginSends(ok(b"two"))
GETS_1, GETS_2 = ClientGets(200, b"one"), ClientGets(200, b"two")
HEAD_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
BAD = b"GET / HTTP/1.1\r\nhost facade\r\n\r\n"


def _first(*after: Step, raw: bytes = GET % 1, closes: bool | None = None) -> tuple[Step, ...]:
    return (ClientSends(raw), SEES_1, RESPONSE_1, ClientGets(200, b"one", closes=closes), *after)


CASES = [
    Case(
        "a connection of HTTP/1.1 is kept unless one side sends close",
        "RFC 9112 9.3",
        _first(ClientSends(GET % 2), SEES_2, RESPONSE_2, GETS_2, closes=False),
    ),
    Case(
        "a client that sends close gets close, and is disconnected after its response",
        "RFC 9112 9.6",
        _first(ClientGetsClosed(), raw=CLOSING % 1, closes=True),
    ),
    Case(
        "close is recognised in any case and among other options",
        "RFC 9110 7.6.1",
        _first(ClientGetsClosed(), raw=(CLOSING % 1).replace(b"close", b"x-a, Close"), closes=True),
    ),
    Case(
        "requests after one with close get no response",
        "RFC 9112 9.6",
        _first(ClientGetsClosed(), raw=CLOSING % 1 + GET % 2, closes=True),
    ),
    Case(
        "a client of HTTP/1.0 is disconnected after its response",
        "RFC 9112 9.3",
        _first(ClientGetsClosed(), raw=OLD % 1, closes=True),
    ),
    Case(
        "a request of HTTP/1.0 needs no Host",
        "RFC 9112 3.2",
        (ClientSends(OLD % 1), OriginSees(b"GET /1 HTTP/1.1", fields=[]), RESPONSE_1, GETS_1),
    ),
    Case(
        "a request of HTTP/1.1 needs a Host",
        "RFC 9112 3.2",
        (ClientSends(b"GET / HTTP/1.1\r\n\r\n"), ClientGetsHead(400)),
    ),
    Case(
        "an empty Host is no host",
        "RFC 9110 4.2.1",
        (ClientSends(b"GET /1 HTTP/1.1\r\nhost:\r\n\r\n"), ClientGetsHead(400)),
    ),
    Case(
        "a body of HTTP/1.0 is forwarded",
        "RFC 9112 6.3",
        (
            ClientSends(b"POST /1 HTTP/1.0\r\ncontent-length: 4\r\n\r\nbody"),
            OriginSees(b"POST /1 HTTP/1.1", b"body", length=4),
            RESPONSE_1,
            GETS_1,
        ),
    ),
    Case(
        "an empty line in front of a request is skipped",
        "RFC 9112 2.2",
        _first(raw=b"\r\n" + GET % 1),
    ),
    Case(
        "a pipelined request waits for the end of the streamed response before it",
        "RFC 9112 9.3.2",
        (
            ClientSends(GET % 1 + GET % 2),
            SEES_1,
            OriginSends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"),
            ClientGetsHead(200),
            ClientGetsPiece(b"one"),
            OriginSends(b"0\r\n\r\n"),
            ClientGetsRest(),
            SEES_2,
            RESPONSE_2,
            GETS_2,
        ),
    ),
    Case(
        "a request behind a POST is forwarded after the response to the POST",
        "RFC 9112 9.3.2",
        (
            ClientSends(POST % 1 + GET % 2),
            OriginSees(b"POST /1 HTTP/1.1", b"body"),
            RESPONSE_1,
            GETS_1,
            SEES_2,
            RESPONSE_2,
            GETS_2,
        ),
    ),
    Case(
        "the 400 for a bad request comes after the response to the good one before it",
        "RFC 9112 9.3.2",
        (ClientSends(GET % 1 + BAD), SEES_1, RESPONSE_1, GETS_1, ClientGetsHead(400)),
    ),
    Case(
        "so does the 400 for a bad request in a packet of its own",
        "RFC 9112 9.3.2",
        (ClientSends(GET % 1), SEES_1, ClientSends(BAD), RESPONSE_1, GETS_1, ClientGetsHead(400)),
    ),
    Case(
        "an error of the facade keeps the order",
        "RFC 9112 9.3.2",
        (
            ClientSends(GET % 1 + b"GET /a%00 HTTP/1.1\r\n" + H + b"\r\n"),
            SEES_1,
            RESPONSE_1,
            GETS_1,
            ClientGetsHead(400),
        ),
    ),
    Case(
        "half a request behind a complete one waits for its other half",
        "RFC 9112 9.3.2",
        (
            ClientSends(GET % 1 + (GET % 2)[:20]),
            SEES_1,
            RESPONSE_1,
            GETS_1,
            ClientSends((GET % 2)[20:]),
            SEES_2,
            RESPONSE_2,
            GETS_2,
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
async def test_a_connection_lasts_as_it_should(case: Case, tier: Tier, tmp_path: Path) -> None:
    await converse(case, tier, tmp_path)


def _echo(message: Message) -> bytes:
    """What was asked, as the body; without it for HEAD."""
    method = message.head.line.split(b" ")[0]
    body = method + b" " + message.head.target + b" " + message.body
    made = ok(body)
    return made[: -len(body)] if method == b"HEAD" else made


PIPELINES = [
    pytest.param((GET,) * 2, id="two GETs"),
    pytest.param((GET,) * 20, id="twenty GETs"),
    pytest.param((GET, HEAD) * 10, id="GET and HEAD in turns"),
    pytest.param((POST, GET) * 5, id="bodies with a length between GETs"),
    pytest.param((CHUNKED, GET) * 5, id="chunked bodies between GETs"),
    pytest.param((POST, CHUNKED, HEAD, GET) * 4, id="all kinds"),
    pytest.param((GET, POST, CLOSING), id="the last one says close"),
]


@pytest.mark.parametrize("cut_at", [0, 1, 7, 1000], ids=lambda cut: f"in pieces of {cut or 'all'}")
@pytest.mark.parametrize("kinds", PIPELINES)
async def test_pipelined_requests_get_their_responses_in_order(
    kinds: tuple[bytes, ...], cut_at: int, tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.3.2."""
    raw = b"".join(kind % number for number, kind in enumerate(kinds))
    async with origin(responding(_echo)) as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            for at in range(0, len(raw), cut_at or len(raw)):
                wire.send(raw[at : at + (cut_at or len(raw))])
                await wire.flush()
            for number, kind in enumerate(kinds):
                method = kind.split(b" ")[0]
                got = await wire.response(method.decode())
                body = b"body" if method == b"POST" else b""
                echoed = method + b" /%d " % number + body
                assert (got.head.status, got.body) == (
                    200,
                    b"" if method == b"HEAD" else echoed,
                )
                assert got.head.one(b"content-length") == b"%d" % len(echoed)


async def test_http_1_0_keep_alive_is_granted_where_it_is_asked_for(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.3."""
    # The second path has two variants, and the third request no Host: the strict reader reads them.
    kept = [OLD_KEPT, OLD_KEPT.replace(b"/%d", b"/%d/%%2e"), OLD_KEPT.replace(H, b"")]
    async with origin(responding(_echo)) as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            for number, raw in enumerate(kept * 2):
                wire.send(raw % number)
                got = await wire.response()
                assert (got.head.status, got.head.one(b"connection")) == (200, b"keep-alive")
                assert got.body.startswith(b"GET /%d" % number)
            wire.send(OLD_KEPT.replace(b"GET", b"HEAD") % 1)
            assert (await wire.response("HEAD")).head.one(b"connection") == b"keep-alive"
            wire.send(OLD % 7)
            got = await wire.response()
            assert (got.head.closes, got.body) == (True, b"GET /7 ")
            assert await wire.end() == (b"", False)


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\none",
    ],
)
async def test_http_1_0_keep_alive_is_not_granted_without_a_length(
    response: bytes, tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.3."""
    async with origin(responding_once(response)) as made:
        async with facade(tier, table(made.url), tmp_path) as up, client(up) as wire:
            wire.send(OLD_KEPT % 1)
            got = await wire.response()
            assert (got.head.closes, got.body) == (True, b"one")
            assert not got.head.all(b"content-length") + got.head.all(b"transfer-encoding")


async def test_http_1_0_keep_alive_holds_for_a_response_of_the_facade(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.3."""
    async with facade(
        tier, table("http://127.0.0.1:1", route="match: {path: {prefix: /b}}"), tmp_path
    ) as up:
        async with client(up) as wire:
            for _ in range(2):
                wire.send(OLD_KEPT % 1)
                got = await wire.response()
                assert (got.head.status, got.head.one(b"connection")) == (404, b"keep-alive")


async def test_a_backend_of_http_1_0_keeps_its_connection_where_it_says_so(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.3."""
    kept = b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\ncontent-length: 3\r\n\r\none"
    async with origin(responding(kept)) as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            for number in range(3):
                wire.send(GET % number)
                got = await wire.response()
                assert (got.body, got.head.all(b"connection")) == (b"one", [])
            assert made.accepted == 1


async def test_a_connection_that_sends_nothing_is_closed_after_the_time_for_a_head(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.5. A browser that connects ahead of time would take a 408 for its response."""
    rest = "listener: {head_timeout: 500ms, idle_timeout: 1h}\n"
    async with origin(responding(ok())) as made:
        async with facade(tier, table(made.url, rest=rest), tmp_path) as up:
            async with client(up) as silent, client(up) as kept, client(up) as slow:
                kept.send(GET % 1)
                await kept.response()
                slow.send(b"GET /")
                assert await silent.end() == (b"", False)
                assert (await slow.response()).head.status == 408
                kept.send(GET % 2)
                assert (await kept.response()).head.status == 200
