"""An origin server in the test's event loop: it sends exactly the bytes of a test, and records all that it receives."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from proxy.model import Backend, Endpoint
from tests.support.accepted import Accepted, close
from tests.support.wire import DEADLINE_S, Cut, Message, Wire

Script = Callable[[Wire], Awaitable[None]]
Responses = Callable[[Message], bytes]


class Origin:
    """A listening socket. Each connection runs the script; without one the test itself uses `connections`."""

    def __init__(self, script: Script | None, url: str) -> None:
        self._script = script
        self._url = url
        self._changed = asyncio.Condition()
        self.accept = Accepted(self._serve)
        self.port = 0
        self.connections: list[Wire] = []
        self.ended = asyncio.Event()
        """Set when a connection's script has ended."""

    @property
    def url(self) -> str:
        return self._url.format(port=self.port)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("http", "127.0.0.1", self.port)

    def backend(self, **fields: float) -> Backend:
        """This origin as a backend of a table, with these fields of `Backend`."""
        return Backend("old", (self.endpoint,), **fields)  # type: ignore[arg-type]

    @property
    def accepted(self) -> int:
        """How many connections were accepted so far."""
        return len(self.connections)

    @property
    def open(self) -> int:
        """How many connections have a script that runs."""
        return len(self.accept.tasks)

    async def connection(self, number: int = 1) -> Wire:
        """Wait for the connection with this number, counted from 1."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.connections) >= number)
        return self.connections[number - 1]

    async def stop(self) -> None:
        await self.accept.stop()
        for wire in self.connections:
            await wire.closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A script waits as long as the origin runs: an idle connection is no fault.
        wire = Wire(reader, writer, None if self._script else DEADLINE_S)
        async with self._changed:
            self.connections.append(wire)
            self._changed.notify_all()
        try:
            with contextlib.suppress(Cut):  # The facade closed: the test's subject, or its end.
                await (self._script or _stay_open)(wire)
        finally:
            self.ended.set()


@contextlib.asynccontextmanager
async def origin(
    script: Script | None = None,
    *,
    host: str = "127.0.0.1",
    unix: Path | None = None,
    tls: ssl.SSLContext | None = None,
    name: str = "",
    port: int = 0,
) -> AsyncIterator[Origin]:
    """An origin on `port`, which is a free one if it is 0, or on a Unix socket. `name` is the host in its URL."""
    scheme = "http" if tls is None else "https"
    authority = name or (f"[{host}]" if ":" in host else host)
    server = Origin(script, f"unix:{unix}" if unix else f"{scheme}://{authority}:{{port}}")
    if unix is not None:
        listening = await asyncio.start_unix_server(server.accept, unix, ssl=tls)
    else:
        listening = await asyncio.start_server(server.accept, host, port, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await close(listening)
        await server.stop()


async def _stay_open(_: Wire) -> None:
    await asyncio.get_running_loop().create_future()


def responding(response: bytes | Responses, received: list[Message] | None = None) -> Script:
    """Responds to each request of a connection, keep-alive. `received` gets the requests."""

    async def script(wire: Wire) -> None:
        while True:
            request = await wire.request()
            if received is not None:
                received.append(request)
            wire.send(response if isinstance(response, bytes) else response(request))
            await wire.flush()

    return script


def responding_once(response: bytes) -> Script:
    """Receives the head of one request, responds, and closes the connection."""

    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(response)
        await wire.flush()

    return script


async def silent(wire: Wire) -> None:
    """A script that receives everything and never responds."""
    await wire.end()


class Gate:
    """A script that receives requests, and responds to each only while the gate is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0

    async def __call__(self, wire: Wire) -> None:
        while True:
            await wire.request_head()
            self.waiting += 1
            await self.open.wait()
            self.waiting -= 1
            wire.send(ok())


def ok(body: bytes = b"ok", *fields: bytes) -> bytes:
    """A 200 with a length."""
    lines = (b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *fields, b"", body)
    return b"\r\n".join(lines)
