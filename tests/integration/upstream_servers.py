"""Upstreams for tests that do exactly what a script says, byte by byte, over real sockets."""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import cast

from proxy.model import Backend, Body, Endpoint, HeaderPairs, Outgoing, Timeouts
from proxy.upstream import Exchange, Upstream
from tests.accepted import Accepted, close

NO_BODY = Body("none")
USUAL_TIMEOUTS = Timeouts()


@dataclass
class Asked:
    """A request as it arrived."""

    line: bytes
    headers: HeaderPairs

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


@dataclass
class Peer:
    """The script's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> Asked:
        """The next head. Raises IncompleteReadError when the connection ends instead."""
        lines = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        pairs = (line.partition(b": ") for line in lines[1:])
        return Asked(lines[0], [(name, value) for name, _, value in pairs])

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def flush(self) -> None:
        await self.writer.drain()

    async def answer(self, body: bytes = b"ok") -> None:
        """Take a request without body, and answer it as any server would."""
        await self.request()
        self.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async def until_closed(self) -> bytes:
        """Everything that comes until the other side closes or resets."""
        got = b""
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(65536):
                got += data
        return got

    def reset(self) -> None:
        """End the connection with RST, not FIN."""
        sock = cast(socket.socket, self.writer.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """A listening socket whose every connection runs the script; the connection ends with it."""

    script: Script
    port: int = 0
    accepted: int = 0

    def __post_init__(self) -> None:
        self.connected = Accepted(self._run)

    @property
    def open(self) -> int:
        """Connections whose script has not ended."""
        return len(self.connected.tasks)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("http", "127.0.0.1", self.port)

    def backend(self, **more: float) -> Backend:
        return Backend("old", (self.endpoint,), **more)  # type: ignore[arg-type]

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        await self.script(Peer(reader, writer))


class Gate:
    """A script that answers, each request of it, only when the gate is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.request()
            self.waiting += 1
            await self.open.wait()
            self.waiting -= 1
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@contextlib.asynccontextmanager
async def serving(
    script: Script,
    *,
    tls: ssl.SSLContext | None = None,
    unix_path: str | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[Server]:
    """A scripted server on a free port, or a Unix socket."""
    server = Server(script)
    if unix_path is not None:
        listening = await asyncio.start_unix_server(server.connected, unix_path, ssl=tls)
    else:
        listening = await asyncio.start_server(server.connected, host, 0, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await close(listening)
        await server.connected.stop()


@contextlib.asynccontextmanager
async def closing(upstream: Upstream) -> AsyncIterator[Upstream]:
    """Close an upstream on the way out, and look that nothing of it is left."""
    try:
        yield upstream
    finally:
        await upstream.aclose(0.0)
        left = upstream.stats()
        assert (left.connections, left.pending) == (0, 0), left


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port where connecting neither succeeds nor fails."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
        yield int(listening.getsockname()[1])


def refused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asking(
    method: str = "GET",
    target: bytes = b"/",
    *,
    headers: HeaderPairs | None = None,
    body: Body = NO_BODY,
    timeouts: Timeouts = USUAL_TIMEOUTS,
) -> Outgoing:
    return Outgoing(method, target, None, headers or [], body, timeouts)


@dataclass
class Answer:
    """A whole answer."""

    status: int
    headers: HeaderPairs
    body: bytes
    trailers: HeaderPairs


async def whole(exchange: Exchange) -> Answer:
    """Read an answer to its end, in at most ten seconds."""
    async with asyncio.timeout(10):
        head = await exchange.head()
        status, headers = head.status, head.pairs
        body = b""
        while (data := await exchange.next_chunk()) is not None:
            body += data
    return Answer(status, headers, body, exchange.trailers)


async def get(upstream: Upstream, request: Outgoing | None = None) -> Answer:
    """Ask, and read the whole answer."""
    return await whole(await upstream.open(request or asking()))


async def eventually(what: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait for something that nobody announces."""
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.005)
