"""Notes in the history what takes effect: an edit by hand is recorded when it is loaded (rule 13)."""

import asyncio
import logging
import time
from collections import deque
from pathlib import Path

from proxy.control.history.file import KnownTables, record_table
from proxy.model import RouteTable

log = logging.getLogger(__name__)

_WAITING = 256
_WAITING_BYTES = 64 * 1024 * 1024


class Recorder:
    """Writes beside the event loop, in the order in which tables took effect.

    Nothing here holds a reload up: where writing is slower than editing for long, the oldest are left out,
    and that is said. `run` is owned by the application's lifespan.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: deque[tuple[bytes, KnownTables]] = deque()
        self._waiting_bytes = 0
        self._last: tuple[str, RouteTable] | None = None
        self._changed = asyncio.Event()
        self._told = ""

    def note(self, version: str, text: bytes, table: RouteTable) -> None:
        """This table is in effect now."""
        # The one before is known, so that the difference can be told without parsing it again.
        tables = {version: table} if self._last is None else dict((self._last, (version, table)))
        before = None if self._last is None else self._last[0]
        self._waiting.append((text, KnownTables(before, tables)))
        self._waiting_bytes += len(text)
        self._last = (version, table)
        while len(self._waiting) > _WAITING or self._waiting_bytes > _WAITING_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft()[0])
            log.warning("the history misses a table: they change faster than they can be recorded")
        self._changed.set()

    async def run(self) -> None:
        """Record until cancelled. A directory that cannot be written to is said once."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                text, seen = self._waiting.popleft()
                self._waiting_bytes -= len(text)
                await self._record(text, seen)

    async def _record(self, text: bytes, seen: KnownTables) -> None:
        fault = await asyncio.to_thread(record_table, self._path, text, time.time(), seen)
        if fault is not None and fault != self._told:
            log.warning("the history is not kept: %s", fault)
        self._told = fault or ""
