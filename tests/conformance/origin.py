"""An origin that sends exactly what a test wants, and keeps every byte that it gets."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from tests.accepted import Accepted, close
from tests.conformance.wire import DEADLINE_S, Cut, Message, Wire

Script = Callable[[Wire], Awaitable[None]]
Answers = Callable[[Message], bytes]


class Origin:
    """A listening socket. With a script each connection runs it; else the test speaks through `connections`."""

    def __init__(self, script: Script | None, where: str) -> None:
        self._script = script or _say_nothing
        self._where = where
        self._news = asyncio.Condition()
        self.accept = Accepted(self._speak)
        self.port = 0
        self.connections: list[Wire] = []

    @property
    def url(self) -> str:
        return self._where.format(port=self.port)

    async def connection(self, number: int = 1) -> Wire:
        """The connection of that number, counted from 1, once it is there."""
        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(lambda: len(self.connections) >= number)
        return self.connections[number - 1]

    async def stop(self) -> None:
        await self.accept.stop()
        for wire in self.connections:
            await wire.closed()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        async with self._news:
            self.connections.append(wire)
            self._news.notify_all()
        with contextlib.suppress(Cut):  # The facade hung up: what the test is about, or its end.
            await self._script(wire)


@contextlib.asynccontextmanager
async def origin(
    script: Script | None = None,
    *,
    host: str = "127.0.0.1",
    unix: Path | None = None,
    tls: ssl.SSLContext | None = None,
    name: str = "",
) -> AsyncIterator[Origin]:
    """An origin on a free port, or a Unix socket. `name` is the host in its URL."""
    scheme = "http" if tls is None else "https"
    authority = name or (f"[{host}]" if ":" in host else host)
    made = Origin(script, f"unix:{unix}" if unix else f"{scheme}://{authority}:{{port}}")
    if unix is not None:
        server = await asyncio.start_unix_server(made.accept, unix, ssl=tls)
    else:
        server = await asyncio.start_server(made.accept, host, 0, ssl=tls)
        made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        await close(server)
        await made.stop()


async def _say_nothing(_: Wire) -> None:
    """The test speaks; the connection stays until the origin stops."""
    await asyncio.get_running_loop().create_future()


def answering(answers: bytes | Answers, seen: list[Message] | None = None) -> Script:
    """Answers every request of a connection, keep-alive; `seen` gets each of them."""

    async def script(wire: Wire) -> None:
        while True:
            message = await _next(wire)
            if message is None:
                return
            if seen is not None:
                seen.append(message)
            wire.send(answers if isinstance(answers, bytes) else answers(message))
            await wire.flush()

    return script


async def _next(wire: Wire) -> Message | None:
    """The next request; None where the connection is idle until it ends."""
    try:
        return await wire.request()
    except (Cut, TimeoutError):
        return None


def ok(body: bytes = b"ok", *fields: bytes) -> bytes:
    """A 200 with a length."""
    lines = (b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *fields, b"", body)
    return b"\r\n".join(lines)
