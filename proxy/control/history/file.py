"""The history file beside a table, `routes.yaml.history.jsonl`: appended to under a lock, and bounded."""

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from proxy.config import parse_table
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
from proxy.control.table_file import read_table
from proxy.errors import EditError, FacadeError, TableError
from proxy.model import RouteTable

TablesByVersion = Mapping[str, RouteTable]
"""Tables that are known already, by their version: they are not parsed again."""

_SEEN_WAIT_S = 10.0
_TAIL_BYTES = 256 * 1024
_BEGINNING_BYTES = 512
BOUNDS = HistoryBounds()


class ObservedTable(Struct, frozen=True):
    """A table as somebody saw it."""

    path: Path
    """Resolved."""
    text: bytes
    tables: TablesByVersion


def history_path(table: Path) -> Path:
    """Where the history of a table is. `table` is resolved."""
    return table.with_name(f"{table.name}.history.jsonl")


def load_history(table: Path) -> HistoryScan:
    """The whole history of a table; empty where there is none. Raises OSError."""
    try:
        return read_history(history_path(table).read_bytes())
    except FileNotFoundError:
        return HistoryScan()


class KnownTables(Struct, frozen=True):
    """What a running facade knows of a table that took effect: the version before it, and tables by version."""

    before: str | None = None
    tables: TablesByVersion = {}


def record_table(
    path: Path, text: bytes, now: float, seen: KnownTables | None = None
) -> str | None:
    """Record a table that took effect and is not in the history: somebody edited it by hand.

    For the running facade; `now` is `time.time()`. Blocks for 10 s at most. Several processes may see the
    same change: it is recorded once. What the file does not hold any more is recorded if the history ends with
    the version that was in effect before, or has not begun; else somebody has told the story already.
    Never raises: what kept it from being recorded is returned, None is "it is recorded".
    """
    seen = seen or KnownTables()
    try:
        table = resolve_links(path)
        with open_history(table, _SEEN_WAIT_S) as log:
            known = log.ends_with(seen.before) or (
                log.last is None and version_of(text) in seen.tables
            )
            if not log.has(text) and (known or read_table(table) == text):
                log.record_missed_change(ObservedTable(table, text, seen.tables), now)
    except TableError:
        return f"{path} was not recorded: it does not load"
    except FacadeError as error:
        return str(error)
    except OSError as error:
        return f"{path} was not recorded: {error.strerror or error}"
    return None


@contextlib.contextmanager
def open_history(table: Path, wait_s: float) -> Iterator["HistoryFile"]:
    """The history of a table, for nobody else until the end. Raises EditError."""
    path = history_path(table)
    like = os.stat(table)
    with contextlib.ExitStack() as stack:
        with as_edit_errors(path):
            handle = stack.enter_context(locked(path, wait_s))
        if os.fstat(handle).st_size == 0:
            with as_edit_errors(path):
                keep_owner(handle, like)
                os.fchmod(handle, stat.S_IMODE(like.st_mode) & 0o666)
        log = HistoryFile(handle, path)
        yield log
        # What was to be done is done: a history that stays too long for now is no reason to fail.
        with contextlib.suppress(OSError, EditError):
            log.shorten()


class HistoryFile:
    """A history that is locked."""

    def __init__(self, handle: int, path: Path) -> None:
        self._handle = handle
        self._path = path
        self._unfinished = False
        self.torn = False
        """Whether the last line was cut short by a crash."""
        self.last = self._find_last()

    def has(self, text: bytes) -> bool:
        """Whether the last entry is about this text."""
        return self.last is not None and self.last.version_after == version_of(text)

    def ends_with(self, version: str | None) -> bool:
        """Whether the last entry is about this version. None is no version."""
        return self.last is not None and self.last.version_after == version

    def append(self, draft: NewEntry, now: float) -> Entry:
        """Add an entry; on the disk when this returns. Raises EditError."""
        entry = chained(draft, self.last, now)
        line = (b"\n" if self._unfinished else b"") + line_of(entry)
        with as_edit_errors(self._path):
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        self.last, self._unfinished = entry, False
        return entry

    def record_missed_change(self, sight: ObservedTable, now: float) -> NewEntry | None:
        """Record what happened to the table since the last entry. Raises TableError, EditError."""
        draft = missed_change(self.last, sight)
        if draft is not None:
            self.append(draft, now)
        with contextlib.suppress(OSError):
            pending_path(sight.path).unlink()
        return draft

    def shorten(self, bounds: HistoryBounds = BOUNDS) -> bool:
        """Drop the oldest entries of a history that is beyond `bounds`; it takes no more entries then.

        Returns whether that was done. The new file takes the old one's place at once, so whoever reads without
        the lock sees either. Whoever waits for the lock finds that its file is gone, and takes the new one.
        Raises OSError, EditError.
        """
        if self.last is None:
            return False
        begins_at = first_number(os.pread(self._handle, _BEGINNING_BYTES, 0))
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
        """The last line that is an entry, without reading the whole file where that is not needed."""
        size = os.fstat(self._handle).st_size
        self._unfinished = size > 0 and os.pread(self._handle, 1, size - 1) != b"\n"
        length = min(_TAIL_BYTES, size)
        while True:
            lines = os.pread(self._handle, length, size - length).split(b"\n")
            whole = lines if length == size else lines[1:]
            for line in reversed([line for line in whole if line]):
                entry = read_entry(line)
                if entry is not None:
                    return entry
                self.torn = True
            if length == size:
                return None
            length = min(length * 4, size)


def missed_change(last: Entry | None, sight: ObservedTable) -> NewEntry | None:
    """The entry that a history, which ends with `last`, lacks for a table as it is. Raises TableError."""
    version = version_of(sight.text)
    if last is None:
        if version not in sight.tables:
            parse_table(sight.text, str(sight.path))
        return NewEntry(UNKNOWN, FOUND, Changes(), sight.text)
    if last.version_after == version:
        return None
    now = sight.tables.get(version) or parse_table(sight.text, str(sight.path))[0]
    action = NOT_CARRIED_OUT if _was_cut_short(last, sight.path, version) else BY_HAND
    return NewEntry(UNKNOWN, action, _changes(last, now, sight.tables), sight.text)


def _was_cut_short(last: Entry, table: Path, version: str) -> bool:
    """An edit ended between its entry and its rename: its text still waits beside the table."""
    if last.version_before != version:
        return False
    try:
        return version_of(read_table(pending_path(table))) == last.version_after
    except (OSError, TableError):
        return False


def _changes(last: Entry, now: RouteTable, tables: TablesByVersion) -> Changes:
    try:
        before = tables.get(last.version_after) or parse_table(table_of(last))[0]
    except (TableError, ValueError):
        return Changes(other=("the whole file: the version before cannot be read",))
    return changes_between(before, now)
