"""Starts the mirror process while the table has a mirror, and starts it again when it ends (ADR 34)."""

import asyncio
import contextlib
import logging
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Coroutine
from typing import Any

import msgspec

from proxy.routing.mirrored_request import copies_requests
from proxy.routing.snapshot import CurrentTable, Snapshot
from proxy.server.mirror_way import MirrorPlan, MirrorWay
from proxy.server.settings import Settings
from proxy.telemetry.shared_memory import StatField, WorkerState, WorkerStatus

log = logging.getLogger(__name__)

_POLL_S = 0.25
_STABLE_S = 5.0
"""A process that ends sooner is started again with exponential backoff."""
_MIN_BACKOFF_S, _MAX_BACKOFF_S = 0.5, 8.0
_STOP_S = 2.0


class MirrorRunner:
    """The process that records the history has one: the only process, or the admin process."""

    def __init__(self, way: MirrorWay, settings: Settings, table: CurrentTable) -> None:
        self._way = way
        self._table = table
        ends = [each.fileno() for each in way.of_mirror]
        self._plan = MirrorPlan(str(settings.routes), dict(settings.backends), way.memory, ends)
        self._known: tuple[Snapshot, bool] | None = None

    async def run(self) -> None:
        """Run until cancelled. `Facade.running` owns the task."""
        backoff_s = 0.0
        while True:
            await asyncio.sleep(backoff_s or _POLL_S)
            if not self._is_needed():
                continue
            began = time.monotonic()
            status = await self._run_process()
            if not self._is_needed():
                continue
            if time.monotonic() - began >= _STABLE_S:
                backoff_s = 0.0
            log.error(
                "the mirror process ended with status %s: starting it again in %.1f s",
                *(status, backoff_s or _POLL_S),
            )
            backoff_s = min(_MAX_BACKOFF_S, max(_MIN_BACKOFF_S, 2 * backoff_s))
            self._way.shared.stats.head[StatField.RESTARTS] += 1

    def _is_needed(self) -> bool:
        snapshot = self._table.current
        if self._known is None or self._known[0] is not snapshot:
            self._known = snapshot, copies_requests(snapshot.table)
        return self._known[1]

    async def _run_process(self) -> int | None:
        """The exit status. None if it could not be started, or was not needed any more."""
        plan = self._plan
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "proxy.server.mirror_process",
                stdin=PIPE,
                pass_fds=(plan.memory, *plan.ends),
            )
        except OSError as error:
            log.error("the mirror process cannot be started: %s", error)
            return None
        try:
            if process.stdin is not None:
                process.stdin.write(msgspec.json.encode(plan) + b"\n")
            while self._is_needed():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        return await process.wait()
            return None
        finally:
            await _stop(process)
            self._way.shared.stats.head[StatField.STATE] = WorkerState.DOWN
            self._way.shared.stats.publish(WorkerStatus())


def runner_tasks(
    way: MirrorWay | None, settings: Settings, table: CurrentTable
) -> tuple[Coroutine[Any, Any, None], ...]:
    """What the process that has the runner runs beside."""
    return () if way is None else (MirrorRunner(way, settings, table).run(),)


async def _stop(process: Process) -> None:
    """End the process by the end of its input; kill it if that takes long."""
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            await process.wait()
        return
    log.error("the mirror process (pid %d) has not ended in time", process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
