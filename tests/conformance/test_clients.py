"""HTTP clients of other projects, end to end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import h11
import httpx
import pytest
from aiohttp import web

from tests.conformance.harness import Tier, facade, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import Origin, ok, origin, responding
from tests.support.wire import Message, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHUNKS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
)


def _echo(asked: Message) -> bytes:
    return ok(asked.head.target + b" " + asked.body, b"x-method: " + asked.head.line.split(b" ")[0])


def _url(up: RunningFacade) -> str:
    return f"http://127.0.0.1:{up.listen.port}"


async def test_httpx_streams_both_ways(tier: Tier, tmp_path: Path) -> None:
    async def upload() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"%d," % number

    async with origin(responding(_echo)) as made, facade(tier, table(made.url), tmp_path) as up:
        async with httpx.AsyncClient(trust_env=False) as browser:
            got = await browser.post(f"{_url(up)}/p?q=1", content=upload())
            assert got.content == b"/p?q=1 0,1,2,3,4,"
            head = await browser.head(f"{_url(up)}/p")
            assert (head.content, head.headers["x-method"]) == (b"", "HEAD")
            async with browser.stream("GET", f"{_url(up)}/s") as streamed:
                assert b"".join([part async for part in streamed.aiter_bytes()]) == b"/s "


async def test_httpx_sees_a_truncated_response(tier: Tier, tmp_path: Path) -> None:
    async def cut(wire: Wire) -> None:
        await wire.request()
        wire.send(CHUNKS[:-5])

    async with origin(cut) as made, facade(tier, table(made.url), tmp_path) as up:
        async with httpx.AsyncClient(trust_env=False) as browser:
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await browser.get(_url(up))


async def test_aiohttp_asks_in_parallel_and_gets_each_its_own(tier: Tier, tmp_path: Path) -> None:
    async with origin(responding(_echo)) as made, facade(tier, table(made.url), tmp_path) as up:
        async with aiohttp.ClientSession() as session:

            async def ask(number: int) -> tuple[int, bytes]:
                data = b"x" * number
                async with session.post(f"{_url(up)}/{number}", data=data) as got:
                    return got.status, await got.read()

            results = await asyncio.gather(*(ask(number) for number in range(100)))
    assert results == [(200, b"/%d " % number + b"x" * number) for number in range(100)]


async def test_aiohttp_waits_for_100_continue(tier: Tier, tmp_path: Path) -> None:
    """RFC 9110 10.1.1."""
    async with origin(responding(_echo)) as made, facade(tier, table(made.url), tmp_path) as up:
        async with aiohttp.ClientSession() as session:
            async with session.put(_url(up), data=b"body", expect100=True) as got:
                assert await got.read() == b"/ body"


async def test_h11_reads_every_response_of_a_connection(tier: Tier, tmp_path: Path) -> None:
    responses = [ok(b"one"), CHUNKS, b"HTTP/1.1 204 No Content\r\n\r\n", ok(b"four")]
    async with origin(responding(lambda _: responses.pop(0))) as made:
        async with facade(tier, table(made.url), tmp_path) as up:
            bodies = await asyncio.to_thread(_with_h11, up.listen.port, 4)
    assert bodies == [b"one", b"onetwo", b"", b"four"]


def _with_h11(port: int, count: int) -> list[bytes]:
    bodies: list[bytes] = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        us = h11.Connection(h11.CLIENT)
        for _ in range(count):
            request = h11.Request(method="GET", target="/", headers=[("host", "h")])
            sock.sendall((us.send(request) or b"") + (us.send(h11.EndOfMessage()) or b""))
            body = b""
            while not isinstance(event := us.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    us.receive_data(sock.recv(65536))
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
            bodies.append(body)
            us.start_next_cycle()
    return bodies


async def test_aiohttp_talks_to_aiohttp_over_a_websocket(tier: Tier, tmp_path: Path) -> None:
    """RFC 6455, with permessage-deflate and a subprotocol."""

    async def chat(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("chat.v2",))
        await ws.prepare(request)
        async for message in ws:
            if message.data == "bye":
                await ws.close(code=4001, message=b"as you wish")
            elif message.type is aiohttp.WSMsgType.TEXT:
                await ws.send_str(message.data[::-1])
            else:
                await ws.send_bytes(message.data[::-1])
        return ws

    app = web.Application()
    app.router.add_get("/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        async with facade(tier, table(f"http://127.0.0.1:{port}"), tmp_path) as up:
            await _chat(up)
    finally:
        await runner.cleanup()


async def _chat(up: RunningFacade) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{_url(up)}/chat"
        async with session.ws_connect(url, protocols=("chat.v2",), compress=15) as ws:
            assert (ws.protocol, ws.compress) == ("chat.v2", 15)
            await ws.send_str("안녕" * 10_000)
            assert await ws.receive_str(timeout=8) == "녕안" * 10_000
            await ws.send_bytes(bytes(range(256)) * 4000)
            assert await ws.receive_bytes(timeout=8) == (bytes(range(256)) * 4000)[::-1]
            await ws.ping()
            await ws.send_str("bye")
            last = await ws.receive(timeout=8)
            assert (last.type, ws.close_code, last.extra) == (
                aiohttp.WSMsgType.CLOSE,
                4001,
                "as you wish",
            )


async def test_a_browsers_event_source_hears_each_event_at_once(tier: Tier, tmp_path: Path) -> None:
    """HTML 9.2: with httpx in the browser's place."""
    async with origin() as made, facade(tier, table(made.url), tmp_path) as up:
        async with httpx.AsyncClient(trust_env=False) as browser:
            speaking = asyncio.create_task(_first_event(made))
            async with browser.stream("GET", f"{_url(up)}/events") as got:
                wire = await speaking
                lines = got.aiter_lines()
                for number in range(3):
                    assert await asyncio.wait_for(anext(lines), 8) == f"data: {number}"
                    assert await asyncio.wait_for(anext(lines), 8) == ""
                    event = b"data: %d\n\n" % (number + 1)
                    wire.send(b"%x\r\n%b\r\n" % (len(event), event))


async def _first_event(made: Origin) -> Wire:
    wire = await made.connection()
    await wire.request()
    wire.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        b"9\r\ndata: 0\n\n\r\n"
    )
    return wire
