"""The entries of a history: a chain in which no line can be changed, taken out or put in unseen. Pure.

A history that grew too long begins with a `Truncation`, which says what was dropped before its first entry.
An entry is one line of compact JSON. Its `hash` is the SHA-256 of that line with an empty `hash`, and its
`previous` is the hash of the entry before. Each holds the table's bytes, so that a revert is exact.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from proxy.config.reader import MAX_BYTES
from proxy.control.changes import Changes, RouteState

FOUND = "found"
BY_HAND = "edited by hand"
NOT_CARRIED_OUT = "not carried out"
"""The entry before it was written, and then the edit was cut short."""
ROLLBACK = "rollback"
UNKNOWN = "unknown"
VERSION_LENGTH = 12


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One change of a table, or the table as it was found."""

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
    """The bytes after the change: zlib, base64."""
    previous: str = ""
    hash: str = ""


class Truncation(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a history whose oldest entries were dropped."""

    begins_at: int
    """The number of the first entry that is left."""
    previous: str
    """The hash of the last one that was dropped."""


class NewEntry(Struct, frozen=True):
    """What an entry says, before it has a place in the chain."""

    who: str
    action: str
    changes: Changes
    text: bytes
    reason: str = ""


class HistoryScan(Struct, frozen=True):
    """A history as it was found."""

    entries: tuple[Entry, ...] = ()
    torn: tuple[int, ...] = ()
    """Numbers of lines that a crash cut short."""
    broken_at: int = 0
    """The first line that does not fit the chain; 0 for none."""
    fault: str = ""
    begins_at: int = 1
    """The number of the first entry; those before were dropped, because a history is bounded."""


def version_of(text: bytes) -> str:
    """The first 12 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(text).hexdigest()[:VERSION_LENGTH]


def chained(draft: NewEntry, last: Entry | None, now: float) -> Entry:
    """The entry that follows `last`. `now` as of `time.time()`."""
    entry = Entry(
        last.number + 1 if last is not None else 1,
        datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        draft.who,
        draft.action,
        draft.reason,
        last.version_after if last is not None else None,
        version_of(draft.text),
        draft.changes,
        base64.b64encode(zlib.compress(draft.text, 9)).decode(),
        last.hash if last is not None else "",
    )
    return replace(entry, hash=_hash(entry))


def _hash(entry: Entry) -> str:
    return hashlib.sha256(msgspec.json.encode(replace(entry, hash=""))).hexdigest()


def line_of(entry: Entry) -> bytes:
    """The entry as it stands in the file."""
    return msgspec.json.encode(entry) + b"\n"


def read_entry(line: bytes) -> Entry | None:
    """The entry of a line, right or not; None for what is none."""
    try:
        return msgspec.json.decode(line, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_beginning(line: bytes) -> Truncation | None:
    """The beginning that a line is; None for what is none."""
    try:
        return msgspec.json.decode(line, type=Truncation)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def first_number(start: bytes) -> int:
    """The number of the first entry of a history, by its first bytes."""
    beginning = read_beginning(start.partition(b"\n")[0])
    return 1 if beginning is None else beginning.begins_at


def table_of(entry: Entry) -> bytes:
    """The table's bytes after the change. Raises ValueError for an entry that somebody spoilt."""
    try:
        text = zlib.decompressobj().decompress(
            base64.b64decode(entry.table, validate=True), MAX_BYTES
        )
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if version_of(text) != entry.version_after:
        raise ValueError("the bytes do not have the version that the entry says")
    return text


# --- how long it gets -----------------------------------------------------------------------


class HistoryBounds(Struct, frozen=True):
    """How much is kept. A history grows by a quarter beyond this before it is shortened."""

    entries: int = 1_000
    size: int = 32 * 1024 * 1024
    """Bytes."""

    def passed_by(self, entries: int, size: int) -> bool:
        return 4 * entries > 5 * self.entries or 4 * size > 5 * self.size


def shortened(text: bytes, bounds: HistoryBounds) -> bytes:
    """The newest entries that are within the bounds, at least two of them; `text` itself if it is to stay.

    A history whose chain is broken stays as it is: it is evidence.
    """
    if read_history(text).broken_at:
        return text
    lines = [line for line in text.split(b"\n") if line]
    first, size, kept = len(lines), 0, 0
    for position in range(len(lines) - 1, -1, -1):
        if read_beginning(lines[position]) is not None:
            break
        size += len(lines[position]) + 1
        if kept >= 2 and (kept >= bounds.entries or size > bounds.size):
            break
        if read_entry(lines[position]) is not None:
            first, kept = position, kept + 1
    begins = read_entry(lines[first]) if kept else None
    if begins is None or begins.number == 1:
        return text
    beginning = msgspec.json.encode(Truncation(begins.number, begins.previous))
    return b"".join(line + b"\n" for line in (beginning, *lines[first:]))


# --- the chain ------------------------------------------------------------------------------

FROM_THE_FIRST = Truncation(1, "")


def read_history(text: bytes) -> HistoryScan:
    """Every entry, and the first place at which the chain does not hold."""
    entries: list[Entry] = []
    torn: list[int] = []
    broken_at, fault = 0, ""
    beginning = FROM_THE_FIRST
    for number, line in enumerate(text.split(b"\n"), 1):
        if not line:
            continue
        if number == 1 and (found_first := read_beginning(line)) is not None:
            beginning = found_first
            continue
        entry = read_entry(line)
        if entry is None and not line.rstrip().endswith(b"}"):
            torn.append(number)
            continue
        found = _fault(entry, line, entries[-1] if entries else beginning)
        if found and not broken_at:
            broken_at, fault = number, found
        if entry is not None:
            entries.append(entry)
    return HistoryScan(tuple(entries), tuple(torn), broken_at, fault, beginning.begins_at)


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
    """The entries of changes that took effect."""
    for position, entry in enumerate(entries):
        follower = entries[position + 1 : position + 2]
        cut_short = bool(follower) and follower[0].action == NOT_CARRIED_OUT
        if entry.action != NOT_CARRIED_OUT and not cut_short:
            yield entry


def earlier_state(entries: Sequence[Entry], route: str) -> RouteState | None:
    """The state that a rollback of the route brings back; None where none is recorded.

    An undo stack: a rollback takes off the change that it undid, so the next one goes further back.
    """
    stack: list[RouteState] = []
    for entry in carried_out(entries):
        for change in entry.changes.routes:
            if change.route != route:
                continue
            if change.before is None or change.after is None:
                stack.clear()
            elif entry.action == ROLLBACK:
                # What it undid may have been dropped from the history.
                del stack[-1:]
            else:
                stack.append(change.before)
    return stack[-1] if stack else None


def with_version(entries: Iterable[Entry], prefix: str) -> list[Entry]:
    """For each version that begins with `prefix`, the last entry that has it."""
    found = {
        entry.version_after: entry for entry in entries if entry.version_after.startswith(prefix)
    }
    return list(found.values())
