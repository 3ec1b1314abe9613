"""Records each table that takes effect in the history, so edits by hand are recorded, too (rule 13)."""

import asyncio
import logging
import time
from collections import deque
from pathlib import Path

from proxy.control.history.file import KnownTables, record_table
from proxy.model import RouteTable

log = logging.getLogger(__name__)

_MAX_QUEUED = 256
_MAX_QUEUED_BYTES = 64 * 1024 * 1024


class Recorder:
    """Writes in a thread, in the order in which tables took effect.

    It never delays a reload. If tables change faster than they can be written, the oldest are dropped with a warning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: deque[tuple[bytes, KnownTables]] = deque()
        self._queued_bytes = 0
        self._last: tuple[str, RouteTable] | None = None
        self._queued = asyncio.Event()
        self._last_fault = ""

    def record(self, version: str, text: bytes, table: RouteTable) -> None:
        """Queue the table that is in effect now."""
        # With the table before, the differences are found without parsing it again.
        tables = {version: table} if self._last is None else dict((self._last, (version, table)))
        before = None if self._last is None else self._last[0]
        self._queue.append((text, KnownTables(before, tables)))
        self._queued_bytes += len(text)
        self._last = (version, table)
        while len(self._queue) > _MAX_QUEUED or self._queued_bytes > _MAX_QUEUED_BYTES:
            self._queued_bytes -= len(self._queue.popleft()[0])
            log.warning("the history misses a table: they change faster than they can be recorded")
        self._queued.set()

    async def run(self) -> None:
        """Write until cancelled. `server.app.background_tasks` owns the task."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            while self._queue:
                text, known = self._queue.popleft()
                self._queued_bytes -= len(text)
                await self._write(text, known)

    async def _write(self, text: bytes, known: KnownTables) -> None:
        fault = await asyncio.to_thread(record_table, self._path, text, time.time(), known)
        # A fault that persists is logged once.
        if fault is not None and fault != self._last_fault:
            log.warning("the history is not kept: %s", fault)
        self._last_fault = fault or ""
