"""One edit of a table from beginning to end: lock, look, change, write, record.

The order makes every moment safe to die in. The new text waits beside the table, then its entry goes into
the history, then it takes the table's place. Who is killed before the entry changed nothing; who is
killed after it leaves an entry and a waiting text, and the next one to look says "not carried out".
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from proxy.control.atomic_file import check_writable, replacement, resolve_links
from proxy.control.changes import Changes, changes_between, sentences
from proxy.control.edits.operations import EditedTable, ParsedTable, parsed_table
from proxy.control.history.entries import (
    FOUND,
    NOT_CARRIED_OUT,
    UNKNOWN,
    Entry,
    NewEntry,
    chained,
    version_of,
)
from proxy.control.history.file import (
    HistoryFile,
    ObservedTable,
    load_history,
    missed_change,
    open_history,
)
from proxy.control.table_file import read_table
from proxy.errors import EditError, TableError

_WAIT_S = 60.0
"""An edit of 10,000 routes takes some seconds, and several may stand in line."""


class EditRequest(Struct, frozen=True):
    """What an edit is recorded with, and under which conditions it is made."""

    action: str
    who: str
    now: float
    """`time.time()`."""
    reason: str = ""
    if_version: str = ""
    dry_run: bool = False
    unrecorded: bool = False
    """Better an edit without a record than none: the kill switch."""


class EditInput(Struct, frozen=True):
    """What an edit finds."""

    path: Path
    text: bytes
    parsed: ParsedTable | None
    fault: TableError | None
    pending: Entry | None = None
    """What a dry run did not write into the history."""

    def require_table(self) -> ParsedTable:
        """The table. Raises EditError if the file does not load."""
        if self.parsed is None:
            raise EditError(f"the table does not load, and nothing was written:\n{self.fault}")
        return self.parsed

    def entries(self) -> tuple[Entry, ...]:
        """The history up to the table as it is. Raises OSError."""
        entries = load_history(self.path).entries
        return entries if self.pending is None else (*entries, self.pending)


class EditResult(Struct, frozen=True):
    """How an edit ended."""

    before: bytes
    after: bytes
    changes: Changes
    written: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after


Edit = Callable[[EditInput], EditedTable | None]


def perform(path: Path, note: EditRequest, make: Edit) -> EditResult:
    """Make an edit and write it. Raises FacadeError or OSError, and then nothing was written."""
    table = resolve_links(path)
    if note.dry_run:
        return _rehearsed(_situation(table, path), note, make)
    check_writable(table)
    with ExitStack() as stack:
        warnings: list[str] = []
        log: HistoryFile | None = None
        try:
            log = stack.enter_context(open_history(table, _WAIT_S))
        except EditError as error:
            if not note.unrecorded:
                raise
            warnings.append(f"not recorded in the history: {error}")
        situation = _situation(table, path)
        if log is not None:
            warnings += _catch_up(log, situation, note)
        done = _perform(log, situation, note, make)
        return replace(done, warnings=(*warnings, *done.warnings))


def _situation(table: Path, shown: Path) -> EditInput:
    text = read_table(table)
    try:
        return EditInput(table, text, parsed_table(text, str(shown)), None)
    except TableError as error:
        return EditInput(table, text, None, error)


def _catch_up(log: HistoryFile, situation: EditInput, note: EditRequest) -> list[str]:
    """Record what happened since the last edit; what an operator should hear of it."""
    said = []
    if log.torn:
        said.append("the last line of the history was cut short by a crash; it stays as it is")
    if situation.parsed is None:
        return said
    try:
        draft = log.record_missed_change(_sight(situation, situation.parsed), note.now)
    except EditError as error:
        if not note.unrecorded:
            raise
        return [*said, f"not recorded in the history: {error}"]
    if draft is not None and draft.action != FOUND:
        words = "; ".join(sentences(draft.changes))
        said.append(f"recorded first, as {draft.action}: {words}")
    return said


def _sight(situation: EditInput, parsed: ParsedTable) -> ObservedTable:
    return ObservedTable(situation.path, situation.text, {version_of(situation.text): parsed.table})


def _rehearsed(situation: EditInput, note: EditRequest, make: Edit) -> EditResult:
    entries = load_history(situation.path).entries
    last = entries[-1] if entries else None
    if situation.parsed is not None:
        draft = missed_change(last, _sight(situation, situation.parsed))
        if draft is not None:
            situation = replace(situation, pending=chained(draft, last, note.now))
    edited = _made(situation, note, make)
    if edited is None:
        return EditResult(situation.text, situation.text, Changes())
    return EditResult(situation.text, edited.text, edited.changes)


def _made(situation: EditInput, note: EditRequest, make: Edit) -> EditedTable | None:
    version = version_of(situation.text)
    if note.if_version and not version.startswith(note.if_version.lower()):
        raise EditError(
            f"{situation.path.name} is at version {version}, not {note.if_version}: look at what changed "
            "(`facade history`), then run it again"
        )
    return make(situation)


def _perform(
    log: HistoryFile | None, situation: EditInput, note: EditRequest, make: Edit
) -> EditResult:
    edited = _made(situation, note, make)
    if edited is None:
        return EditResult(situation.text, situation.text, Changes())
    draft = NewEntry(note.who, note.action, edited.changes, edited.text, note.reason)
    warnings: list[str] = []
    if edited.table.kill_switch and edited.changes.routes:
        warnings.append("the kill switch is on: until it is off, no route with a stage moves")
    with replacement(situation.path, edited.text) as commit:
        _refuse_changed(situation)
        if log is not None and not _recorded(log, draft, note, warnings):
            log = None
        try:
            # Whoever saves by hand takes no lock: look as late as can be.
            _refuse_changed(situation)
            commit()
        except BaseException:
            if log is not None and read_table(situation.path) != edited.text:
                log.append(_undone(situation, edited), note.now)
            raise
    return EditResult(situation.text, edited.text, edited.changes, True, tuple(warnings))


def _recorded(log: HistoryFile, draft: NewEntry, note: EditRequest, warnings: list[str]) -> bool:
    try:
        log.append(draft, note.now)
    except EditError as error:
        if not note.unrecorded:
            raise
        warnings.append(f"not recorded in the history: {error}")
        return False
    return True


def _undone(situation: EditInput, edited: EditedTable) -> NewEntry:
    """The entry for an edit whose own entry was written, and whose text was not."""
    back = Changes(other=("nothing: the table stays as it was",))
    if situation.parsed is not None:
        back = changes_between(edited.table, situation.parsed.table)
    return NewEntry(UNKNOWN, NOT_CARRIED_OUT, back, situation.text)


def _refuse_changed(situation: EditInput) -> None:
    if read_table(situation.path) != situation.text:
        raise EditError(
            f"{situation.path.name} changed while you edited; nothing was written, run it again"
        )
