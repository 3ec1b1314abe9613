"""Counters of requests, in shared memory. Counting one request takes about a microsecond.

There is one set of counters for each (route, backend, status, reason). Its offset is found in a dict; the rest is
addition. The number of requests is the sum of the buckets of a set. `prometheus` turns the counters into metrics.
"""

from bisect import bisect_left
from enum import IntEnum
from typing import Literal

from msgspec import Struct

from proxy.model import Decision
from proxy.telemetry.request_record import Record
from proxy.telemetry.route_figures import RouteFigures, is_watched
from proxy.telemetry.shared_memory import SET_SLOTS, Name, StatField, WorkerStats

BOUNDS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Upper bounds of the histograms' buckets; one more bucket has no bound."""
BUCKETS = len(BOUNDS_S) + 1
_MAX_KINDS = 64
DROPPED_COOKIES = "dropped_cookies"
ADDED_FIELDS = "added_fields"
"""The first parts of the names of counters; the second part is a backend."""
RECOVERY = "recovery"
"""The first part of the names of counters of retries and fallbacks: kind, route, backend and a word follow."""
Recovered = Literal["retry", "fallback", "budget", "not_ok"]
"""A retry; a fallback, by its reason; a budget that was used up; a response that was not ok."""
PATH_POLICY = "path_policy"
"""The first part of the names of counters whose second part is a route, and whose third part a field of its policy."""
OTHER = "other"


class Offset(IntEnum):
    """The place of each counter in a set."""

    DURATION = 0
    FIRST_BYTE = BUCKETS
    DURATION_S = 2 * BUCKETS
    FIRST_BYTE_S = 2 * BUCKETS + 1
    RECEIVED = 2 * BUCKETS + 2
    SENT = 2 * BUCKETS + 3
    MORE_ATTEMPTS = 2 * BUCKETS + 4
    """Attempts beyond one for each request."""
    BOTH = 2 * BUCKETS + 5
    """Buckets of requests whose response came in one read: they count for both histograms."""
    BOTH_S = 3 * BUCKETS + 5


# Reading a member of an enumeration takes as long as counting.
_FIRST_BYTE = int(Offset.FIRST_BYTE)
_DURATION_S = int(Offset.DURATION_S)
_FIRST_BYTE_S = int(Offset.FIRST_BYTE_S)
_RECEIVED = int(Offset.RECEIVED)
_SENT = int(Offset.SENT)
_MORE_ATTEMPTS = int(Offset.MORE_ATTEMPTS)
_BOTH = int(Offset.BOTH)
_BOTH_S = int(Offset.BOTH_S)


class CountedRoute(Struct, frozen=True, eq=False):
    """The labels of usual requests beside the status, and the offset of the counters of each status."""

    route: str
    backend: str
    reason: str
    is_watched: bool = False
    """Its requests have figures, too (`route_figures`)."""
    places: dict[int, int] = {}
    """Always empty if it is watched: so the check costs other requests nothing."""
    watched_places: dict[int, int] = {}


class RequestCounters:
    """The counters of one worker, which is the only writer of its part of the shared memory.

    Labels are bounded: once the memory is full, a request counts with route, backend and reason `other` and the
    class of its status (`5xx`).
    """

    def __init__(self, worker: WorkerStats) -> None:
        self._head = worker.head
        self._counters = worker.counters
        self._seconds = worker.seconds
        self._worker = worker
        self._offsets: dict[tuple[str, str, int, str], int] = {}
        self._overflow: dict[Name, int] = {}
        self._kinds: dict[str, int] = {}
        self._named: dict[Name, int] = {}
        self._figures = RouteFigures(worker)
        self._continue()
        worker.begin()

    def count_request(self, record: Record) -> None:
        """Count a request that has ended. Call it once, with the complete record."""
        at = self._set_of(record)
        counters, seconds = self._counters, self._seconds
        total_s, first_s = record.total_s, record.first_byte_s
        bucket = bisect_left(BOUNDS_S, total_s)
        if first_s == total_s:
            counters[at + _BOTH + bucket] += 1
            seconds[at + _BOTH_S] += total_s
        else:
            counters[at + bucket] += 1
            seconds[at + _DURATION_S] += total_s
            if first_s is not None:
                counters[at + _FIRST_BYTE + bisect_left(BOUNDS_S, first_s)] += 1
                seconds[at + _FIRST_BYTE_S] += first_s
        self._count_figures(record)
        if record.sent_bytes:
            counters[at + _SENT] += record.sent_bytes
        if record.received_bytes:
            counters[at + _RECEIVED] += record.received_bytes
        if record.attempts != 1:
            counters[at + _MORE_ATTEMPTS] += record.attempts - 1
        self._count_names(record)

    def _count_names(self, record: Record) -> None:
        """Count what has a name of its own beside the set: by backend, or by route."""
        if record.dropped_cookies:
            self._count((DROPPED_COOKIES, _backend_of(record)), len(record.dropped_cookies))
        if record.refused_head is not None and record.refused_head.past_usual_limit:
            self._count((ADDED_FIELDS, _backend_of(record)), 1)
        if record.path_policy and record.route is not None:
            for field in record.path_policy:
                self._count((PATH_POLICY, record.route.name, field), 1)

    def _set_of(self, record: Record) -> int:
        route, decision, error = record.route, record.decision, record.error
        ref = decision.ref if decision is not None else None
        cause = error if error is not None else decision
        key = (
            route.name if route is not None else "-",
            ref.backend if ref is not None else "-",
            record.status,
            cause.reason if cause is not None else "-",
        )
        at = self._offsets.get(key)
        return self._new_set(key) if at is None else at

    def count_usual(
        self,
        labels: CountedRoute,
        status: int,
        received_bytes: int,
        sent_bytes: int,
        total_s: float,
    ) -> None:
        """Count a usual request that has ended: sent once, with a response that came in one read."""
        at = labels.places.get(status)
        if at is None:
            at = self._usual_set(labels, status, total_s)
        counters = self._counters
        counters[at + _BOTH + bisect_left(BOUNDS_S, total_s)] += 1
        self._seconds[at + _BOTH_S] += total_s
        if sent_bytes:
            counters[at + _SENT] += sent_bytes
        if received_bytes:
            counters[at + _RECEIVED] += received_bytes

    def _usual_set(self, labels: CountedRoute, status: int, total_s: float) -> int:
        known = labels.places
        if labels.is_watched:
            self._figures.count(labels.route, labels.backend, status, total_s)
            known = labels.watched_places
            if status in known:
                return known[status]
        key = (labels.route, labels.backend, status, labels.reason)
        at = self._offsets.get(key)
        known[status] = at = self._new_set(key) if at is None else at
        return at

    def _count_figures(self, record: Record) -> None:
        """After a fallback only the backend that was chosen first: the time is not that of the other one."""
        route, decision, status = record.route, record.decision, record.status
        if route is None or not is_watched(route) or decision is None or decision.backend is None:
            return
        first = decision.first_backend
        if not (first or record.response_ok):
            status = max(status, 500)
        backend = first or decision.backend
        self._figures.count(route.name, backend, status, record.total_s, fell_back=first != "")

    def count_connection(self, delta: int) -> None:
        """A client connection was opened (1) or closed (-1)."""
        self._head[StatField.CONNECTIONS] += delta

    def count_refused(self, kind: str) -> None:
        """A connection or message was refused before there was a request. `kind` is the reason of the error."""
        at = self._kinds.get(kind)
        if at is None:
            at = self._new_kind(kind)
        self._counters[at] += 1

    def count_recovery(self, kind: Recovered, decision: Decision, word: str = "") -> None:
        """Count a step after an attempt."""
        self._count((RECOVERY, kind, decision.route.name, decision.backend or "-", word), 1)

    def _count(self, name: Name, count: int) -> None:
        """Add to a counter of a backend or route. Once the memory is full, only those that exist are counted."""
        at = self._named.get(name)
        if at is None:
            at = self._worker.add_set(name)
            if at is None:
                return
            self._named[name] = at
        self._counters[at] += count

    def _continue(self) -> None:
        """Continue the counters of the worker before, and reserve room for the overflow labels."""
        overflow: list[Name] = [(OTHER, OTHER, f"{number}xx", OTHER) for number in range(10)]
        for number, name in enumerate(self._worker.names()):
            at = number * SET_SLOTS
            if name in overflow:
                self._overflow[name] = at
            elif len(name) == 1:
                self._kinds[name[0]] = at
            elif len(name) in (2, 5) or name[0] == PATH_POLICY:
                self._named[name] = at
            elif len(name) == 4:
                route, backend, status, reason = name
                self._offsets[(route, backend, int(status), reason)] = at
        for name in overflow:
            if name not in self._overflow:
                self._overflow[name] = self._added(name)
        if OTHER not in self._kinds:
            self._kinds[OTHER] = self._added((OTHER,))

    def _added(self, name: Name) -> int:
        at = self._worker.add_set(name)
        if at is None:
            raise ValueError("the shared memory is too small for any counter")
        return at

    def _new_set(self, key: tuple[str, str, int, str]) -> int:
        route, backend, status, reason = key
        at = self._worker.add_set((route, backend, str(status), reason))
        if at is None:
            # Not remembered: then the dict would grow without bound.
            return self._overflow[(OTHER, OTHER, f"{min(status // 100, 9)}xx", OTHER)]
        self._offsets[key] = at
        return at

    def _new_kind(self, kind: str) -> int:
        at = self._worker.add_set((kind,)) if len(self._kinds) < _MAX_KINDS else None
        if at is None:
            return self._kinds[OTHER]
        self._kinds[kind] = at
        return at


def _backend_of(record: Record) -> str:
    return "-" if record.decision is None else record.decision.backend or "-"
