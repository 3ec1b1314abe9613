"""A TCP proxy between the service and PostgreSQL.

Its target can be switched, like the DNS name of a writer during a failover. With a TLS context it accepts TLS, so that
the server of the tests needs none. It can cut a connection at a COMMIT.
"""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from queue import Queue

from tests.service.service_runner import DEADLINE_S
from tests.support.accepted import Accepted, close

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
"""The message of asyncpg. It comes alone, as asyncpg waits for each response before the next query."""


class Cut(Enum):
    """When the connection is cut."""

    BEFORE = "before the server receives the commit"
    DURING = "as soon as the commit is sent"
    AFTER = "after the server has confirmed the commit"


class PostgresProxy:
    """Forwards bytes of new connections to `target`; earlier connections keep theirs."""

    def __init__(self, target: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.target = target
        self.port = 0
        self.encrypted = 0
        """Connections that use TLS, so far."""
        self.cuts = 0
        self._tls = tls
        self._armed: Cut | None = None

    def arm(self, cut: Cut) -> None:
        """Cut the connection of the next COMMIT at this point, once."""
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
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await self._begin(client, responses)
            server, requests = await asyncio.open_connection(*self.target)
            requests.write(first)
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
        responses.transport.abort()

    async def _begin(self, client: asyncio.StreamReader, responses: asyncio.StreamWriter) -> bytes:
        """Accept or refuse TLS. Returns the first bytes for the server."""
        first = await client.readexactly(8)
        while first == _SSL_REQUEST:
            responses.write(b"N" if self._tls is None else b"S")
            if self._tls is not None:
                await responses.start_tls(self._tls)
                self.encrypted += 1
            first = await client.readexactly(8)
        return first

    async def _to_server(
        self, client: asyncio.StreamReader, requests: asyncio.StreamWriter, cutting: asyncio.Event
    ) -> None:
        with suppress(OSError):
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
    with suppress(OSError):
        while data := await server.read(65_536):
            if cutting.is_set():
                return
            responses.write(data)
            await responses.drain()


@contextmanager
def postgres_proxy(
    host: str, port: int, tls: ssl.SSLContext | None = None
) -> Iterator[PostgresProxy]:
    """A proxy for this server, on its own thread, for the duration of the block."""
    proxy, listening = PostgresProxy((host, port), tls), Queue[None]()
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
