"""A listener that stops: connections that the kernel has accepted are served."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from proxy.downstream import listener as ours
from proxy.downstream.interfaces import AcceptedConnection
from proxy.downstream.listener import Listener
from proxy.server.sockets import bind
from tests.support.facade_in_loop import LOOPBACK


class Echo(AcceptedConnection):
    """Hands back what comes, and hangs up."""

    def __init__(self, listener: Listener) -> None:
        self._connections = listener.connections
        self.ends_after_response = False

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
