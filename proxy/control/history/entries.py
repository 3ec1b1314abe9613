"""The entries of a history: a hash chain, in which a changed, removed or inserted line is detected. Pure.

An entry is one line of compact JSON. Its `hash` is the SHA-256 of that line with an empty `hash`; its `previous` is
the hash of the entry before. It has the bytes of the table, so a revert is exact. A history whose oldest entries were
dropped begins with a `Truncation`.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from proxy.config.reader import MAX_BYTES
from proxy.control.changes import Changes, RouteState
from proxy.control.rollout_mark import RolloutMark

FOUND = "found"
BY_HAND = "edited by hand"
NOT_CARRIED_OUT = "not carried out"
"""The entry before it was written, but the edit was interrupted before the table was."""
ROLLBACK = "rollback"
UNKNOWN = "unknown"
VERSION_LENGTH = 12


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One change of a table, or the table with which the history begins."""

    number: int
    """From 1."""
    time: str
    """UTC, ISO 8601."""
    who: str
    action: str
    reason: str
    version_before: str | None
    version_after: str
    changes: Changes
    table: str
    """The bytes of the table after the change: zlib, base64."""
    previous: str = ""
    hash: str = ""
    rollout: RolloutMark | UnsetType = UNSET
    """How far a rollout has come with it. Entries without it are written as before there were rollouts."""


class Truncation(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a history whose oldest entries were dropped."""

    begins_at: int
    """The number of the first entry that was kept."""
    previous: str
    """The hash of the last entry that was dropped."""


class NewEntry(Struct, frozen=True):
    """The content of an entry that is not in the chain yet."""

    who: str
    action: str
    changes: Changes
    text: bytes
    reason: str = ""
    rollout: RolloutMark | None = None


class HistoryScan(Struct, frozen=True):
    """The result of reading a history."""

    entries: tuple[Entry, ...] = ()
    torn: tuple[int, ...] = ()
    """The numbers of lines that a crash cut short."""
    broken_at: int = 0
    """The number of the first line that breaks the chain; 0 if it is complete."""
    fault: str = ""
    """Why that line breaks the chain."""
    begins_at: int = 1
    """The number of the first entry; those before it were dropped."""


def version_of(text: bytes) -> str:
    """The first 12 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(text).hexdigest()[:VERSION_LENGTH]


def chained(new: NewEntry, last: Entry | None, now: float) -> Entry:
    """`new` as the entry after `last`. `now` is `time.time()`."""
    entry = Entry(
        last.number + 1 if last is not None else 1,
        datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        new.who,
        new.action,
        new.reason,
        last.version_after if last is not None else None,
        version_of(new.text),
        new.changes,
        base64.b64encode(zlib.compress(new.text)).decode(),
        last.hash if last is not None else "",
        rollout=UNSET if new.rollout is None else new.rollout,
    )
    return replace(entry, hash=_hash(entry))


def _hash(entry: Entry) -> str:
    return hashlib.sha256(msgspec.json.encode(replace(entry, hash=""))).hexdigest()


def line_of(entry: Entry) -> bytes:
    """The entry as a line of the file."""
    return msgspec.json.encode(entry) + b"\n"


def read_entry(line: bytes) -> Entry | None:
    """The entry in a line, whether its hash is correct or not; None for another line."""
    try:
        return msgspec.json.decode(line, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_truncation(line: bytes) -> Truncation | None:
    """The truncation in a line; None for another line."""
    try:
        return msgspec.json.decode(line, type=Truncation)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def first_number(start: bytes) -> int:
    """The number of the first entry of a history that begins with `start`."""
    truncation = read_truncation(start.partition(b"\n")[0])
    return 1 if truncation is None else truncation.begins_at


def table_of(entry: Entry) -> bytes:
    """The bytes of the table after the change. Raises ValueError for a damaged entry."""
    try:
        text = zlib.decompressobj().decompress(
            base64.b64decode(entry.table, validate=True), MAX_BYTES
        )
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if version_of(text) != entry.version_after:
        raise ValueError("the bytes do not have the version that the entry says")
    return text


# --- bounds ---------------------------------------------------------------------------------


class HistoryBounds(Struct, frozen=True):
    """How much of a history is kept. It is shortened once it exceeds a bound by a quarter."""

    entries: int = 1_000
    size: int = 32 * 1024 * 1024
    """Bytes."""

    def passed_by(self, entries: int, size: int) -> bool:
        return 4 * entries > 5 * self.entries or 4 * size > 5 * self.size


def shortened(text: bytes, bounds: HistoryBounds) -> bytes:
    """The history with the newest entries only: as many as the bounds allow, and at least two.

    A history with a broken chain is returned unchanged: it is evidence.
    """
    if read_history(text).broken_at:
        return text
    lines = [line for line in text.split(b"\n") if line]
    first, size, kept = len(lines), 0, 0
    for position in range(len(lines) - 1, -1, -1):
        if read_truncation(lines[position]) is not None:
            break
        size += len(lines[position]) + 1
        if kept >= 2 and (kept >= bounds.entries or size > bounds.size):
            break
        if read_entry(lines[position]) is not None:
            first, kept = position, kept + 1
    oldest = read_entry(lines[first]) if kept else None
    if oldest is None or oldest.number == 1:
        return text
    truncation = msgspec.json.encode(Truncation(oldest.number, oldest.previous))
    return b"".join(line + b"\n" for line in (truncation, *lines[first:]))


# --- the chain ------------------------------------------------------------------------------

_NOT_TRUNCATED = Truncation(1, "")


def read_history(text: bytes) -> HistoryScan:
    """All entries, and the first line that breaks the chain."""
    entries: list[Entry] = []
    torn: list[int] = []
    broken_at, fault = 0, ""
    truncation = _NOT_TRUNCATED
    for number, line in enumerate(text.split(b"\n"), 1):
        if not line:
            continue
        if number == 1 and (first := read_truncation(line)) is not None:
            truncation = first
            continue
        entry = read_entry(line)
        if entry is None and not line.rstrip().endswith(b"}"):
            torn.append(number)
            continue
        line_fault = _fault(entry, line, entries[-1] if entries else truncation)
        if line_fault and not broken_at:
            broken_at, fault = number, line_fault
        if entry is not None:
            entries.append(entry)
    return HistoryScan(tuple(entries), tuple(torn), broken_at, fault, truncation.begins_at)


def _fault(entry: Entry | None, line: bytes, last: Entry | Truncation) -> str:
    if entry is None:
        return "it is no entry of a history"
    if line + b"\n" != line_of(entry) or entry.hash != _hash(entry):
        return "it was changed after it was written"
    if isinstance(last, Truncation):
        fits = (entry.number, entry.previous) == (last.begins_at, last.previous)
        return "" if fits else "entries before it are missing"
    if entry.previous != last.hash or entry.number != last.number + 1:
        return "it does not follow the entry above: entries were taken out, put in or moved"
    return ""


def carried_out(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries whose changes took effect."""
    for position, entry in enumerate(entries):
        next_entry = entries[position + 1 : position + 2]
        interrupted = bool(next_entry) and next_entry[0].action == NOT_CARRIED_OUT
        if entry.action != NOT_CARRIED_OUT and not interrupted:
            yield entry


def earlier_state(entries: Sequence[Entry], route: str) -> RouteState | None:
    """The state that a rollback of the route restores; None if none is recorded.

    Changes are an undo stack: a rollback removes the change that it undoes, so the next one goes further back.
    """
    undo_stack: list[RouteState] = []
    for entry in carried_out(entries):
        for change in entry.changes.routes:
            if change.route != route:
                continue
            if change.before is None or change.after is None:
                undo_stack.clear()
            elif entry.action == ROLLBACK:
                # The stack may be empty: the change may have been dropped from the history.
                del undo_stack[-1:]
            else:
                undo_stack.append(change.before)
    return undo_stack[-1] if undo_stack else None


def with_version(entries: Iterable[Entry], prefix: str) -> list[Entry]:
    """The last entry of each version that begins with `prefix`."""
    by_version = {
        entry.version_after: entry for entry in entries if entry.version_after.startswith(prefix)
    }
    return list(by_version.values())
