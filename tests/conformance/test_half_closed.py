"""A client that ends its half of the connection gets its responses (RFC 9112 9.6)."""

import asyncio
from pathlib import Path

import pytest

from tests.conformance.harness import Tier, client, facade, table
from tests.support.origin import ok, origin
from tests.support.wire import Message

pytestmark = pytest.mark.asyncio(loop_scope="module")


H = b"host: facade.example\r\n"
GET = b"GET /%d HTTP/1.1\r\n" + H + b"\r\n"
POST = b"POST /%d HTTP/1.1\r\n" + H + b"content-length: 4\r\n\r\nbody"
CHUNKED = b"POST /%d HTTP/1.1\r\n" + H + b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
HEAD_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
HEAD = b"HEAD /%d HTTP/1.1\r\n" + H + b"\r\n"
CLOSING = b"GET /%d HTTP/1.1\r\n" + H + b"connection: close\r\n\r\n"
OLD = b"GET /%d HTTP/1.0\r\n\r\n"


def _echo(message: Message) -> bytes:
    """What was asked, as the body; without it for HEAD."""
    method = message.head.line.split(b" ")[0]
    body = method + b" " + message.head.target + b" " + message.body
    made = ok(body)
    return made[: -len(body)] if method == b"HEAD" else made


HALVES = [
    pytest.param((GET,), id="GET"),
    pytest.param((HEAD,), id="HEAD"),
    pytest.param((OLD,), id="HTTP/1.0"),
    pytest.param((CLOSING,), id="it says close"),
    pytest.param((POST,), id="a body with a length"),
    pytest.param((CHUNKED,), id="a chunked body"),
    pytest.param((GET, POST, CHUNKED, GET), id="pipelined requests"),
]


@pytest.mark.parametrize("kinds", HALVES)
async def test_a_client_that_ends_its_half_after_whole_requests_gets_each_response(
    kinds: tuple[bytes, ...], tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.6: a client may close its sending side and wait."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(b"".join(kind % number for number, kind in enumerate(kinds)))
            await wire.flush()
            wire.half_close()
            upstream = await made.connection()
            for kind in kinds:
                await upstream.request()
                # Long enough for the end of the client's half to come first.
                await asyncio.sleep(0.05)
                upstream.send(ok(b"one") if kind is not HEAD else HEAD_OK)
            for kind in kinds:
                got = await wire.response(kind.split(b" ")[0].decode())
                assert got.head.status == 200
                assert got.body == (b"one" if kind is not HEAD else b"")
            assert await wire.end() == (b"", False)
        lines = await up.log_lines(len(kinds))
        assert [(line["status"], line["complete"]) for line in lines] == [(200, True)] * len(kinds)


async def test_a_client_that_ends_its_half_gets_a_streamed_response_to_its_end(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.6."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(GET % 1)
            upstream = await made.connection()
            await upstream.request()
            upstream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none")
            await wire.response_head()
            assert await wire.piece(3) == b"one"
            wire.half_close()
            await asyncio.sleep(0.05)
            upstream.send(b"two")
            assert await wire.rest() == b"two"
            assert await wire.end() == (b"", False)


async def test_a_client_that_ends_its_half_in_a_request_gets_nothing(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 8: an incomplete request is no request."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        for raw in ((GET % 1)[:-2], (POST % 1)[:-1], (CHUNKED % 1)[:-2]):
            async with client(up) as wire:
                wire.send(raw)
                await wire.flush()
                wire.half_close()
                assert (await wire.end())[0] == b""


async def test_a_client_that_resets_after_it_ended_its_half_ends_the_request(
    tier: Tier, tmp_path: Path
) -> None:
    """RFC 9112 9.6."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with client(up) as wire:
            wire.send(GET % 1)
            upstream = await made.connection()
            await upstream.request()
            wire.half_close()
            await asyncio.sleep(0.05)
            wire.reset()
            await upstream.end()
        assert (await up.log_lines(1))[0]["reason"] == "client_gone"
