"""Bytes on an idle connection, and its close, count even where the event loop has not seen them yet."""

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import pytest

from proxy.errors import UpstreamUnreachable
from proxy.model import Backend, Body, Endpoint
from proxy.upstream import Connection, open_upstream
from proxy.upstream.sweep import SWEEP_S
from tests.integration.upstream_client import closed_at_end, get, outgoing
from tests.support.facade_in_loop import facade_in_loop
from tests.support.origin import Gate, origin
from tests.support.waiting import eventually
from tests.support.wire import Wire

RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SECRET = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret"


class Threaded:
    """A server beside the event loop: it acts while the loop stands still."""

    def __init__(self, last_words: bytes) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(10)
        self._last_words = last_words
        self.port: int = self._listening.getsockname()[1]
        self.act = threading.Event()
        self.acted = threading.Event()
        self.accepted = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with self._listening:
            for _ in range(2):
                connection, _ = self._listening.accept()
                self.accepted += 1
                with connection:
                    connection.settimeout(10)
                    connection.recv(65536)
                    connection.sendall(RESPONSE)
                    self.act.wait(10)
                    if self._last_words:
                        connection.sendall(self._last_words)
                    else:
                        connection.shutdown(socket.SHUT_WR)
                    self.acted.set()
                    with contextlib.suppress(ConnectionError):  # A reset is as good a goodbye.
                        connection.recv(65536)

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.mark.parametrize(
    "last_words", [SECRET, b"x", b""], ids=["a response", "a byte", "its close"]
)
async def test_a_request_does_not_meet_what_was_left_on_the_connection(last_words: bytes) -> None:
    server = Threaded(last_words)
    backend = Backend("old", (Endpoint("http", "127.0.0.1", server.port),))
    async with closed_at_end(open_upstream(backend)) as upstream:
        assert (await get(upstream)).body == b"ok"
        await asyncio.sleep(3 * SWEEP_S)  # Long enough for a sweep to see that it is idle.
        server.act.set()
        # The loop stands still here on purpose: the bytes lie in the kernel, unread.
        assert server.acted.wait(10)
        exchange = await upstream.open(outgoing("POST", body=Body("length", 0)))
        assert upstream.stats().connections == 1
        async with asyncio.timeout(10):
            assert (await exchange.head()).status == 200
            assert await exchange.next_chunk() == b"ok"
        assert server.accepted == 2
        exchange.abort()
        await eventually(lambda: upstream.stats().idle <= 1)
    server.join()


def _not_looking(connection: Connection, repeatable: bool = False) -> bool:
    """As over TLS, where what the kernel holds tells nothing."""
    return not connection.closed


@pytest.mark.parametrize(
    "last_words", [SECRET, b"x", b""], ids=["a response", "a byte", "its close"]
)
async def test_a_write_that_was_not_sent_yet_goes_over_another_connection(
    last_words: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "usable", _not_looking)
    server = Threaded(last_words)
    table = f"""
version: 1
backends: {{old: "http://127.0.0.1:{server.port}"}}
routes: [{{name: all, backend_refs: old}}]
"""
    async with facade_in_loop(table, tmp_path) as facade:
        await facade.get("/")
        with socket.create_connection((facade.listen.host, facade.listen.port), 10) as client:
            await asyncio.sleep(0.1)  # The facade has taken the client in.
            client.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi")
            server.act.set()
            # The loop stands still here on purpose: one turn of it sees the request, and then the backend's last words.
            assert server.acted.wait(10)
            client.setblocking(False)
            got = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65536), 10)
        assert got.startswith(b"HTTP/1.1 200 ")
        assert got.endswith(b"\r\n\r\nok")
        assert server.accepted == 2
    server.join()


async def test_a_wait_outlives_any_number_of_connections_that_close_after_a_response() -> None:
    gate = Gate()

    async def script(wire: Wire) -> None:
        """Says nothing of closing, and closes."""
        await wire.request_head()
        gate.waiting += 1
        await gate.open.wait()
        wire.send(RESPONSE)

    most = {"max_connections": 6}
    async with (
        origin(script) as server,
        closed_at_end(open_upstream(server.backend(**most))) as upstream,
    ):
        asking_now = [asyncio.create_task(get(upstream)) for _ in range(8)]
        await eventually(lambda: gate.waiting == 6 and upstream.stats().pending == 2)
        gate.open.set()
        responses = await asyncio.wait_for(asyncio.gather(*asking_now), 10)
        assert [response.body for response in responses] == [b"ok"] * 8
        assert server.accepted == 8


@pytest.mark.parametrize("last_words", [SECRET, b""], ids=["speaks", "closes"])
async def test_new_connections_that_cannot_be_used_are_told_as_that(last_words: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        backend = Backend("old", (Endpoint("http", "127.0.0.1", listening.getsockname()[1]),))
        async with closed_at_end(open_upstream(backend)) as upstream:
            opening = asyncio.create_task(upstream.open(outgoing()))
            accepted = 0
            while not opening.done():
                # The backend's first words lie in the kernel before the facade knows that it is connected.
                await asyncio.sleep(0)
                with contextlib.suppress(BlockingIOError):
                    wire, _ = listening.accept()
                    wire.sendall(last_words)
                    wire.close()
                    accepted += 1
            with pytest.raises(UpstreamUnreachable, match="before it was asked"):
                await opening
            assert upstream.stats().connections == upstream.stats().pending == 0
            assert 1 <= accepted <= 2


async def test_bytes_on_an_idle_connection_close_it() -> None:
    say = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.respond()
        await say.wait()
        wire.send(SECRET)
        await wire.end()

    async with origin(script) as server, closed_at_end(open_upstream(server.backend())) as upstream:
        assert (await get(upstream)).body == b"ok"
        say.set()
        await eventually(lambda: upstream.stats().connections == 0, within_s=1)
        assert (await get(upstream)).body == b"ok"
        assert server.accepted == 2
