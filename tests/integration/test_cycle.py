"""What an ASGI application may do to its server, good and bad, over real sockets."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.downstream.asgi import HIGH_WATER_BYTES
from proxy.downstream.asgi_types import App, Message, Receive, Scope, Send
from proxy.server.app import build
from proxy.server.serve import serving_admin
from proxy.server.settings import Settings
from proxy.server.sockets import bind
from tests.support.facade_in_loop import LOOPBACK, reset_on_close
from tests.support.raw_response import body_of, head_of, status_of

TABLE = 'version: 1\nbackends: {a: "http://127.0.0.1:9"}\nroutes: [{name: a, backend_refs: a}]\n'
GET = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def serving_app(app: App, folder: Path) -> AsyncIterator[int]:
    """Gives the port of a server of `app`."""
    (folder / "routes.yaml").write_text(TABLE)
    facade = build(Settings(folder / "routes.yaml", LOOPBACK, LOOPBACK, access_log="none"))
    listening = bind(LOOPBACK, "--admin")
    port = listening.getsockname()[1]
    async with serving_admin(app, facade.table, listening):
        yield port


async def ask(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        writer.write(raw)
        async with asyncio.timeout(10):
            return await reader.read()


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("at once")


async def _says_nothing(scope: Scope, receive: Receive, send: Send) -> None: ...


async def _breaks_out_of_a_line(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start((b"x-a", b"1\r\nx-b: 2")))


async def _begins_with_the_body(scope: Scope, receive: Receive, send: Send) -> None:
    await send(part(b"x"))


@pytest.mark.parametrize(
    "app", [_raises_at_once, _says_nothing, _breaks_out_of_a_line, _begins_with_the_body]
)
async def test_an_application_that_fails_before_its_response_is_a_500(
    tmp_path: Path, app: App
) -> None:
    async with serving_app(app, tmp_path) as port:
        response = await ask(port, GET)
    assert status_of(response) == 500
    assert json.loads(body_of(response))["status"] == 500
    assert b"Connection: close" in head_of(response)


async def _raises_half_way(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(part(b"half", more=True))
    raise ValueError("half way")


async def _ends_half_way(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(part(b"half", more=True))


async def _says_too_much(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start((b"content-length", b"4")))
    await send(part(b"half", more=True))
    await send(part(b"more"))


async def _says_too_little(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start((b"content-length", b"9")))
    await send(part(b"half", more=True))
    await send(part(b""))


@pytest.mark.parametrize(
    "app", [_raises_half_way, _ends_half_way, _says_too_much, _says_too_little]
)
async def test_a_response_that_breaks_off_does_not_look_complete(tmp_path: Path, app: App) -> None:
    async with serving_app(app, tmp_path) as port:
        response = await ask(port, GET)
    assert status_of(response) == 200
    assert body_of(response) in (b"4\r\nhalf\r\n", b"half")


async def test_responses_have_the_framing_of_the_application(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/length":
            await send(start((b"content-length", b"2")))
        else:
            await send(start(status=204 if scope["path"] == "/none" else 200))
        await send(part(b"" if scope["path"] == "/none" else b"ok"))
        await send(part(b"after the end"))

    async with serving_app(app, tmp_path) as port:
        said = [
            await ask(port, LAST.replace(b"/", path, 1)) for path in (b"/length", b"/c", b"/none")
        ]
        head = await ask(port, LAST.replace(b"GET /", b"HEAD /length"))
        old = await ask(port, b"GET /c HTTP/1.0\r\n\r\n")
    assert [body_of(each) for each in said] == [b"ok", b"2\r\nok\r\n0\r\n\r\n", b""]
    assert (b"Content-Length: 2" in head_of(head), body_of(head)) == (True, b"")
    assert (b"chunked" in head_of(old), body_of(old)) == (False, b"ok")


async def test_a_body_is_told_in_parts_and_then_the_end(tmp_path: Path) -> None:
    heard: list[tuple[str, bytes, bool]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            heard.append((message["type"], message["body"], more))
        await send(start())
        await send(part(b"ok"))
        heard.append(((await receive())["type"], b"", False))

    async with serving_app(app, tmp_path) as port:
        asked = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
        assert body_of(await ask(port, asked)).startswith(b"2\r\nok")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        waits = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
        writer.write(waits)
        assert (
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            == b"HTTP/1.1 100 Continue\r\n\r\n"
        )
        writer.write(b"ab")
        await asyncio.sleep(0.01)
        writer.write(b"c" + GET)
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(
            b"HTTP/1.1 200"
        )
        writer.close()
    assert heard[:2] == [("http.request", b"abc", False), ("http.disconnect", b"", False)]
    assert b"".join(body for _, body, _ in heard[2:]).startswith(b"abc")


async def test_a_body_that_the_application_does_not_take_is_not_held(tmp_path: Path) -> None:
    took = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await took.wait()
        size = 0
        while True:
            message = await receive()
            assert len(message["body"]) <= HIGH_WATER_BYTES + 512 * 1024
            size += len(message["body"])
            if not message["more_body"]:
                break
        await send(start())
        await send(part(b"%d" % size))

    size = 32 * 1024 * 1024
    async with serving_app(app, tmp_path) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % size)
        writer.write(bytes(size))
        with pytest.raises(TimeoutError):
            # The kernel's buffers hold some; the rest has to wait.
            await asyncio.wait_for(writer.drain(), 0.3)
        took.set()
        await asyncio.wait_for(reader.readuntil(b"%d\r\n0\r\n\r\n" % size), 20)
        writer.close()


async def test_an_application_hears_that_its_client_left(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await send(start())  # Silent, as the specification wants it.
        left.set()

    async with serving_app(app, tmp_path) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await writer.drain()
        await asyncio.sleep(0.01)
        reset_on_close(writer)
        writer.close()
        await asyncio.wait_for(left.wait(), 5)


async def test_a_failure_is_logged_with_its_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with serving_app(_raises_at_once, tmp_path) as port:
            await ask(port, GET)
    assert "ValueError: at once" in caplog.text
