"""Memory shared by all processes of a facade: the counters and the status of each worker.

    SharedStats     one anonymous mapping, created before the first worker is forked
      SharedHealth    the states of endpoints, in a mapping of their own: written by one process, read by all
      WorkerStats     the part of one worker: written by that worker, read by all processes
        head            numbers with a fixed place (`StatField`)
        status          the worker's status as JSON, replaced whole
        names           the name of each set of counters, appended
        counters        `SET_SLOTS` numbers for each name; sums of seconds are floats
      SharedMirror    what copies of requests show, in a mapping of their own: written by the maker of copies

A number has eight bytes, is aligned and has one writer. So it needs no lock, and it survives the end of its
writer. A worker that replaces a dead one continues its counters.
"""

import mmap
import uuid
from collections.abc import Iterator
from enum import IntEnum

import msgspec
from msgspec import Struct

from proxy.telemetry.shared_block import CHECK_BYTES, checked, with_checksum
from proxy.telemetry.shared_health import SharedHealth
from proxy.telemetry.shared_text import SharedText

SET_SLOTS = 52
"""Counters of one set."""
_HEAD_SLOTS = 64
_HEAD_BYTES = _HEAD_SLOTS * 8
_STATUS_BYTES = 256 * 1024
_MIRROR_SETS = 4_096
_TEXT_BYTES = 16 * 1024 * 1024
_NAME_BYTES = 128
"""The average room for a name; longer names leave room for fewer sets."""

Name = tuple[str, ...]


class StatField(IntEnum):
    """The numbers in a worker's head.

    The supervisor writes the first three; STOPPING and ADMIN_UP are used in the first worker's head only.
    """

    RESTARTS = 0
    STOPPING = 1
    ADMIN_UP = 2
    HEARTBEAT_MS = 8
    """`time.monotonic()`, which is the same in all processes of a machine."""
    STATE = 9
    CONNECTIONS = 10
    SETS = 11
    NAMES_END = 12


class WorkerState(IntEnum):
    """The state of a worker's process."""

    DOWN = 0
    STARTING = 1
    SERVING = 2
    STOPPING = 3


class Connections(Struct, frozen=True, array_like=True):
    """The connections to one backend, as in `proxy.upstream.Stats`."""

    connections: int
    idle: int
    in_flight: int
    pending: int
    tolerated: dict[str, int] = {}
    """By the name of the deviation."""
    streams: int = 0
    tunnels: int = 0


class WorkerStatus(Struct, frozen=True):
    """The status that a worker publishes twice a second."""

    table: str = ""
    """The version of its table."""
    lag_s: float = 0.0
    """The largest delay of its event loop in the last 15 s."""
    log_dropped: int = 0
    cpu_s: float = 0.0
    resident_bytes: int = 0
    backends: dict[str, Connections] = {}


class WorkerStats:
    """The part of one worker. `max_sets` is the limit of its sets of counters."""

    def __init__(self, memory: memoryview, max_sets: int) -> None:
        self.max_sets = max_sets
        names_at = _HEAD_BYTES + _STATUS_BYTES
        counters_at = names_at + max_sets * _NAME_BYTES
        self.head = memory[:_HEAD_BYTES].cast("q")
        self._status = memory[_HEAD_BYTES:names_at]
        self._names = memory[names_at:counters_at]
        self.counters = memory[counters_at:].cast("q")
        self.seconds = memory[counters_at:].cast("d")
        self._read_names: list[Name] = []
        self._read_to = 0
        self._last_status = WorkerStatus()

    @staticmethod
    def size(max_sets: int) -> int:
        """In bytes."""
        return _HEAD_BYTES + _STATUS_BYTES + max_sets * (_NAME_BYTES + SET_SLOTS * 8)

    # --- written by the worker ------------------------------------------------------------------

    def begin(self) -> None:
        """Reset the numbers of the process; the counters continue those of the process before."""
        self.head[StatField.CONNECTIONS] = 0
        self.head[StatField.STATE] = WorkerState.STARTING
        self.publish(WorkerStatus())

    def add_set(self, name: Name) -> int | None:
        """Add a set of counters. Returns the offset of its first counter; None if the memory is full."""
        text = msgspec.json.encode(name)
        start, count = self.head[StatField.NAMES_END], self.head[StatField.SETS]
        end = start + CHECK_BYTES + len(text)
        if count >= self.max_sets or end > len(self._names):
            return None
        self._names[start:end] = with_checksum(text)
        self.head[StatField.NAMES_END] = end
        self.head[StatField.SETS] = count + 1
        return count * SET_SLOTS

    def publish(self, status: WorkerStatus) -> None:
        """Replace the status. One that is too long is published without its backends."""
        text = msgspec.json.encode(status)
        if len(text) + CHECK_BYTES > len(self._status):
            text = msgspec.json.encode(msgspec.structs.replace(status, backends={}))
        block = with_checksum(text)
        self._status[: len(block)] = block

    # --- read by all processes ------------------------------------------------------------------

    @property
    def state(self) -> int:
        return self.head[StatField.STATE]

    def names(self) -> list[Name]:
        """The names of all sets, in the order of their counters."""
        for _ in self.read_names():
            pass
        return self._read_names

    def read_names(self) -> Iterator[None]:
        """Read the names of new sets, each in a step of the iterator."""
        while len(self._read_names) < self.head[StatField.SETS]:
            text = checked(self._names[self._read_to :])
            if text is None:
                break  # It is being written; the next call finds it.
            self._read_names.append(tuple(msgspec.json.decode(text, type=list[str])))
            self._read_to += CHECK_BYTES + len(text)
            yield

    def status(self) -> WorkerStatus:
        """The last published status; while a new one is being written, the one before."""
        text = checked(self._status)
        if text is not None:
            self._last_status = msgspec.json.decode(text, type=WorkerStatus)
        return self._last_status


class SharedMirror:
    """What copies show: counters and the status of their maker, the parity of routes, and recorded cases.

    `file` is a descriptor that another process can map, too (`mirror_bytes`). Without it only forked processes can.
    """

    def __init__(self, file: int = -1) -> None:
        view = memoryview(mmap.mmap(file, mirror_bytes()))
        counted = WorkerStats.size(_MIRROR_SETS)
        self.stats = WorkerStats(view[:counted], _MIRROR_SETS)
        self.parity = SharedText(view[counted : counted + _TEXT_BYTES])
        self.cases = SharedText(view[counted + _TEXT_BYTES :])

    @property
    def is_up(self) -> bool:
        """Whether there is a mirror process, and it works."""
        return self.stats.state == WorkerState.SERVING


def mirror_bytes() -> int:
    """The size of the file for a `SharedMirror`. Pages that are never written take no memory."""
    return WorkerStats.size(_MIRROR_SETS) + 2 * _TEXT_BYTES


class SharedStats:
    """The parts of `workers` workers. Pages that are never written take no memory."""

    def __init__(
        self, workers: int = 1, max_sets: int = 16_384, mirror: SharedMirror | None = None
    ) -> None:
        size = WorkerStats.size(max_sets)
        self._memory = mmap.mmap(-1, size * workers)
        view = memoryview(self._memory)
        self.health = SharedHealth()
        self.replica = uuid.uuid4().hex
        """Names these counters: another facade, and this one after a restart, has another name."""
        self.mirror = mirror or SharedMirror()
        self.workers = tuple(
            WorkerStats(view[number * size : (number + 1) * size], max_sets)
            for number in range(workers)
        )

    def __iter__(self) -> Iterator[WorkerStats]:
        return iter(self.workers)

    def __len__(self) -> int:
        return len(self.workers)

    @property
    def stopping(self) -> bool:
        """Whether the supervisor is stopping the facade."""
        return bool(self.workers[0].head[StatField.STOPPING])

    @stopping.setter
    def stopping(self, value: bool) -> None:
        self.workers[0].head[StatField.STOPPING] = value

    @property
    def admin_up(self) -> bool:
        """Whether the admin listener accepts connections."""
        return bool(self.workers[0].head[StatField.ADMIN_UP])

    @admin_up.setter
    def admin_up(self, value: bool) -> None:
        self.workers[0].head[StatField.ADMIN_UP] = value

    @property
    def serving(self) -> int:
        """How many workers serve traffic."""
        return sum(worker.state == WorkerState.SERVING for worker in self.workers)
