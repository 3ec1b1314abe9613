"""Notes in the history what takes effect: an edit by hand is recorded when it is loaded (rule 13)."""

import asyncio
import logging
import time
from pathlib import Path

from proxy.history import record_seen
from proxy.model import RouteTable

log = logging.getLogger(__name__)


class Recorder:
    """Writes beside the event loop, the newest table first: what was replaced meanwhile is left out.

    Nothing here holds a reload up. `run` is owned by the application's lifespan.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text: bytes | None = None
        self._tables: dict[str, RouteTable] = {}
        self._changed = asyncio.Event()
        self._told = ""

    def note(self, version: str, text: bytes, table: RouteTable) -> None:
        """This table is in effect now."""
        # The one before stays known, so that the difference can be told without parsing it again.
        known = list(self._tables.items())[-1:]
        self._tables = {**dict(known), version: table}
        self._text = text
        self._changed.set()

    async def run(self) -> None:
        """Record until cancelled. A directory that cannot be written to is said once."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._text is None:
                continue
            fault = await asyncio.to_thread(
                record_seen, self._path, self._text, time.time(), self._tables
            )
            if fault is not None and fault != self._told:
                log.warning("the history is not kept: %s", fault)
            self._told = fault or ""
