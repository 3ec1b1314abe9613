"""Uploads that the backend refuses or does not read (RFC 9112 9.5)."""

import asyncio
from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support import procfs
from tests.support.origin import Origin, origin
from tests.support.wire import Head, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

LENGTH = b"POST /a HTTP/1.1\r\nhost: facade.example\r\ncontent-length: %d\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno"


async def refused_early(made: Origin, wire: Wire, request: bytes) -> Head:
    """The head of the answer to a request whose body has not come, or not all of it."""
    wire.send(request)
    upstream = await made.connection()
    await upstream.request_head()
    upstream.send(TOO_LARGE)
    head = (await wire.response()).head
    assert head.status == 413
    return head


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
            got = await wire.response()
        assert (got.head.status, got.body) == (413, b"no")


async def test_a_connection_with_a_half_sent_request_is_not_used_again(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.5. The next client's request would be taken for the rest of the body."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            await refused_early(made, wire, LENGTH % 1000 + b"start")
        async with client(up) as wire:
            wire.send(GET)
            second = await made.connection(2)
            assert (await second.request()).head.target == b"/a"
            second.send(OK)
            assert (await wire.response()).body == b"ok"


async def test_after_an_early_answer_the_client_is_in_step_or_let_go(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.3. The rest of the body is never taken for the next request."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            early = await refused_early(made, wire, LENGTH % 45)
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


async def test_a_client_that_goes_on_after_an_early_answer_is_not_reset(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.6. A reset can take the answer away from a client that has not read it yet."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            early = await refused_early(made, wire, LENGTH % 1_000_000)
            assert early.closes
            for _ in range(20):
                wire.send(b"x" * 1000)
                await wire.flush()
                await asyncio.sleep(0.01)
            assert await wire.end() == (b"", False)


async def test_an_upload_is_taken_no_faster_than_the_origin_reads(
    tier: Tier, tmp_path: Path
) -> None:
    """Promise C2: of 64 MB, the client gets rid of what sockets and bounded buffers hold."""
    taken = 0
    piece = b"x" * 64 * 1024
    async with origin() as made:
        routes = table(made.url, route="limits: {max_body_bytes: 100MiB}")
        async with facade(tier, routes, tmp_path) as up, client(up) as wire:
            wire.send(LENGTH % 64_000_000)
            upstream = await made.connection()
            await upstream.request_head()
            upstream.shrink_buffers()
            wire.shrink_buffers()
            while taken < 64_000_000:
                wire.send(piece)
                try:
                    await asyncio.wait_for(wire.flush(), 0.7)
                except TimeoutError:
                    break
                taken += len(piece)
            assert taken < procfs.in_flight_bytes(), taken
            wire.reset()
            await upstream.end()
