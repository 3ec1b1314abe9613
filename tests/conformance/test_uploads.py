"""Request bodies: framing, streaming, and answers that come while they are sent (RFC 9112 6, 9110 9.3)."""

import asyncio
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
from tests.conformance.harness import Tier, client, facade, table
from tests.conformance.origin import origin

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
    return Case(f"a {method.decode()} takes a body", "RFC 9110 9.3", steps)


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
        "`Chunked` in other letters is the same coding",
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
        "request and answer stream at the same time",
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
        "an early answer reaches the client while its upload goes on",
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
        "an early answer to a chunked upload reaches the client",
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
        "an answer before any byte of the upload reaches the client",
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
        "an upload that stops before its length does not end well at the origin",
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
        "an upload without its last chunk gets none at the origin",
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
        "an upload with a broken chunk gets no last one at the origin",
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
    "a chunked body beyond the limit is refused, and gets no last chunk at the origin",
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


async def test_an_early_answer_reaches_a_client_that_nobody_reads_from(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.5. Eight megabytes, of which the origin reads only the head."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(LENGTH % 8_000_000)
            wire.send(b"x" * 8_000_000)
            upstream = await made.connection()
            await upstream.request_head()
            upstream.send(TOO_LARGE)
            got = await wire.answer()
        assert (got.head.status, got.body) == (413, b"no")


async def test_a_connection_with_a_half_sent_request_is_not_used_again(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.5. The next client's request would be taken for the rest of the body."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(LENGTH % 1000 + b"start")
            first = await made.connection()
            await first.request_head()
            first.send(TOO_LARGE)
            assert (await wire.answer()).head.status == 413
        async with client(up) as wire:
            wire.send(GET)
            second = await made.connection(2)
            assert (await second.request()).head.target == b"/a"
            second.send(OK)
            assert (await wire.answer()).body == b"ok"


async def test_after_an_early_answer_the_client_is_in_step_or_let_go(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.3. The rest of the body is never taken for the next request."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(LENGTH % 45)
            first = await made.connection()
            await first.request_head()
            first.send(TOO_LARGE)
            early = (await wire.answer()).head
            assert early.status == 413
            # 45 bytes that look like a request, and then a real one.
            wire.send(b"GET /smuggled HTTP/1.1\r\nhost: h.example\r\nab: c\r\n\r\n"[:45])
            wire.send(GET)
            asked = asyncio.create_task(made.connection(2))
            ended = asyncio.create_task(wire.end())
            done, waiting = await asyncio.wait((asked, ended), return_when="FIRST_COMPLETED")
            for task in waiting:
                task.cancel()
            await asyncio.wait((asked, ended))
            if asked in done:
                assert (await asked.result().request_head()).target == b"/a"
            else:
                assert early.closes
                assert b"HTTP/1.1" not in ended.result()[0]


async def test_an_upload_is_taken_no_faster_than_the_origin_reads(
    tier: Tier, tmp_path: Path
) -> None:
    """Row C2 of the promises: of 64 MB, the client gets rid of what sockets and bounded buffers hold."""
    taken = 0
    piece = b"x" * 64 * 1024
    async with origin() as made:
        routes = table(made.url, route="limits: {max_body_bytes: 100MiB}")
        async with facade(tier, routes, tmp_path) as up, client(up) as wire:
            wire.send(LENGTH % 64_000_000)
            upstream = await made.connection()
            await upstream.request_head()
            while taken < 64_000_000:
                wire.send(piece)
                try:
                    await asyncio.wait_for(wire.flush(), 0.7)
                except TimeoutError:
                    break
                taken += len(piece)
            assert taken < 24_000_000
            wire.reset()
            await upstream.end()
