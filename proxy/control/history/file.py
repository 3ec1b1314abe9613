"""The history file of a table, `routes.yaml.history.jsonl`: it is appended to under a lock, and bounded."""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from proxy.control.atomic_file import (
    as_edit_errors,
    keep_owner,
    locked,
    pending_path,
    replacement,
    resolve_links,
)
from proxy.control.changes import Changes, changes_between
from proxy.control.history.entries import (
    BY_HAND,
    FOUND,
    NOT_CARRIED_OUT,
    UNKNOWN,
    Entry,
    HistoryBounds,
    HistoryScan,
    NewEntry,
    chained,
    first_number,
    line_of,
    read_entry,
    read_history,
    shortened,
    table_of,
    version_of,
)
from proxy.control.table_bytes import read_table
from proxy.errors import EditError, FacadeError, TableError
from proxy.model import RouteTable

TablesByVersion = Mapping[str, RouteTable]
"""Tables that are already parsed, by their version."""

_RECORD_WAIT_S = 10.0
_FIRST_READ_BYTES = 256 * 1024
_FIRST_LINE_BYTES = 512
_NEWEST_BYTES = 1024 * 1024
BOUNDS = HistoryBounds()


class ObservedTable(Struct, frozen=True):
    """A table as it was read."""

    path: Path
    """Without links."""
    text: bytes
    tables: TablesByVersion


def history_path(table: Path) -> Path:
    """The history file of a table. `table` has no links."""
    return table.with_name(f"{table.name}.history.jsonl")


def load_history(table: Path) -> HistoryScan:
    """The whole history of a table; empty if there is none. Raises OSError."""
    try:
        return read_history(history_path(table).read_bytes())
    except FileNotFoundError:
        return HistoryScan()


def newest_entries(table: Path, count: int) -> tuple[Entry, ...]:
    """The last entries, oldest first, as far as they are in the last MiB. Does not check the chain. Raises OSError."""
    try:
        with history_path(table).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _NEWEST_BYTES))
            lines = file.read(_NEWEST_BYTES).splitlines()
    except FileNotFoundError:
        return ()
    entries = (read_entry(line) for line in lines[-count:])
    return tuple(entry for entry in entries if entry is not None)


class KnownTables(Struct, frozen=True):
    """The tables that a running facade knows when a table takes effect."""

    before: str | None = None
    """The version that was in effect before; None for the first table."""
    tables: TablesByVersion = {}


def record_table(
    path: Path, text: bytes, now: float, known: KnownTables | None = None
) -> str | None:
    """Record a table that took effect, unless the history has it: then it was edited by hand.

    A running facade calls this; `now` is `time.time()`. It blocks for at most 10 s. Several processes may call it for
    the same change, which is recorded once. Never raises: returns why the table was not recorded, or None.
    """
    known = known or KnownTables()
    try:
        table = resolve_links(path)
        with open_history(table, _RECORD_WAIT_S) as history:
            # The file may have changed since. Then `text` is recorded only if it is the change that follows the last
            # entry: otherwise another process has recorded this change and later ones.
            follows = history.ends_with(known.before) or (
                history.last is None and version_of(text) in known.tables
            )
            if not history.has(text) and (follows or read_table(table) == text):
                history.record_missed_change(ObservedTable(table, text, known.tables), now)
    except TableError:
        return f"{path} was not recorded: it does not load"
    except FacadeError as error:
        return str(error)
    except OSError as error:
        return f"{path} was not recorded: {error.strerror or error}"
    return None


@contextlib.contextmanager
def open_history(table: Path, wait_s: float) -> Iterator["HistoryFile"]:
    """The history of a table, locked inside the block. Raises EditError."""
    path = history_path(table)
    table_stat = os.stat(table)
    with contextlib.ExitStack() as stack:
        with as_edit_errors(path):
            handle = stack.enter_context(locked(path, wait_s))
        if os.fstat(handle).st_size == 0:
            with as_edit_errors(path):
                keep_owner(handle, table_stat)
                os.fchmod(handle, stat.S_IMODE(table_stat.st_mode) & 0o666)
        history = HistoryFile(handle, path)
        yield history
        # The entries are written. If shortening fails, the history stays long until the next time.
        with contextlib.suppress(OSError, EditError):
            history.shorten()


class HistoryFile:
    """A locked history file."""

    def __init__(self, handle: int, path: Path) -> None:
        self._handle = handle
        self._path = path
        self._lacks_newline = False
        """Whether the file does not end with a line end."""
        self.torn = False
        """Whether the last line is not an entry: a crash cut it short."""
        self.last = self._find_last()

    def has(self, text: bytes) -> bool:
        """Whether the last entry has this text."""
        return self.last is not None and self.last.version_after == version_of(text)

    def ends_with(self, version: str | None) -> bool:
        """Whether the last entry has this version. False for None."""
        return self.last is not None and self.last.version_after == version

    def append(self, new: NewEntry, now: float) -> Entry:
        """Append an entry and sync the file. Raises EditError."""
        entry = chained(new, self.last, now)
        line = (b"\n" if self._lacks_newline else b"") + line_of(entry)
        with as_edit_errors(self._path):
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        self.last, self._lacks_newline = entry, False
        return entry

    def record_missed_change(self, table: ObservedTable, now: float) -> NewEntry | None:
        """Record a change of the table since the last entry, if there was one. Raises TableError, EditError."""
        entry = missed_change(self.last, table)
        if entry is not None:
            self.append(entry, now)
        # If a crash left the pending file of an edit, the entry "not carried out" is about it.
        with contextlib.suppress(OSError):
            pending_path(table.path).unlink()
        return entry

    def shorten(self, bounds: HistoryBounds = BOUNDS) -> bool:
        """Drop the oldest entries of a history that exceeds `bounds`. Do not append afterwards.

        Returns whether entries were dropped. The file is replaced atomically, so a reader without the lock sees the
        old file or the new one. A process that waits for the lock opens the new file (`atomic_file.locked`). Raises
        OSError, EditError.
        """
        if self.last is None:
            return False
        begins_at = first_number(os.pread(self._handle, _FIRST_LINE_BYTES, 0))
        size = os.fstat(self._handle).st_size
        if not bounds.passed_by(self.last.number - begins_at + 1, size):
            return False
        text = self._path.read_bytes()
        kept = shortened(text, bounds)
        if kept != text:
            with replacement(self._path, kept) as commit:
                commit()
        return kept != text

    def _find_last(self) -> Entry | None:
        """The last line that is an entry. Reads from the end, and no more than needed."""
        size = os.fstat(self._handle).st_size
        self._lacks_newline = size > 0 and os.pread(self._handle, 1, size - 1) != b"\n"
        length = min(_FIRST_READ_BYTES, size)
        while True:
            lines = os.pread(self._handle, length, size - length).split(b"\n")
            complete = lines if length == size else lines[1:]
            for line in reversed([line for line in complete if line]):
                entry = read_entry(line)
                if entry is not None:
                    return entry
                self.torn = True
            if length == size:
                return None
            length = min(length * 4, size)


def missed_change(last: Entry | None, table: ObservedTable) -> NewEntry | None:
    """The entry that is missing in a history that ends with `last`; None if none is. Raises TableError."""
    version = version_of(table.text)
    if last is None:
        if version not in table.tables:
            _parsed(table.text, str(table.path))
        return NewEntry(UNKNOWN, FOUND, Changes(), table.text)
    if last.version_after == version:
        return None
    current = table.tables.get(version) or _parsed(table.text, str(table.path))
    action = NOT_CARRIED_OUT if _was_cut_short(last, table.path, version) else BY_HAND
    return NewEntry(UNKNOWN, action, _changes(last, current, table.tables), table.text)


def _was_cut_short(last: Entry, table: Path, version: str) -> bool:
    """Whether an edit ended after its entry and before it replaced the table: its pending file is still there."""
    if last.version_before != version:
        return False
    try:
        return version_of(read_table(pending_path(table))) == last.version_after
    except (OSError, TableError):
        return False


def _changes(last: Entry, current: RouteTable, tables: TablesByVersion) -> Changes:
    try:
        before = tables.get(last.version_after) or _parsed(table_of(last))
    except (TableError, ValueError):
        return Changes(other=("the whole file: the version before cannot be read",))
    return changes_between(before, current)


def _parsed(text: bytes, file: str = "routes.yaml") -> RouteTable:
    # Imported here: an edit of a table whose history is complete parses none (ADR 26).
    from proxy.config.loader import parse_table

    return parse_table(text, file)[0]
