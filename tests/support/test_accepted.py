"""Servers of tests: none of their connections outlives them, and none of their failures is lost."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from tests.support.accepted import Accepted, close

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connection() -> AsyncIterator[Streams]:
    """A server's side of a connection whose client stays."""
    client, server = socket.socketpair()
    with client:
        yield await asyncio.open_connection(sock=server)


async def stay(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def fail(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    raise ValueError("a script is wrong")


async def test_a_connection_whose_task_never_began_is_closed() -> None:
    accepted = Accepted(stay)
    async with connection() as streams:
        accepted(*streams)
        await accepted.stop()
        assert streams[1].is_closing()
        assert not accepted.tasks


async def test_a_connection_accepted_after_the_stop_is_closed() -> None:
    accepted = Accepted(stay)
    await accepted.stop()
    async with connection() as streams:
        accepted(*streams)
        assert streams[1].is_closing()


async def test_a_handler_that_failed_fails_the_stop() -> None:
    accepted = Accepted(fail)
    async with connection() as streams:
        accepted(*streams)
        await asyncio.sleep(0.01)
        with pytest.raises(AssertionError, match="a script is wrong"):
            await accepted.stop()


async def test_the_other_side_may_close() -> None:
    async def one_byte(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    accepted = Accepted(one_byte)
    async with connection() as streams:
        accepted(*streams)
    await accepted.stop()


@pytest.mark.parametrize("turns", range(6))
def test_a_server_that_closes_leaves_no_connection_open_whenever_it_does(turns: int) -> None:
    async def end(clients: contextlib.ExitStack, turns: int) -> list[socket.socket]:
        accepted = Accepted(stay)
        server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        at = server.sockets[0].getsockname()
        waiting = [clients.enter_context(socket.create_connection(at, 1)) for _ in range(2)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await close(server)
        await accepted.stop()
        return waiting

    loop = asyncio.new_event_loop()
    with contextlib.ExitStack() as clients, contextlib.closing(loop):
        for client in loop.run_until_complete(end(clients, turns)):
            with contextlib.suppress(
                ConnectionResetError
            ):  # Not accepted yet: the kernel hangs up.
                assert client.recv(1) == b""
