"""Counts requests, at about a microsecond each, where every process of the facade can read it.

One set of counters for each (route, backend, status, reason): found by one look into a dict, then added to.
The number of requests is the sum of a set's buckets. What the counters mean to Prometheus is in `metrics`.
"""

from bisect import bisect_left
from enum import IntEnum

from msgspec import Struct

from proxy.telemetry.request_record import Record
from proxy.telemetry.shared_memory import SET_SLOTS, Name, StatField, WorkerStats

BOUNDS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Upper ends of the histograms' buckets; one more bucket has no end."""
BUCKETS = len(BOUNDS_S) + 1
_KINDS = 64
OTHER = "other"


class At(IntEnum):
    """Where in a set what is counted. Attempts are one a request but for what is counted here."""

    DURATION = 0
    FIRST_BYTE = BUCKETS
    DURATION_S = 2 * BUCKETS
    FIRST_BYTE_S = 2 * BUCKETS + 1
    RECEIVED = 2 * BUCKETS + 2
    SENT = 2 * BUCKETS + 3
    MORE_ATTEMPTS = 2 * BUCKETS + 4
    AT_ONCE = 2 * BUCKETS + 5
    """Of requests whose first byte was their end: both durations are this one."""
    AT_ONCE_S = 3 * BUCKETS + 5


# An attribute of an enumeration costs as much as a counter.
_FIRST_BYTE = int(At.FIRST_BYTE)
_DURATION_S = int(At.DURATION_S)
_FIRST_BYTE_S = int(At.FIRST_BYTE_S)
_RECEIVED = int(At.RECEIVED)
_SENT = int(At.SENT)
_MORE_ATTEMPTS = int(At.MORE_ATTEMPTS)
_AT_ONCE = int(At.AT_ONCE)
_AT_ONCE_S = int(At.AT_ONCE_S)


class CountedRoute(Struct, frozen=True, eq=False):
    """The labels of usual requests that share all but their status, and where each status is counted."""

    route: str
    backend: str
    reason: str
    places: dict[int, int] = {}


class RequestCounters:
    """The counters of one worker: the only writer of its part of the board.

    Labels are bounded: past the part's room, a request counts as route, backend and reason `other`,
    with the class of its status (`5xx`).
    """

    def __init__(self, part: WorkerStats) -> None:
        self._head = part.head
        self._counters = part.counters
        self._seconds = part.seconds
        self._part = part
        self._bases: dict[tuple[str, str, int, str], int] = {}
        self._overflow: dict[Name, int] = {}
        self._kinds: dict[str, int] = {}
        self._take_over()
        part.begin()

    def note(self, record: Record) -> None:
        """A request is over. Call it once, when the record is complete."""
        at = self._set_of(record)
        counters, seconds = self._counters, self._seconds
        total_s, first_s = record.total_s, record.first_byte_s
        bucket = bisect_left(BOUNDS_S, total_s)
        if first_s == total_s:
            counters[at + _AT_ONCE + bucket] += 1
            seconds[at + _AT_ONCE_S] += total_s
        else:
            counters[at + bucket] += 1
            seconds[at + _DURATION_S] += total_s
            if first_s is not None:
                counters[at + _FIRST_BYTE + bisect_left(BOUNDS_S, first_s)] += 1
                seconds[at + _FIRST_BYTE_S] += first_s
        if record.sent_bytes:
            counters[at + _SENT] += record.sent_bytes
        if record.received_bytes:
            counters[at + _RECEIVED] += record.received_bytes
        if record.attempts != 1:
            counters[at + _MORE_ATTEMPTS] += record.attempts - 1

    def _set_of(self, record: Record) -> int:
        route, decision, error = record.route, record.decision, record.error
        ref = decision.ref if decision is not None else None
        word = error if error is not None else decision
        key = (
            route.name if route is not None else "-",
            ref.backend if ref is not None else "-",
            record.status,
            word.reason if word is not None else "-",
        )
        at = self._bases.get(key)
        return self._new_set(key) if at is None else at

    def note_usual(
        self,
        labels: CountedRoute,
        status: int,
        received_bytes: int,
        sent_bytes: int,
        total_s: float,
    ) -> None:
        """A usual request is over: sent once, its response complete with its first byte."""
        at = labels.places.get(status)
        if at is None:
            key = (labels.route, labels.backend, status, labels.reason)
            at = self._bases.get(key)
            if at is None:
                at = self._new_set(key)
            labels.places[status] = at
        counters = self._counters
        counters[at + _AT_ONCE + bisect_left(BOUNDS_S, total_s)] += 1
        self._seconds[at + _AT_ONCE_S] += total_s
        if sent_bytes:
            counters[at + _SENT] += sent_bytes
        if received_bytes:
            counters[at + _RECEIVED] += received_bytes

    def connections(self, delta: int) -> None:
        """A client connection came (1) or went (-1)."""
        self._head[StatField.CONNECTIONS] += delta

    def refused(self, kind: str) -> None:
        """Something was refused before there was a request. `kind` is the error's word."""
        at = self._kinds.get(kind)
        if at is None:
            at = self._new_kind(kind)
        self._counters[at] += 1

    def _take_over(self) -> None:
        """Count on where a predecessor ended. The room for what overflows is had before anything else."""
        overflow: list[Name] = [(OTHER, OTHER, f"{number}xx", OTHER) for number in range(10)]
        for number, name in enumerate(self._part.names()):
            at = number * SET_SLOTS
            if name in overflow:
                self._overflow[name] = at
            elif len(name) == 1:
                self._kinds[name[0]] = at
            else:
                route, backend, status, reason = name
                self._bases[(route, backend, int(status), reason)] = at
        for name in overflow:
            if name not in self._overflow:
                self._overflow[name] = self._added(name)
        if OTHER not in self._kinds:
            self._kinds[OTHER] = self._added((OTHER,))

    def _added(self, name: Name) -> int:
        at = self._part.add_set(name)
        if at is None:
            raise ValueError("the board is too small for any counter")
        return at

    def _new_set(self, key: tuple[str, str, int, str]) -> int:
        route, backend, status, reason = key
        at = self._part.add_set((route, backend, str(status), reason))
        if at is None:
            # Not kept: what does not fit must not grow the dict either.
            return self._overflow[(OTHER, OTHER, f"{min(status // 100, 9)}xx", OTHER)]
        self._bases[key] = at
        return at

    def _new_kind(self, kind: str) -> int:
        at = self._part.add_set((kind,)) if len(self._kinds) < _KINDS else None
        if at is None:
            return self._kinds[OTHER]
        self._kinds[kind] = at
        return at
