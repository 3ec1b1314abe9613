"""Records each table that takes effect in the history, so edits by hand are recorded, too (rule 13)."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from pathlib import Path

from msgspec import Struct

from proxy.control.atomic_file import resolve_links
from proxy.control.checked_file import program_hash, remember_checked
from proxy.control.history.file import KnownTables, record_table
from proxy.errors import EditError
from proxy.model import RouteTable

log = logging.getLogger(__name__)

_MAX_QUEUED = 256
_MAX_QUEUED_BYTES = 64 * 1024 * 1024


class _Queued(Struct, frozen=True):
    """A table that took effect, and the one before it."""

    text: bytes
    known: KnownTables
    nodes: int | None


class Recorder:
    """Writes in a thread, in the order in which tables took effect.

    It never delays a reload. If tables change faster than they can be written, the oldest are dropped with a warning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Now, because an upgrade may replace the source while this process runs.
        self._program = program_hash()
        self._queue: deque[_Queued] = deque()
        self._queued_bytes = 0
        self._last: tuple[str, RouteTable] | None = None
        self._queued = asyncio.Event()
        self._last_fault = ""

    def record(
        self, version: str, text: bytes, table: RouteTable, nodes: int | None = None
    ) -> None:
        """Queue the table that is in effect now. `nodes` is None if its routes cannot be read one by one."""
        # With the table before, the differences are found without parsing it again.
        tables = {version: table} if self._last is None else dict((self._last, (version, table)))
        before = None if self._last is None else self._last[0]
        self._queue.append(_Queued(text, KnownTables(before, tables), nodes))
        self._queued_bytes += len(text)
        self._last = (version, table)
        while len(self._queue) > _MAX_QUEUED or self._queued_bytes > _MAX_QUEUED_BYTES:
            self._queued_bytes -= len(self._queue.popleft().text)
            log.warning("the history misses a table: they change faster than they can be recorded")
        self._queued.set()

    async def run(self) -> None:
        """Write until cancelled. `server.app.background_tasks` owns the task."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            while self._queue:
                self._queued_bytes -= len(self._queue[0].text)
                # No variable here keeps the table: it could be the last that refers to it.
                await self._write(self._queue.popleft())

    async def _write(self, queued: _Queued) -> None:
        fault = await asyncio.to_thread(self._record, queued)
        # A fault that persists is logged once.
        if fault is not None and fault != self._last_fault:
            log.warning("the history is not kept: %s", fault)
        self._last_fault = fault or ""

    def _record(self, queued: _Queued) -> str | None:
        fault = record_table(self._path, queued.text, time.time(), queued.known)
        with contextlib.suppress(OSError, EditError):
            table = resolve_links(self._path)
            remember_checked(table, queued.text, queued.nodes, self._program)
        return fault
