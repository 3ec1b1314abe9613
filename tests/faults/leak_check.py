"""A facade that is counted before and after a fault: connections, tasks and descriptors have to return."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import Origin

OK = b"HTTP/1.1 200 OK\r\n"
SETTLED_WITHIN_S = 5.0


def table(*ports: int, defaults: str = "{}", breakers: str = "{}") -> str:
    """`/0/…` goes to the first port, `/1/…` to the second, everything else to the first."""
    lines = ["version: 1", f"defaults: {defaults}", "backends:"]
    lines += [
        f"  up{number}: {{url: 'http://127.0.0.1:{port}', circuit_breakers: {breakers}}}"
        for number, port in enumerate(ports)
    ]
    lines.append("routes:")
    lines += [
        f"  - {{name: r{number}, match: {{path: {{prefix: /{number}}}}}, backend_refs: up{number}}}"
        for number in range(len(ports))
    ]
    lines.append("  - {name: rest, backend_refs: up0}")
    return "\n".join(lines) + "\n"


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class ResourceCount:
    """What there was before. Idle upstream connections are no leak: both their ends are in this process."""

    def __init__(self, facade: RunningFacade, origins: tuple[Origin, ...]) -> None:
        self._facade = facade
        self._origins = origins
        self._before = self._now()

    def _now(self) -> tuple[int, int]:
        stats = self._facade.app.upstream_stats().values()
        idle = sum(each.idle for each in stats)
        scripts = sum(each.open for each in self._origins)
        return len(asyncio.all_tasks()) - scripts, _descriptors() - 2 * idle

    def leak(self) -> str:
        """What has not returned to what it was; empty once all has."""
        for name, now in self._facade.app.upstream_stats().items():
            if now.in_flight or now.pending or now.connections != now.idle:
                return f"connections of {name}: {now}"
        idle = sum(each.idle for each in self._facade.app.upstream_stats().values())
        scripts = sum(each.open for each in self._origins)
        if scripts != idle:
            return f"{scripts} connections at the origins, {idle} idle ones here"
        tasks, descriptors = self._now()
        # Fewer are fine: something from before this test was closed late.
        if tasks > self._before[0] or descriptors > self._before[1]:
            return f"tasks and descriptors were {self._before}, and are {(tasks, descriptors)}"
        return ""


@contextlib.asynccontextmanager
async def leak_checked(
    routes: str, folder: Path, tier: str, *origins: Origin, warm: bool = True
) -> AsyncIterator[RunningFacade]:
    """A facade of this tier. Fails at the end if anything of what happened inside is left.

    `warm` sends a request before counting, so that what the first request creates is counted as there.
    """
    async with facade_in_loop(routes, folder, tier=tier) as facade:
        if warm:
            await facade.get("/no-such-route-is-needed", method="TRACE")
        await _until_stable()
        count = ResourceCount(facade, origins)
        yield facade
        leak = count.leak()
        deadline = asyncio.get_running_loop().time() + SETTLED_WITHIN_S
        while leak and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
            leak = count.leak()
        assert not leak, leak


async def _until_stable() -> None:
    """Wait until the number of tasks and descriptors does not change any more."""
    seen, since = (0, 0), 0
    while since < 5:
        await asyncio.sleep(0.01)
        now = (len(asyncio.all_tasks()), _descriptors())
        seen, since = (seen, since + 1) if now == seen else (now, 0)
