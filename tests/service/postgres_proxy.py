"""A TCP relay between the service and PostgreSQL, which cuts the link at a COMMIT when it is told to."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from queue import Queue

from tests.accepted import Accepted, close
from tests.service.running import DEADLINE_S

_COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
"""The message as asyncpg sends it: alone, for it waits for each answer before it sends again."""


class Cut(Enum):
    """When the link ends."""

    BEFORE = "before the server hears of the commit"
    DURING = "as soon as the commit is on its way"
    AFTER = "when the server has confirmed the commit"


class Relay:
    """Hands bytes on in both directions. Armed, it cuts the link of the next COMMIT, once."""

    def __init__(self, host: str, port: int) -> None:
        self.cuts = 0
        self.port = 0
        self._server = (host, port)
        self._armed: Cut | None = None

    def arm(self, cut: Cut) -> None:
        """The next COMMIT meets this cut."""
        self._armed = cut

    async def run(self, listening: "Queue[None]", end: asyncio.Event) -> None:
        """Listen until the end; then every link is cut."""
        links = Accepted(self._link)
        listener = await asyncio.start_server(links, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        listening.put(None)
        await end.wait()
        await close(listener)
        await links.stop()

    async def _link(self, client: asyncio.StreamReader, responses: asyncio.StreamWriter) -> None:
        """One connection of the service; it ends on both sides as soon as it ends on one."""
        try:
            server, requests = await asyncio.open_connection(*self._server)
        except OSError:
            return responses.transport.abort()
        cutting = asyncio.Event()
        forth = asyncio.create_task(self._forth(client, requests, cutting))
        back = asyncio.create_task(_back(server, responses, cutting))
        try:
            await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task, writer in ((forth, requests), (back, responses)):
                task.cancel()
                writer.transport.abort()
            await asyncio.wait({forth, back})

    async def _forth(
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


async def _back(
    server: asyncio.StreamReader, responses: asyncio.StreamWriter, cutting: asyncio.Event
) -> None:
    """Hand the server's answers on, but for the one to a commit that is being cut."""
    with suppress(ConnectionError):
        while data := await server.read(65_536):
            if cutting.is_set():
                return
            responses.write(data)
            await responses.drain()


@contextmanager
def relaying(host: str, port: int) -> Iterator[Relay]:
    """A relay to this server, on a thread of its own, for as long as the block lasts."""
    relay, listening = Relay(host, port), Queue[None]()
    end, loop = asyncio.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(relay.run(listening, end)))
    thread.start()
    try:
        listening.get(timeout=DEADLINE_S)
        yield relay
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        loop.close()
