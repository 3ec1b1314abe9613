"""A listener over TLS in the test's own event loop, and clients of it whose every byte the test sees."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from proxy.downstream.interfaces import AcceptedConnection
from proxy.downstream.listener import Listener
from proxy.server.listener_tls import ListenerTls
from proxy.server.settings import CertificateFiles, TlsFiles
from proxy.server.sockets import bind
from tests.support.certificates import Authority
from tests.support.facade_in_loop import LOOPBACK
from tests.support.waiting import eventually

WITHIN_S = 20


class Recorder(AcceptedConnection):
    """Notes each event. With `echoes` it sends back what it receives; with `is_broken` it fails instead."""

    def __init__(self, connections: set[Any]) -> None:
        self.ends_after_response = False
        self.proxied = None
        self.events: list[str] = []
        self.data = bytearray()
        self.echoes = self.is_broken = False
        self._connections = connections
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.events.append("made")
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.is_broken:
            raise RuntimeError("a defect")
        if self.echoes:
            self.transport.write(data)

    def eof_received(self) -> bool:
        self.events.append("eof")
        return False

    def pause_writing(self) -> None:
        self.events.append("pause")
        if self.echoes:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.events.append("resume")
        if self.echoes:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")
        self._connections.discard(self)

    def shutdown(self) -> None:
        """The test ends it."""

    def abort(self) -> None:
        self.transport.abort()


@dataclass
class Site:
    """A listener over TLS, and what its clients need."""

    address: tuple[str, int]
    authority: Authority
    listener: Listener
    made: list[Recorder] = field(default_factory=list)
    """The protocols of all connections that were accepted, in order."""

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.chain().decode())

    async def connect(self) -> socket.socket:
        """A TCP connection without TLS."""
        plain = socket.socket()
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, self.address)
        return plain


@contextlib.asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    authority = Authority()
    files = authority.issue("localhost").write(folder, "tls")
    tls = ListenerTls(TlsFiles((CertificateFiles(files.cert, files.key),)))
    bound = bind(LOOPBACK, "--listen")
    made: list[Recorder] = []

    def protocol(listener: Listener) -> Recorder:
        made.append(Recorder(cast(set[Any], listener.connections)))
        return made[-1]

    listener = Listener(protocol, tls.context)
    address = bound.getsockname()
    await listener.start(bound)
    try:
        yield Site(address, authority, listener, made)
    finally:
        stop_now = asyncio.Event()
        stop_now.set()
        await listener.stop_accepting()
        await listener.finish(0, stop_now)


class Client:
    """A TLS client whose every byte the test sees."""

    def __init__(
        self, plain: socket.socket, context: ssl.SSLContext, session: ssl.SSLSession | None = None
    ) -> None:
        self.plain = plain
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._in, self._out, server_hostname="localhost", session=session
        )
        self.is_ended = False
        """By a TCP FIN."""

    async def send(self, piece_bytes: int = 1 << 20) -> None:
        """Send what OpenSSL has written, in pieces."""
        data = self._out.read()
        for at in range(0, len(data), piece_bytes):
            await self.send_raw(data[at : at + piece_bytes])

    async def send_raw(self, data: bytes) -> None:
        async with asyncio.timeout(WITHIN_S):
            await asyncio.get_running_loop().sock_sendall(self.plain, data)

    async def more(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            data = await asyncio.get_running_loop().sock_recv(self.plain, 1 << 20)
        self.is_ended = not data
        self._in.write(data)

    async def shake_hands(self, piece_bytes: int = 1 << 20) -> None:
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self.send(piece_bytes)
                await self.more()
                assert not self.is_ended
        await self.send(piece_bytes)

    async def write(self, data: bytes, piece_bytes: int = 1 << 20) -> None:
        self.tls.write(data)
        await self.send(piece_bytes)

    async def read(self, count: int = 1 << 30) -> bytes:
        """The next bytes, or all until close_notify."""
        data = bytearray()
        while len(data) < count:
            try:
                piece = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                await self.more()
                assert not self.is_ended, "the connection ended without close_notify"
                continue
            except ssl.SSLZeroReturnError:
                break
            if not piece:
                break
            data += piece
        return bytes(data)

    async def end(self) -> None:
        """Wait for the end of the TCP connection."""
        while not self.is_ended:
            await self.more()

    async def say_close(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        await self.send()


@contextlib.asynccontextmanager
async def client_of(at: Site, context: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """A client whose handshake is complete on both sides."""
    number = len(at.made)
    with await at.connect() as plain:
        client = Client(plain, context or at.trusting())
        await client.shake_hands()
        await eventually(lambda: at.made[number:] and "made" in at.made[number].events)
        yield client
