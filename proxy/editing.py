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

from proxy.changes import Changes, changes_between, sentences
from proxy.edit import Edited, Opened, open_table
from proxy.errors import TableError
from proxy.history import Log, Sight, missing, open_log, read_bytes, read_log
from proxy.ledger import FOUND, NOT_CARRIED_OUT, UNKNOWN, Draft, Entry, sealed, version_of
from proxy.rewrite_file import prepared, refuse_read_only, resolved
from proxy.yaml_nodes import EditError

_WAIT_S = 60.0
"""An edit of 10,000 routes takes some seconds, and several may stand in line."""


class Note(Struct, frozen=True):
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


class Situation(Struct, frozen=True):
    """What an edit finds."""

    path: Path
    text: bytes
    opened: Opened | None
    fault: TableError | None
    pending: Entry | None = None
    """What a dry run did not write into the history."""

    def need(self) -> Opened:
        """The table. Raises EditError if the file does not load."""
        if self.opened is None:
            raise EditError(f"the table does not load, and nothing was written:\n{self.fault}")
        return self.opened

    def entries(self) -> tuple[Entry, ...]:
        """The history up to the table as it is. Raises OSError."""
        entries = read_log(self.path).entries
        return entries if self.pending is None else (*entries, self.pending)


class Done(Struct, frozen=True):
    """How an edit ended."""

    before: bytes
    after: bytes
    changes: Changes
    written: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after


Make = Callable[[Situation], Edited | None]


def perform(path: Path, note: Note, make: Make) -> Done:
    """Make an edit and write it. Raises FacadeError or OSError, and then nothing was written."""
    table = resolved(path)
    if note.dry_run:
        return _rehearsed(_situation(table, path), note, make)
    refuse_read_only(table)
    with ExitStack() as stack:
        warnings: list[str] = []
        log: Log | None = None
        try:
            log = stack.enter_context(open_log(table, _WAIT_S))
        except EditError as error:
            if not note.unrecorded:
                raise
            warnings.append(f"not recorded in the history: {error}")
        situation = _situation(table, path)
        if log is not None:
            warnings += _catch_up(log, situation, note)
        done = _perform(log, situation, note, make)
        return replace(done, warnings=(*warnings, *done.warnings))


def _situation(table: Path, shown: Path) -> Situation:
    text = read_bytes(table)
    try:
        return Situation(table, text, open_table(text, str(shown)), None)
    except TableError as error:
        return Situation(table, text, None, error)


def _catch_up(log: Log, situation: Situation, note: Note) -> list[str]:
    """Record what happened since the last edit; what an operator should hear of it."""
    said = []
    if log.torn:
        said.append("the last line of the history was cut short by a crash; it stays as it is")
    if situation.opened is None:
        return said
    try:
        draft = log.catch_up(_sight(situation, situation.opened), note.now)
    except EditError as error:
        if not note.unrecorded:
            raise
        return [*said, f"not recorded in the history: {error}"]
    if draft is not None and draft.action != FOUND:
        words = "; ".join(sentences(draft.changes))
        said.append(f"recorded first, as {draft.action}: {words}")
    return said


def _sight(situation: Situation, opened: Opened) -> Sight:
    return Sight(situation.path, situation.text, {version_of(situation.text): opened.table})


def _rehearsed(situation: Situation, note: Note, make: Make) -> Done:
    entries = read_log(situation.path).entries
    last = entries[-1] if entries else None
    if situation.opened is not None:
        draft = missing(last, _sight(situation, situation.opened))
        if draft is not None:
            situation = replace(situation, pending=sealed(draft, last, note.now))
    edited = _made(situation, note, make)
    if edited is None:
        return Done(situation.text, situation.text, Changes())
    return Done(situation.text, edited.text, edited.changes)


def _made(situation: Situation, note: Note, make: Make) -> Edited | None:
    version = version_of(situation.text)
    if note.if_version and not version.startswith(note.if_version.lower()):
        raise EditError(
            f"{situation.path.name} is at version {version}, not {note.if_version}: look at what changed "
            "(`facade history`), then run it again"
        )
    return make(situation)


def _perform(log: Log | None, situation: Situation, note: Note, make: Make) -> Done:
    edited = _made(situation, note, make)
    if edited is None:
        return Done(situation.text, situation.text, Changes())
    draft = Draft(note.who, note.action, edited.changes, edited.text, note.reason)
    warnings: list[str] = []
    if edited.table.kill_switch and edited.changes.routes:
        warnings.append("the kill switch is on: until it is off, no route with a stage moves")
    with prepared(situation.path, edited.text) as put:
        _refuse_changed(situation)
        if log is not None and not _recorded(log, draft, note, warnings):
            log = None
        try:
            # Whoever saves by hand takes no lock: look as late as can be.
            _refuse_changed(situation)
            put()
        except BaseException:
            if log is not None and read_bytes(situation.path) != edited.text:
                log.append(_undone(situation, edited), note.now)
            raise
    return Done(situation.text, edited.text, edited.changes, True, tuple(warnings))


def _recorded(log: Log, draft: Draft, note: Note, warnings: list[str]) -> bool:
    try:
        log.append(draft, note.now)
    except EditError as error:
        if not note.unrecorded:
            raise
        warnings.append(f"not recorded in the history: {error}")
        return False
    return True


def _undone(situation: Situation, edited: Edited) -> Draft:
    """The entry for an edit whose own entry was written, and whose text was not."""
    back = Changes(other=("nothing: the table stays as it was",))
    if situation.opened is not None:
        back = changes_between(edited.table, situation.opened.table)
    return Draft(UNKNOWN, NOT_CARRIED_OUT, back, situation.text)


def _refuse_changed(situation: Situation) -> None:
    if read_bytes(situation.path) != situation.text:
        raise EditError(
            f"{situation.path.name} changed while you edited; nothing was written, run it again"
        )
