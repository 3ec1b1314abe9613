"""SIGTERM (promise P1): not ready, a pause, no new connections, then the end of what is in flight."""

import asyncio
import contextlib
import math
import re
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from msgspec.structs import replace

from proxy.downstream import listener as ours
from proxy.downstream.listener import Listener
from proxy.server.settings import Settings
from proxy.server.sockets import bind
from tests.integration.facade_process import process, until
from tests.integration.running import LOOPBACK, Running, backend, eventually, ok, running

SLOW = """
version: 1
backends: {{slow: {url}}}
routes:
  - {{name: hello, match: {{path: {{exact: /hello}}}}, direct_response: {{status: 200, body: hello}}}}
  - {{name: all, backend_refs: slow}}
"""
ASKED = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"


_IDLE_S = 0.8
Adapt = Callable[[Settings], Settings]


@pytest.fixture(params=["fast", "asgi"])
def tier(request: pytest.FixtureRequest) -> Adapt:
    """Settings with one of the tiers."""
    return lambda settings: replace(settings, tier=request.param)


@contextlib.asynccontextmanager
async def connected(
    facade: Running,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of the next one."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    return head, await reader.readexactly(int(length[1]))


async def refuses(facade: Running) -> bool:
    try:
        async with connected(facade):
            return False
    except ConnectionRefusedError:
        return True


async def test_a_request_in_flight_is_answered_and_its_connection_closed(
    tmp_path: Path, tier: Adapt
) -> None:
    release = asyncio.Event()

    async def held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.write(ok(b"late"))
        await writer.drain()

    async with (
        backend(held) as slow,
        running(SLOW.format(url=slow.url), tmp_path, adapt=tier) as facade,
    ):
        async with connected(facade) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            await eventually(lambda: facade.facade.upstream_stats()["slow"].in_flight == 1)
            facade.stop.set()
            async with asyncio.timeout(5):
                while not await refuses(facade):
                    await asyncio.sleep(0.01)
            release.set()
            head, body = await answer(reader)
            assert body == b"late"
            assert b"connection: close\r\n" in head
            assert await reader.read() == b""


async def test_during_the_pause_it_accepts_and_asks_clients_to_leave(
    tmp_path: Path, tier: Adapt
) -> None:
    table = SLOW.format(url="http://127.0.0.1:1")
    async with (
        running(
            table, tmp_path, adapt=lambda settings: replace(tier(settings), pause_s=1.0)
        ) as facade,
        connected(facade) as (old, to_old),
    ):
        to_old.write(ASKED)
        head, _ = await answer(old)
        assert b"connection: close" not in head
        facade.stop.set()
        await eventually(lambda: facade.facade.state.name == "STOPPING")
        for _ in range(3):
            async with connected(facade) as (reader, writer):
                writer.write(ASKED)
                head, _ = await answer(reader)
                assert b"connection: close\r\n" in head
                assert await reader.read() == b""
        to_old.write(ASKED)
        head, _ = await answer(old)
        assert b"connection: close\r\n" in head
        assert await old.read() == b""


async def test_an_idle_connection_is_closed_but_one_with_half_a_request_is_answered(
    tmp_path: Path, tier: Adapt
) -> None:
    async with running(SLOW.format(url="http://127.0.0.1:1"), tmp_path, adapt=tier) as facade:
        async with connected(facade) as (idle, to_idle), connected(facade) as (half, to_half):
            to_idle.write(ASKED)
            await answer(idle)
            to_half.write(ASKED[:10])
            await eventually(lambda: facade.facade.state.name == "SERVING")
            facade.stop.set()
            assert await asyncio.wait_for(idle.read(), 5) == b""
            to_half.write(ASKED[10:])
            head, body = await answer(half)
            assert body == b"hello"
            assert b"connection: close\r\n" in head
            assert await half.read() == b""


async def test_what_takes_longer_than_the_drain_is_cut_off(tmp_path: Path, tier: Adapt) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with backend(silent) as slow:
        async with running(SLOW.format(url=slow.url), tmp_path, drain_s=0.5, adapt=tier) as facade:
            async with connected(facade) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                await eventually(lambda: facade.facade.upstream_stats()["slow"].in_flight == 1)
                facade.stop.set()
                with contextlib.suppress(ConnectionError):
                    said = await asyncio.wait_for(reader.read(), 5)
                    assert b" 200 " not in said
                await asyncio.wait_for(slow.closed.wait(), 5)


class Echo(asyncio.Protocol):
    """Hands back what comes, and hangs up."""

    def __init__(self, listener: Listener) -> None:
        self._connections = listener.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)
        self._transport.close()

    def shutdown(self) -> None:
        """Ends by itself."""

    def abort(self) -> None:
        self._transport.abort()


async def test_what_waits_in_the_backlog_is_taken_in() -> None:
    listening = bind(LOOPBACK, "--listen")
    at = listening.getsockname()
    listener = Listener(Echo)
    await listener.start(listening)
    with contextlib.ExitStack() as stack:
        # The loop does not turn between these lines: all ten are in the backlog when it stops accepting.
        waiting = [stack.enter_context(socket.create_connection(at)) for _ in range(10)]
        for each in waiting:
            each.sendall(b"x")
        await listener.stop_accepting()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(at)
        await listener.finish(5, asyncio.Event())
        assert [each.recv(10) for each in waiting] == [b"x"] * 10


@pytest.mark.parametrize("loop_of", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_is_accepted_in_the_turn_that_closes_is_taken_in(
    loop_of: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is busy enough lets one turn of the loop last longer than the wait for handshakes."""

    async def end(stack: contextlib.ExitStack) -> list[socket.socket]:
        listening = bind(LOOPBACK, "--listen")
        at = listening.getsockname()
        waiting: list[socket.socket] = []

        def connect_and_stand_still(heard: socket.socket) -> None:
            for _ in range(3):
                client = stack.enter_context(socket.create_connection(at, 5))
                client.sendall(b"x")
                waiting.append(client)
            drop_new_syns(heard)
            time.sleep(0.15)

        def in_the_next_turn(heard: socket.socket) -> bool:
            asyncio.get_running_loop().call_soon(connect_and_stand_still, heard)
            return True

        drop_new_syns = ours._drop_new_syns
        monkeypatch.setattr(ours, "_drop_new_syns", in_the_next_turn)
        listener = Listener(Echo)
        await listener.start(listening)
        await listener.stop_accepting()
        await listener.finish(5, asyncio.Event())
        return waiting

    with contextlib.ExitStack() as stack, asyncio.Runner(loop_factory=loop_of) as runner:
        waiting = runner.run(end(stack))
        assert [each.recv(10) for each in waiting] == [b"x"] * 3


class Load:
    """Clients that keep their connections, and ask as fast as they are answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered = 0
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(8)]

    @contextlib.contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        yield self
        for thread in self._threads:
            thread.join(20)

    def _ask(self) -> None:
        """Until nothing listens any more. A request that was sent has to be answered."""
        while True:
            try:
                made = socket.create_connection(("127.0.0.1", self._port), 10)
            except ConnectionRefusedError:
                return
            with made, made.makefile("rb") as answers:
                self._keep_asking(made, answers)

    def _keep_asking(self, made: socket.socket, answers: Any) -> None:
        again, count = True, 0
        while again:
            count += 1
            since, sent = time.monotonic(), math.inf
            try:
                made.sendall(ASKED)
                sent = time.monotonic()
                head = b"".join(iter(answers.readline, b"\r\n"))
                assert answers.read(5) == b"hello", head
            except (OSError, AssertionError) as error:
                # A client that its machine kept waiting was idle: its connection may be closed meanwhile.
                if min(sent, time.monotonic()) - since < _IDLE_S:
                    self.failed.append(f"{error!r} as request {count} of its connection")
                return
            self.answered += 1
            again = b"connection: close" not in head


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("pause", ["0s", "500ms"])
def test_no_request_of_clients_under_way_is_lost(tmp_path: Path, workers: str, pause: str) -> None:
    with process(tmp_path, "--workers", workers, "--pause", pause) as facade:
        load = Load(facade.port)
        with load.running():
            until(lambda: load.answered > 500)
            assert facade.stop() == 0
        assert load.failed == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_readiness_flips_first(tmp_path: Path, workers: str) -> None:
    with process(tmp_path, "--workers", workers, "--pause", "1s") as facade:
        assert facade.get("/readyz", admin=True)[0] == 200
        facade.popen.send_signal(signal.SIGTERM)
        until(lambda: facade.get("/readyz", admin=True)[0] == 503)
        assert facade.admin("/readyz")["status"] == "stopping"
        assert facade.get("/healthz", admin=True)[0] == 200
        assert facade.get("/hello") == (200, b"hello")
        assert facade.popen.wait(10) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with process(tmp_path, "--pause", "10m") as facade:
        facade.popen.send_signal(signal.SIGTERM)
        until(lambda: facade.get("/readyz", admin=True)[0] == 503)
        assert facade.stop(signal.SIGINT) == 0


def test_a_loop_that_stands_still_answers_no_probe(tmp_path: Path) -> None:
    with process(tmp_path) as facade:
        until(lambda: facade.total("facade_event_loop_lag_seconds") > 0)
        facade.popen.send_signal(signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", facade.admin_port)) as asking:
            asking.settimeout(1)
            asking.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            with pytest.raises(TimeoutError):
                asking.recv(100)
        facade.popen.send_signal(signal.SIGCONT)
        until(lambda: facade.get("/healthz", admin=True)[0] == 200)
        # The gauge remembers what no probe can tell afterwards.
        until(lambda: facade.total("facade_event_loop_lag_seconds") > 0.5)
        assert facade.stop() == 0
