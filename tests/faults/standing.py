"""A facade that is looked at before and after a fault: connections, tasks and descriptors return."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import msgspec

from proxy.server.settings import Settings, Tier
from tests.integration.running import Running, running
from tests.integration.upstream_servers import Peer, Server

OK = b"HTTP/1.1 200 OK\r\n"
SETTLED_WITHIN_S = 5.0


def table(*upstreams: Server, defaults: str = "{}", breakers: str = "{}") -> str:
    """`/0/…` goes to the first upstream, `/1/…` to the second, all else to the first."""
    lines = ["version: 1", f"defaults: {defaults}", "backends:"]
    lines += [
        f"  up{number}: {{url: 'http://127.0.0.1:{each.port}', circuit_breakers: {breakers}}}"
        for number, each in enumerate(upstreams)
    ]
    lines.append("routes:")
    lines += [
        f"  - {{name: r{number}, match: {{path: {{prefix: /{number}}}}}, backend_refs: up{number}}}"
        for number in range(len(upstreams))
    ]
    lines.append("  - {name: rest, backend_refs: up0}")
    return "\n".join(lines) + "\n"


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Books:
    """What there was before. Idle upstream connections are no leak: both their ends are in this process."""

    def __init__(self, facade: Running, upstreams: tuple[Server, ...]) -> None:
        self._facade = facade
        self._upstreams = upstreams
        self._before = self._now()

    def _now(self) -> tuple[int, int]:
        stats = self._facade.facade.upstream_stats().values()
        idle = sum(each.idle for each in stats)
        scripts = sum(each.open for each in self._upstreams)
        return len(asyncio.all_tasks()) - scripts, _descriptors() - 2 * idle

    def wrong(self) -> str:
        """What has not returned to what it was; empty once all has."""
        for name, now in self._facade.facade.upstream_stats().items():
            if now.in_flight or now.pending or now.connections != now.idle:
                return f"connections of {name}: {now}"
        idle = sum(each.idle for each in self._facade.facade.upstream_stats().values())
        scripts = sum(each.open for each in self._upstreams)
        if scripts != idle:
            return f"{scripts} connections at the upstreams, {idle} idle ones here"
        tasks, descriptors = self._now()
        # Fewer is well: something from before this test was closed late.
        if tasks > self._before[0] or descriptors > self._before[1]:
            return f"tasks and descriptors were {self._before}, and are {(tasks, descriptors)}"
        return ""


@contextlib.asynccontextmanager
async def standing(
    text: str, folder: Path, tier: str, *upstreams: Server, warm: bool = True
) -> AsyncIterator[Running]:
    """A facade of this tier. On the way out nothing of what happened inside may be left.

    `warm` asks once before counting, so that what is made with the first request is counted as there.
    """

    def adapt(settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, tier=cast(Tier, tier))

    async with running(text, folder, adapt=adapt) as facade:
        if warm:
            await facade.get("/no-such-route-is-needed", method="TRACE")
        await _still()
        books = Books(facade, upstreams)
        yield facade
        wrong = books.wrong()
        deadline = asyncio.get_running_loop().time() + SETTLED_WITHIN_S
        while wrong and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
            wrong = books.wrong()
        assert not wrong, wrong


async def _still() -> None:
    """Until the number of tasks and descriptors does not change any more."""
    seen, since = (0, 0), 0
    while since < 5:
        await asyncio.sleep(0.01)
        now = (len(asyncio.all_tasks()), _descriptors())
        seen, since = (seen, since + 1) if now == seen else (now, 0)


async def answering(peer: Peer) -> None:
    """Answers each request without a body."""
    while True:
        await peer.answer()


async def taking(peer: Peer) -> None:
    """Reads and never answers."""
    await peer.until_closed()


def status_of(answer: bytes) -> int:
    """Of the final answer: interim ones may come in front of it."""
    status = int(answer.split(b" ", 2)[1])
    return status if status >= 200 else status_of(answer.partition(b"\r\n\r\n")[2])


def complete(answer: bytes) -> bool:
    """Whether an answer, read until its connection closed, claims to be whole."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return body.endswith(b"0\r\n\r\n")
    if b"content-length: " in lower:
        return len(body) >= int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
    return True
