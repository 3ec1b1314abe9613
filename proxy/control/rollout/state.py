"""The table and its history, as a runner reads them: only when one of the files has changed."""

import os
from pathlib import Path

from msgspec import Struct

from proxy.config.load import Loaded, load
from proxy.control.history.entries import Entry, chained, version_of
from proxy.control.history.file import (
    ObservedTable,
    history_path,
    load_history,
    missed_change,
)
from proxy.control.rollout.edits import last_mark, last_marked
from proxy.control.rollout_mark import RolloutMark
from proxy.control.table_bytes import read_table
from proxy.errors import EditError
from proxy.model import Route

Signature = tuple[tuple[int, int, int] | None, ...]


class TableState(Struct, frozen=True):
    """A table that loads, and its history."""

    text: bytes
    loaded: Loaded
    entries: tuple[Entry, ...]

    @property
    def version(self) -> str:
        return version_of(self.text)

    def route(self, name: str) -> Route:
        """Raises EditError."""
        for route in self.loaded.table.routes:
            if route.name == name:
                return route
        raise EditError(f"there is no route `{name}` in the table any more")

    def mark(self, name: str) -> RolloutMark | None:
        return last_mark(self.entries, name)

    def reason(self, name: str) -> str:
        """The reason of the last mark."""
        entry = last_marked(self.entries, name)
        return "" if entry is None else entry.reason


class StateReader:
    """Reads the state of one table. `path` has no links."""

    def __init__(self, path: Path, shown: str) -> None:
        self._path = path
        self._shown = shown
        self._seen: Signature = ()
        self._state: TableState | None = None

    def read(self) -> TableState:
        """The current state. Raises TableError for a table that does not load, OSError."""
        seen = tuple(_signature(each) for each in (self._path, history_path(self._path)))
        if self._state is None or seen != self._seen:
            self._state = self._read()
            self._seen = seen
        return self._state

    def forget(self) -> None:
        """Read both files again next time."""
        self._seen = ()

    def _read(self) -> TableState:
        text = read_table(self._path)
        loaded = load(text, self._shown, None if self._state is None else self._state.loaded)
        entries = load_history(self._path).entries
        last = entries[-1] if entries else None
        if last is not None:
            # An edit that was cut short has an entry, and no effect: as the next edit will record it.
            observed = ObservedTable(self._path, text, {version_of(text): loaded.table})
            missed = missed_change(last, observed)
            if missed is not None:
                entries = (*entries, chained(missed, last, 0.0))
        return TableState(text, loaded, entries)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
