"""One edit of a table from beginning to end: lock, read, edit, record, replace.

The order makes a crash safe at every step. The new text is written to a pending file, then the entry to the history,
then the pending file replaces the table. A crash before the entry changes nothing. A crash after it leaves an entry
and a pending file, and the next process that reads the history adds the entry "not carried out".
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from proxy.config.separate import NotCertain
from proxy.control.atomic_file import check_writable, replacement, resolve_links
from proxy.control.changes import Changes, reversed_changes, sentences
from proxy.control.checked_file import checked_nodes, program_hash, remember_checked
from proxy.control.edits.editable import EditableTable, EditedTable
from proxy.control.edits.separate_route import SeparateRoute, separate_route
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
from proxy.control.table_bytes import read_table
from proxy.errors import EditError, TableError

if TYPE_CHECKING:
    from proxy.control.edits.parsed_table import ParsedTable

NOT_RECORDED = "not recorded in the history"
_LOCK_WAIT_S = 60.0
"""An edit of 10,000 routes may take a second, and several edits may wait for the lock."""


class EditRequest(Struct, frozen=True):
    """Who edits, why, and under which conditions."""

    action: str
    who: str
    now: float
    """`time.time()`."""
    reason: str = ""
    if_version: str = ""
    """Refuse the edit unless the table's version begins with this."""
    dry_run: bool = False
    may_skip_history: bool = False
    """Make the edit even if it cannot be recorded. For the kill switch."""
    route: str = ""
    """The only route that the edit looks at, if there is one."""


class EditInput(Struct, frozen=True):
    """The table that is edited, and its history."""

    path: Path
    text: bytes
    program: str = ""
    """What checked it (`checked_file.program_hash`)."""
    parsed: "ParsedTable | None" = None
    """None if the text does not load, and if one route of it is enough."""
    separate: SeparateRoute | None = None
    """The route that the edit looks at, in a text that was checked before."""
    error: TableError | None = None
    missed: Entry | None = None
    """In a dry run: the entry that an edit would record first."""

    def require_table(self) -> EditableTable:
        """The table. Raises EditError if the file does not load."""
        table = self.separate or self.parsed
        if table is None:
            raise EditError(f"the table does not load, and nothing was written:\n{self.error}")
        return table

    def entries(self) -> tuple[Entry, ...]:
        """The history, up to the current table. Raises OSError."""
        entries = load_history(self.path).entries
        return entries if self.missed is None else (*entries, self.missed)


class EditResult(Struct, frozen=True):
    """The text before and after an edit, and whether it was written."""

    before: bytes
    after: bytes
    changes: Changes
    written: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after


Edit = Callable[[EditInput], EditedTable | None]
"""Returns None if the table does not have to change. Raises EditError."""


def perform(path: Path, request: EditRequest, edit: Edit) -> EditResult:
    """Make an edit and write it. Raises FacadeError or OSError; nothing was written then."""
    table = resolve_links(path)
    if request.dry_run:
        return _dry_run(_whole_input(table, path, read_table(table)), request, edit)
    check_writable(table)
    with ExitStack() as stack:
        warnings: list[str] = []
        history: HistoryFile | None = None
        try:
            history = stack.enter_context(open_history(table, _LOCK_WAIT_S))
        except EditError as error:
            if not request.may_skip_history:
                raise
            warnings.append(f"{NOT_RECORDED}: {error}")
        edit_input = _read_input(table, path, request, history)
        if history is not None:
            warnings += _record_missed(history, edit_input, request)
        try:
            result = _write_edit(history, edit_input, request, edit)
        except NotCertain:
            edit_input = _whole_input(table, path, edit_input.text, edit_input.program)
            result = _write_edit(history, edit_input, request, edit)
        return replace(result, warnings=(*warnings, *result.warnings))


def _read_input(
    table: Path, shown: Path, request: EditRequest, history: HistoryFile | None
) -> EditInput:
    """The route that the edit looks at, if that is enough. `shown` is the path that error messages name."""
    text, program = read_table(table), program_hash()
    if request.route and history is not None and history.has(text):
        nodes = checked_nodes(table, text, program)
        if nodes is not None:
            route = separate_route(text, str(shown), request.route, nodes)
            if route is not None:
                return EditInput(table, text, program, separate=route)
    return _whole_input(table, shown, text, program)


def _whole_input(table: Path, shown: Path, text: bytes, program: str = "") -> EditInput:
    # Imported here: pydantic and the documents take 250 ms to import (ADR 26).
    from proxy.control.edits.parsed_table import parsed_table

    try:
        return EditInput(table, text, program, parsed_table(text, str(shown)))
    except TableError as error:
        return EditInput(table, text, program, error=error)


def _record_missed(history: HistoryFile, edit_input: EditInput, request: EditRequest) -> list[str]:
    """Record a change since the last entry. Returns warnings for the operator."""
    warnings = []
    if history.torn:
        warnings.append("the last line of the history was cut short by a crash; it stays as it is")
    if edit_input.parsed is None:
        return warnings
    try:
        entry = history.record_missed_change(_observed(edit_input, edit_input.parsed), request.now)
    except EditError as error:
        if not request.may_skip_history:
            raise
        return [*warnings, f"{NOT_RECORDED}: {error}"]
    if entry is not None and entry.action != FOUND:
        warnings.append(f"recorded first, as {entry.action}: {'; '.join(sentences(entry.changes))}")
    return warnings


def _observed(edit_input: EditInput, parsed: "ParsedTable") -> ObservedTable:
    return ObservedTable(
        edit_input.path, edit_input.text, {version_of(edit_input.text): parsed.table}
    )


def _dry_run(edit_input: EditInput, request: EditRequest, edit: Edit) -> EditResult:
    entries = load_history(edit_input.path).entries
    last = entries[-1] if entries else None
    if edit_input.parsed is not None:
        missed = missed_change(last, _observed(edit_input, edit_input.parsed))
        if missed is not None:
            edit_input = replace(edit_input, missed=chained(missed, last, request.now))
    edited = _edited(edit_input, request, edit)
    if edited is None:
        return EditResult(edit_input.text, edit_input.text, Changes())
    return EditResult(edit_input.text, edited.text, edited.changes)


def _edited(edit_input: EditInput, request: EditRequest, edit: Edit) -> EditedTable | None:
    version = version_of(edit_input.text)
    if request.if_version and not version.startswith(request.if_version.lower()):
        raise EditError(
            f"{edit_input.path.name} is at version {version}, not {request.if_version}: look at what changed "
            "(`facade history`), then run it again"
        )
    return edit(edit_input)


def _write_edit(
    history: HistoryFile | None, edit_input: EditInput, request: EditRequest, edit: Edit
) -> EditResult:
    edited = _edited(edit_input, request, edit)
    if edited is None:
        return EditResult(edit_input.text, edit_input.text, Changes())
    entry = NewEntry(
        request.who, request.action, edited.changes, edited.text, request.reason, edited.mark
    )
    warnings: list[str] = []
    if edited.text == edit_input.text:
        return _write_mark(history, edit_input, request, entry)
    if edited.kill_switch and edited.changes.routes:
        warnings.append("the kill switch is on: until it is off, no route with a stage moves")
    with replacement(edit_input.path, edited.text) as commit:
        _refuse_changed(edit_input)
        if history is not None and not _recorded(history, entry, request, warnings):
            history = None
        try:
            # An editor takes no lock. This check is as late as possible: a save may have come since the first one.
            _refuse_changed(edit_input)
            commit()
        except BaseException:
            if history is not None and read_table(edit_input.path) != edited.text:
                history.append(_not_carried_out(edit_input, edited), request.now)
            raise
    remember_checked(edit_input.path, edited.text, edited.nodes, edit_input.program)
    return EditResult(edit_input.text, edited.text, edited.changes, True, tuple(warnings))


def _write_mark(
    history: HistoryFile | None, edit_input: EditInput, request: EditRequest, entry: NewEntry
) -> EditResult:
    """Record an event that does not change the table."""
    warnings: list[str] = []
    _refuse_changed(edit_input)
    if history is not None and entry.rollout is not None:
        _recorded(history, entry, request, warnings)
    return EditResult(edit_input.text, entry.text, entry.changes, False, tuple(warnings))


def _recorded(
    history: HistoryFile, entry: NewEntry, request: EditRequest, warnings: list[str]
) -> bool:
    try:
        history.append(entry, request.now)
    except EditError as error:
        if not request.may_skip_history:
            raise
        warnings.append(f"{NOT_RECORDED}: {error}")
        return False
    return True


def _not_carried_out(edit_input: EditInput, edited: EditedTable) -> NewEntry:
    """The entry after an edit that was recorded, but not written."""
    reverted = reversed_changes(edited.changes)
    if edit_input.error is not None:
        reverted = Changes(other=("nothing: the table stays as it was",))
    return NewEntry(UNKNOWN, NOT_CARRIED_OUT, reverted, edit_input.text)


def _refuse_changed(edit_input: EditInput) -> None:
    if read_table(edit_input.path) != edit_input.text:
        raise EditError(
            f"{edit_input.path.name} changed while you edited; nothing was written, run it again"
        )
