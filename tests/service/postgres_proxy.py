"""A TCP proxy between the service and PostgreSQL that can cut the connection at a COMMIT."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from queue import Queue

from tests.service.service_runner import DEADLINE_S
from tests.support.accepted import Accepted, close

_COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
"""The message of asyncpg. It comes alone, as asyncpg waits for each response before the next query."""


class Cut(Enum):
    """When the connection is cut."""

    BEFORE = "before the server receives the commit"
    DURING = "as soon as the commit is sent"
    AFTER = "after the server has confirmed the commit"


class PostgresProxy:
    """Forwards bytes in both directions. When armed, it cuts the connection of the next COMMIT, once."""

    def __init__(self, host: str, port: int) -> None:
        self.cuts = 0
        self.port = 0
        self._server = (host, port)
        self._armed: Cut | None = None

    def arm(self, cut: Cut) -> None:
        """Cut the connection of the next COMMIT at this point."""
        self._armed = cut

    async def run(self, listening: "Queue[None]", end: asyncio.Event) -> None:
        """Listen until `end` is set; then cut all connections."""
        connections = Accepted(self._forward)
        listener = await asyncio.start_server(connections, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        listening.put(None)
        await end.wait()
        await close(listener)
        await connections.stop()

    async def _forward(self, client: asyncio.StreamReader, responses: asyncio.StreamWriter) -> None:
        """One connection of the service. When one side ends, the other is closed."""
        try:
            server, requests = await asyncio.open_connection(*self._server)
        except OSError:
            return responses.transport.abort()
        cutting = asyncio.Event()
        to_server = asyncio.create_task(self._to_server(client, requests, cutting))
        to_client = asyncio.create_task(_to_client(server, responses, cutting))
        try:
            await asyncio.wait({to_server, to_client}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task, writer in ((to_server, requests), (to_client, responses)):
                task.cancel()
                writer.transport.abort()
            await asyncio.wait({to_server, to_client})

    async def _to_server(
        self, client: asyncio.StreamReader, requests: asyncio.StreamWriter, cutting: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await client.read(65_536):
                cut = self._armed if data.endswith(_COMMIT) else None
                if cut is not None:
                    self._armed = None
                    self.cuts += 1
                if cut is Cut.BEFORE:
                    return
                if cut is Cut.AFTER:
                    cutting.set()
                requests.write(data)
                await requests.drain()
                if cut is Cut.DURING:
                    return


async def _to_client(
    server: asyncio.StreamReader, responses: asyncio.StreamWriter, cutting: asyncio.Event
) -> None:
    """Forward the responses of the server, except for the one to a COMMIT that is being cut."""
    with suppress(ConnectionError):
        while data := await server.read(65_536):
            if cutting.is_set():
                return
            responses.write(data)
            await responses.drain()


@contextmanager
def postgres_proxy(host: str, port: int) -> Iterator[PostgresProxy]:
    """A proxy for this server, on its own thread, for the duration of the block."""
    proxy, listening = PostgresProxy(host, port), Queue[None]()
    end, loop = asyncio.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(proxy.run(listening, end)))
    thread.start()
    try:
        listening.get(timeout=DEADLINE_S)
        yield proxy
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        loop.close()
