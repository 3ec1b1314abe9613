"""A TCP relay to PostgreSQL whose target can be switched, like the name of a writer during a failover.

With a TLS context it accepts TLS, so that the server of the tests needs none.
"""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Queue

from tests.service.service_runner import DEADLINE_S
from tests.support.accepted import Accepted, close

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


class Relay:
    """Forwards bytes of new connections to `target`; earlier connections keep theirs."""

    def __init__(self, target: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self.port = 0
        self.encrypted = 0
        self._tls = tls

    async def run(self, listening: "Queue[None]", end: asyncio.Event) -> None:
        """Listen until `end` is set; then cut all connections."""
        connections = Accepted(self._forward)
        listener = await asyncio.start_server(connections, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        listening.put(None)
        await end.wait()
        await close(listener)
        await connections.stop()

    async def _forward(self, client: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await client.readexactly(8)
            while first == _SSL_REQUEST:
                writer.write(b"N" if self._tls is None else b"S")
                if self._tls is not None:
                    await writer.start_tls(self._tls)
                    self.encrypted += 1
                first = await client.readexactly(8)
            server, requests = await asyncio.open_connection(*self.target)
            requests.write(first)
            both = [_copied(client, requests), _copied(server, writer)]
            tasks = [asyncio.create_task(each) for each in both]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                requests.transport.abort()
        writer.transport.abort()


async def _copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()


@contextmanager
def relay(host: str, port: int, tls: ssl.SSLContext | None = None) -> Iterator[Relay]:
    """A relay to this server, on its own thread, for the duration of the block."""
    made, listening = Relay((host, port), tls), Queue[None]()
    end, loop = asyncio.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(made.run(listening, end)))
    thread.start()
    try:
        listening.get(timeout=DEADLINE_S)
        yield made
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        loop.close()
