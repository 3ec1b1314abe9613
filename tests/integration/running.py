"""A facade on free ports inside a test's own event loop, and backends that answer as a test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from proxy.server.app import Facade, build
from proxy.server.serve import serve
from proxy.server.settings import Address, Settings
from tests.accepted import Accepted, Talk, close

LOOPBACK = Address("127.0.0.1", 0)


@dataclass
class Running:
    """A facade that is up."""

    facade: Facade
    routes: Path
    listen: Address
    admin: Address
    access_log: Path
    stop: asyncio.Event

    async def ask(self, raw: bytes) -> bytes:
        """Send `raw` on a connection of its own; everything that comes back until it closes."""
        reader, writer = await asyncio.open_connection(self.listen.host, self.listen.port)
        try:
            writer.write(raw)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    async def get(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
        """One request on a connection of its own."""
        lines = [f"{method} {path} HTTP/1.1", "host: facade.example", "connection: close", *headers]
        if body:
            lines.append(f"content-length: {len(body)}")
        return await self.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


@contextlib.asynccontextmanager
async def running(
    table: str,
    folder: Path,
    *,
    draw: Callable[[], int] | None = None,
    transports: Mapping[str, httpx.AsyncBaseTransport] | None = None,
    drain_s: float = 5.0,
    adapt: Callable[[Settings], Settings] = lambda settings: settings,
) -> AsyncIterator[Running]:
    """A facade that serves `table`. Stopped, and its end awaited, on the way out.

    `adapt` may change the settings it is started with.
    """
    routes, access_log = folder / "routes.yaml", folder / "access.jsonl"
    routes.write_text(table)
    settings = adapt(Settings(routes, LOOPBACK, LOOPBACK, str(access_log), drain_s=drain_s))
    facade = build(settings, draw=draw, transports=transports)
    stop, up = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(facade, settings, lambda listen, admin: up.set_result((listen, admin)), stop)
    )
    await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    listen, admin = up.result()
    try:
        yield Running(facade, routes, listen, admin, access_log, stop)
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


@dataclass
class Backend:
    """A server whose every connection is handled by a test's own coroutine."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection has come to its end."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def backend(talk: Talk) -> AsyncIterator[Backend]:
    """A backend on a free port."""
    made = Backend()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            made.closed.set()

    # What has been accepted is answered even when nothing more is.
    server = await asyncio.start_server(Accepted(handle), "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        await close(server)


def answering(made: bytes | Callable[[bytes], bytes], seen: list[bytes] | None = None) -> Talk:
    """Answers each request of a connection, keep-alive; `seen` gets each head and body."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            request = head + await _body(head, reader)
            if seen is not None:
                seen.append(request)
            writer.write(made if isinstance(made, bytes) else made(request))
            await writer.drain()

    return talk


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    lower = head.lower()
    if b"content-length: " in lower:
        length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)
    body = b""
    if b"transfer-encoding: chunked" in lower:
        while True:
            line = await reader.readuntil(b"\r\n")
            body += line
            size = int(line, 16)
            body += await reader.readexactly(size + 2)
            if not size:
                break
    return body


def ok(body: bytes, *headers: bytes) -> bytes:
    """A 200 with a length."""
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def eventually(holds: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait until `holds()` is true; fail if it is not in time."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.005)
