"""The transport of accepted connections does what the event loop's own transport does."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from proxy.downstream import listener as listening
from proxy.downstream.interfaces import AcceptedConnection
from proxy.downstream.listener import Listener
from proxy.downstream.socket_transport import HIGH_WATER_BYTES, SocketTransport
from proxy.server.sockets import bind
from tests.support.facade_in_loop import LOOPBACK
from tests.support.waiting import eventually


class Recorder(asyncio.Protocol):
    """Notes each event."""

    def __init__(self, *, keeps_half_open: bool = False) -> None:
        self.events: list[str] = []
        self.data = b""
        self.error: Exception | None = None
        self._keeps_half_open = keeps_half_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.events.append("eof")
        return self._keeps_half_open

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")
        self.error = exc


@contextlib.asynccontextmanager
async def connected(
    protocol: asyncio.Protocol, *, sent: bytes = b""
) -> AsyncIterator[tuple[SocketTransport, socket.socket]]:
    """A transport that has begun, and the socket of its client, which has sent some bytes before."""
    own, client = socket.socketpair()
    own.setblocking(False)
    client.setblocking(False)
    client.sendall(sent)
    transport = SocketTransport(asyncio.get_running_loop(), own, protocol)
    with client:
        transport.begin()
        try:
            yield transport, client
        finally:
            transport.abort()
            await eventually(lambda: own.fileno() < 0)


async def received(client: socket.socket, count: int) -> bytes:
    """The next bytes, or all until the end."""
    loop, data = asyncio.get_running_loop(), b""
    async with asyncio.timeout(20):
        while len(data) < count:
            piece = await loop.sock_recv(client, 1 << 20)
            if not piece:
                break
            data += piece
    return data


async def test_bytes_that_came_before_are_read_at_the_beginning() -> None:
    protocol = Recorder()
    async with connected(protocol, sent=b"early") as (transport, client):
        assert protocol.data == b"early"
        client.sendall(b"unwatched")
        await asyncio.sleep(0)
        assert protocol.data == b"early"
        transport.watch()
        await eventually(lambda: protocol.data == b"earlyunwatched")


async def test_a_client_that_has_sent_nothing_is_watched() -> None:
    protocol = Recorder()
    async with connected(protocol) as (_, client):
        client.sendall(b"later")
        await eventually(lambda: protocol.data == b"later")


async def test_a_large_write_pauses_the_protocol_until_the_client_has_read() -> None:
    protocol = Recorder()
    size = 5_000_000
    async with connected(protocol) as (transport, client):
        transport.write(b"a" * size)
        transport.write(b"b")
        assert transport.get_write_buffer_size() > HIGH_WATER_BYTES
        assert protocol.events == ["made", "pause"]
        assert await received(client, size + 1) == b"a" * size + b"b"
        assert protocol.events == ["made", "pause", "resume"]
        assert transport.get_write_buffer_size() == 0


@pytest.mark.parametrize("is_behind", [False, True], ids=["at once", "behind unsent bytes"])
async def test_many_pieces_arrive_in_order(is_behind: bool) -> None:
    pieces: list[bytes] = [b"%06d" % number for number in range(200_000)]
    before = b"x" * 3_000_000 if is_behind else b""
    async with connected(Recorder()) as (transport, client):
        transport.write(before)
        transport.writelines(pieces)
        whole = before + b"".join(pieces)
        assert await received(client, len(whole)) == whole


async def test_close_sends_what_is_unsent_and_nothing_more() -> None:
    protocol = Recorder()
    async with connected(protocol) as (transport, client):
        transport.write(b"z" * 3_000_000)
        transport.close()
        transport.write(b"ignored")
        transport.watch()
        assert await received(client, 1 << 30) == b"z" * 3_000_000
        await eventually(lambda: protocol.events[-1] == "lost")
        assert protocol.error is None


async def test_an_end_of_writing_follows_the_unsent_bytes_and_leaves_reading_open() -> None:
    protocol = Recorder()
    async with connected(protocol) as (transport, client):
        transport.write(b"z" * 3_000_000)
        transport.write_eof()
        assert await received(client, 1 << 30) == b"z" * 3_000_000
        client.sendall(b"still read")
        await eventually(lambda: protocol.data == b"still read")


@pytest.mark.parametrize("keeps_half_open", [True, False])
async def test_the_end_of_the_client_s_bytes(keeps_half_open: bool) -> None:
    protocol = Recorder(keeps_half_open=keeps_half_open)
    async with connected(protocol) as (transport, client):
        client.shutdown(socket.SHUT_WR)
        await eventually(lambda: "eof" in protocol.events)
        transport.resume_reading()  # There is nothing left to read.
        for _ in range(5):  # A loop that watches the socket would report the end again.
            await asyncio.sleep(0)
        transport.write(b"response")
        assert await received(client, 8) == (b"response" if keeps_half_open else b"")
        assert protocol.events.count("eof") == 1
        assert transport.is_closing() is not keeps_half_open


async def test_a_paused_transport_does_not_read() -> None:
    protocol = Recorder()
    async with connected(protocol) as (transport, client):
        transport.pause_reading()
        assert not transport.is_reading()
        client.sendall(b"waits")
        await asyncio.sleep(0.05)
        assert protocol.data == b""
        transport.resume_reading()
        await eventually(lambda: protocol.data == b"waits")


@pytest.mark.parametrize("act", ["read", "write", "writelines", "flush"])
async def test_a_reset_is_reported_once_with_its_error(act: str) -> None:
    protocol = Recorder()
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as client:
        own, _ = server.accept()
        own.setblocking(False)
        transport = SocketTransport(asyncio.get_running_loop(), own, protocol)
        transport.begin()
        transport.pause_reading()
        if act == "flush":
            transport.write(b"z" * 10_000_000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        if act == "read":
            transport.resume_reading()
        elif act == "write":
            transport.write(b"x")
        elif act == "writelines":
            transport.writelines([b"x", b"y"])
        await eventually(lambda: "lost" in protocol.events)
        transport.abort()
        await asyncio.sleep(0)
        assert protocol.events.count("lost") == 1
        assert isinstance(protocol.error, ConnectionError)
        assert own.fileno() < 0


async def test_a_protocol_that_raises_is_reported_and_its_connection_ends() -> None:
    class Broken(Recorder):
        def data_received(self, data: bytes) -> None:
            raise RuntimeError("a defect")

    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    protocol = Broken()
    async with connected(protocol, sent=b"x"):
        await eventually(lambda: protocol.events == ["made", "lost"])
    assert [str(each["exception"]) for each in reported] == ["a defect"]


class OneResponse(AcceptedConnection, Recorder):
    """Its client sends one request, so it is not watched from the beginning."""

    def __init__(self, connections: set[Any]) -> None:
        super().__init__()
        self.ends_after_response = True
        connections.add(self)


@pytest.mark.parametrize("loop_of", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_client_that_leaves_before_its_only_response_is_noticed(
    loop_of: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def leave() -> None:
        protocols: set[Any] = set()
        listener = Listener(lambda _: OneResponse(protocols))
        at = bind(LOOPBACK, "--listen")
        address = at.getsockname()
        await listener.start(at)
        with socket.create_connection(address) as client:
            client.sendall(b"request")
            await eventually(lambda: [each.data for each in protocols] == [b"request"])
        await eventually(lambda: all("lost" in each.events for each in protocols))
        await listener.stop_accepting()

    with asyncio.Runner(loop_factory=loop_of) as runner:
        runner.run(leave())


async def test_without_a_free_descriptor_the_listener_waits_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "_PAUSE_S", 0.01)
    protocols: set[Any] = set()
    listener = Listener(lambda _: OneResponse(protocols))
    bound = bind(LOOPBACK, "--listen")
    fails = Failing(bound, 2)
    await listener.start(fails)
    with socket.create_connection(fails.getsockname()) as client:
        client.sendall(b"request")
        await eventually(lambda: [each.data for each in protocols] == [b"request"])
    assert fails.left == 0
    assert caplog.text.count("cannot accept a connection: Too many open files") == 2
    await eventually(lambda: all("lost" in each.events for each in protocols))
    await listener.stop_accepting()


class Failing(socket.socket):
    """A listening socket for which no descriptor is free the first times."""

    def __init__(self, bound: socket.socket, times: int) -> None:
        super().__init__(bound.family, bound.type, bound.proto, bound.detach())
        self.setblocking(False)
        self.left = times

    def accept(self) -> tuple[socket.socket, Any]:
        if self.left:
            self.left -= 1
            raise OSError(24, "Too many open files")
        return super().accept()
