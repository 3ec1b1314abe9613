"""Memory that all processes of a facade share: what each worker counts, and how it is.

    SharedStats     one anonymous mapping, made before the first worker is forked
      WorkerStats    one worker's: written by that worker alone, read by all
        head      numbers of fixed meaning (`StatField`)
        status    the worker's state as JSON, replaced whole
        names     what each set of counters is of, appended to
        counters  `SET_SLOTS` numbers for each name; those that are sums of seconds are floats

A number is eight bytes, aligned, and has one writer: it needs no lock, and what was written is there
whatever becomes of the writer. A worker that takes the place of a dead one counts on where that one ended.
"""

import mmap
import zlib
from collections.abc import Iterator
from enum import IntEnum

import msgspec
from msgspec import Struct

SET_SLOTS = 52
"""Counters of one set."""
_HEAD_SLOTS = 64
_HEAD_BYTES = _HEAD_SLOTS * 8
_STATUS_BYTES = 256 * 1024
_NAME_BYTES = 128
"""Room for a name on average; names longer than that make room for fewer."""
_LENGTH_AND_SUM = 8

Name = tuple[str, ...]


class StatField(IntEnum):
    """The numbers in a part's head. The first three are not the worker's own; two are in the first part alone."""

    RESTARTS = 0
    STOPPING = 1
    ADMIN_UP = 2
    HEARTBEAT_MS = 8
    """`time.monotonic()`, the same in all processes of a machine."""
    STATE = 9
    CONNECTIONS = 10
    SETS = 11
    NAMES_END = 12


class State(IntEnum):
    """Where a worker is in its life."""

    DOWN = 0
    STARTING = 1
    SERVING = 2
    STOPPING = 3


class Connections(Struct, frozen=True, array_like=True):
    """What the connections of one backend do, as `proxy.upstream.Stats` says."""

    connections: int
    idle: int
    in_flight: int
    pending: int
    tolerated: dict[str, int] = {}
    """By the name of the deviation."""
    streams: int = 0
    tunnels: int = 0


class Status(Struct, frozen=True):
    """A worker's state of some moment."""

    table: str = ""
    """The version in effect."""
    lag_s: float = 0.0
    """How late the event loop was, at worst, in the last quarter of a minute."""
    log_dropped: int = 0
    cpu_s: float = 0.0
    resident_bytes: int = 0
    backends: dict[str, Connections] = {}


class WorkerStats:
    """One worker's part of the board. `max_sets` bounds the sets of counters."""

    def __init__(self, memory: memoryview, max_sets: int) -> None:
        self.max_sets = max_sets
        names_at = _HEAD_BYTES + _STATUS_BYTES
        counters_at = names_at + max_sets * _NAME_BYTES
        self.head = memory[:_HEAD_BYTES].cast("q")
        self._status = memory[_HEAD_BYTES:names_at]
        self._names = memory[names_at:counters_at]
        self.counters = memory[counters_at:].cast("q")
        self.seconds = memory[counters_at:].cast("d")
        self._known: list[Name] = []
        self._read_to = 0
        self._last_status = Status()

    @staticmethod
    def size(max_sets: int) -> int:
        """In bytes."""
        return _HEAD_BYTES + _STATUS_BYTES + max_sets * (_NAME_BYTES + SET_SLOTS * 8)

    # --- the worker writes ----------------------------------------------------------------------

    def begin(self) -> None:
        """A worker starts: what its predecessor counted stays, what it was is over."""
        self.head[StatField.CONNECTIONS] = 0
        self.head[StatField.STATE] = State.STARTING
        self.publish(Status())

    def add_set(self, name: Name) -> int | None:
        """A new set of counters: where its first one is. None where there is no room for it."""
        text = msgspec.json.encode(name)
        at, count = self.head[StatField.NAMES_END], self.head[StatField.SETS]
        end = at + _LENGTH_AND_SUM + len(text)
        if count >= self.max_sets or end > len(self._names):
            return None
        self._names[at:end] = _sealed(text)
        self.head[StatField.NAMES_END] = end
        self.head[StatField.SETS] = count + 1
        return count * SET_SLOTS

    def publish(self, status: Status) -> None:
        """Replace the status. One that is too long is told without its backends."""
        text = msgspec.json.encode(status)
        if len(text) + _LENGTH_AND_SUM > len(self._status):
            text = msgspec.json.encode(msgspec.structs.replace(status, backends={}))
        sealed = _sealed(text)
        self._status[: len(sealed)] = sealed

    # --- all read -------------------------------------------------------------------------------

    @property
    def state(self) -> int:
        return self.head[StatField.STATE]

    def names(self) -> list[Name]:
        """Of all sets, in the order of their counters."""
        while len(self._known) < self.head[StatField.SETS]:
            text = _unsealed(self._names[self._read_to :])
            if text is None:
                break  # It is being written; the next look finds it.
            self._known.append(tuple(msgspec.json.decode(text, type=list[str])))
            self._read_to += _LENGTH_AND_SUM + len(text)
        return self._known

    def status(self) -> Status:
        """What was published last; what came before it while it is being written."""
        text = _unsealed(self._status)
        if text is not None:
            self._last_status = msgspec.json.decode(text, type=Status)
        return self._last_status


class SharedStats:
    """The parts of `workers` workers. Pages that nobody writes to cost nothing."""

    def __init__(self, workers: int = 1, max_sets: int = 16_384) -> None:
        size = WorkerStats.size(max_sets)
        self._memory = mmap.mmap(-1, size * workers)
        view = memoryview(self._memory)
        self.parts = tuple(
            WorkerStats(view[number * size : (number + 1) * size], max_sets)
            for number in range(workers)
        )

    def __iter__(self) -> Iterator[WorkerStats]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def stopping(self) -> bool:
        """The supervisor was told to stop."""
        return bool(self.parts[0].head[StatField.STOPPING])

    @stopping.setter
    def stopping(self, is_so: bool) -> None:
        self.parts[0].head[StatField.STOPPING] = is_so

    @property
    def admin_up(self) -> bool:
        """The admin listener accepts."""
        return bool(self.parts[0].head[StatField.ADMIN_UP])

    @admin_up.setter
    def admin_up(self, is_so: bool) -> None:
        self.parts[0].head[StatField.ADMIN_UP] = is_so

    @property
    def serving(self) -> int:
        """How many workers take traffic."""
        return sum(part.state == State.SERVING for part in self.parts)


def _sealed(text: bytes) -> bytes:
    """With its length and checksum in front, so that a reader can tell a half-written one."""
    return len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text


def _unsealed(memory: memoryview) -> bytes | None:
    length = int.from_bytes(memory[:4], "little")
    if length > len(memory) - _LENGTH_AND_SUM:
        return None
    text = bytes(memory[_LENGTH_AND_SUM : _LENGTH_AND_SUM + length])
    return text if text and zlib.crc32(text) == int.from_bytes(memory[4:8], "little") else None
