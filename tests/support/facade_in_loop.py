"""A facade on free ports in the test's own event loop."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from proxy.server.app import Facade, build
from proxy.server.serve import serve
from proxy.server.settings import Address, Settings, Tier
from tests.support.waiting import eventually

LOOPBACK = Address("127.0.0.1", 0)
TIERS: tuple[Tier, ...] = ("asgi", "fast")


def reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Close by a reset: while a response is awaited, a plain close would be a half-close."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass
class RunningFacade:
    """A facade that accepts connections."""

    app: Facade
    routes: Path
    listen: Address
    admin: Address
    access_log: Path
    stop: asyncio.Event

    async def send(self, raw: bytes, *, admin: bool = False) -> bytes:
        """Send `raw` on a connection of its own. Returns all that is received until the connection ends."""
        to = self.admin if admin else self.listen
        reader, writer = await asyncio.open_connection(to.host, to.port)
        try:
            writer.write(raw)
            async with asyncio.timeout(10):
                return await reader.read()
        except BaseException:
            reset_on_close(writer)
            raise
        finally:
            writer.close()

    async def get(
        self,
        path: str,
        *headers: str,
        method: str = "GET",
        body: bytes = b"",
        admin: bool = False,
    ) -> bytes:
        """One request on a connection of its own, to the traffic or the admin listener."""
        lines = [f"{method} {path} HTTP/1.1", "host: facade.example", "connection: close", *headers]
        if body:
            lines.append(f"content-length: {len(body)}")
        return await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body, admin=admin)

    async def log_lines(self, count: int) -> list[dict[str, Any]]:
        """The access log, once it has `count` lines."""
        await eventually(lambda: self.access_log.read_bytes().count(b"\n") >= count)
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]


@contextlib.asynccontextmanager
async def facade_in_loop(
    table: str,
    folder: Path,
    *,
    draw: Callable[[], int] | None = None,
    transports: Mapping[str, httpx.AsyncBaseTransport] | None = None,
    **settings: Any,
) -> AsyncIterator[RunningFacade]:
    """A facade that serves `table`. `settings` are fields of `Settings`. Stops, and waits for that, at the end."""
    routes, access_log = folder / "routes.yaml", folder / "access.jsonl"
    routes.write_text(table)
    usual = {
        "listen": LOOPBACK,
        "admin": LOOPBACK,
        "access_log": str(access_log),
        "drain_s": 5.0,
    }
    made = Settings(routes, **{**usual, **settings})
    app = build(made, draw=draw, transports=transports)
    stop, up = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(app, made, lambda listen, admin: up.set_result((listen, admin)), stop)
    )
    await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    listen, admin = up.result()
    try:
        yield RunningFacade(app, routes, listen, admin, access_log, stop)
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task
