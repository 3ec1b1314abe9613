"""The sums of the counters of all workers."""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from proxy.telemetry.counters import ADDED_FIELDS, BUCKETS, DROPPED_COOKIES, PATH_POLICY, Offset
from proxy.telemetry.shared_memory import SET_SLOTS, SharedStats, WorkerStats

_Key = TypeVar("_Key", str, tuple[str, str])
_SETS_IN_A_STEP = 100


class _Sums(Struct):
    """The sums for one route and backend, over all workers."""

    duration: list[int]
    first_byte: list[int]
    duration_s: float = 0.0
    first_byte_s: float = 0.0
    received: int = 0
    sent: int = 0


class Totals:
    """The sums of all counters of all workers."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str, str], int] = {}
        self.pairs: dict[tuple[str, str], _Sums] = {}
        self.attempts: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.recovered: dict[tuple[str, str, str, str], int] = {}
        """By kind, route, backend and word."""
        self.of_backends: dict[str, dict[str, int]] = {DROPPED_COOKIES: {}, ADDED_FIELDS: {}}
        self.policies: dict[tuple[str, str], int] = {}

    def add(self, stats: SharedStats) -> Iterator[None]:
        """Add all counters, a few sets in each step of the iterator."""
        for worker in stats:
            # Mostly none is new.
            yield from islice(worker.read_names(), 0, None, _SETS_IN_A_STEP)
            for number, name in enumerate(tuple(worker.names())):
                if len(name) == 1:
                    _add_count(self.refused, name[0], worker.counters[number * SET_SLOTS])
                elif len(name) == 2:
                    kind, backend = name
                    _add_count(self.of_backends[kind], backend, worker.counters[number * SET_SLOTS])
                elif len(name) == 5:
                    count = worker.counters[number * SET_SLOTS]
                    self._add_recovered((name[1], name[2], name[3], name[4]), count)
                elif name[0] == PATH_POLICY:
                    _add_count(
                        self.policies, (name[1], name[2]), worker.counters[number * SET_SLOTS]
                    )
                elif len(name) == 4:
                    route, backend, code, reason = name
                    self._add_set((route, backend, code, reason), worker, number * SET_SLOTS)
                if number % _SETS_IN_A_STEP == 0:
                    yield

    def _add_recovered(self, name: tuple[str, str, str, str], count: int) -> None:
        self.recovered[name] = self.recovered.get(name, 0) + count

    def _add_set(self, name: tuple[str, str, str, str], worker: WorkerStats, at: int) -> None:
        values = worker.counters[at : at + SET_SLOTS].tolist()
        both, both_s = values[Offset.BOTH : Offset.BOTH_S], worker.seconds[at + Offset.BOTH_S]
        duration = _added(values[Offset.DURATION : Offset.DURATION + BUCKETS], both)
        count = sum(duration)
        if not count:
            return
        route, backend = name[:2]
        self.requests[name] = self.requests.get(name, 0) + count
        sums = self.pairs.get((route, backend))
        if sums is None:
            sums = self.pairs[route, backend] = _Sums([0] * BUCKETS, [0] * BUCKETS)
        first_byte = _added(values[Offset.FIRST_BYTE : Offset.FIRST_BYTE + BUCKETS], both)
        sums.duration = _added(sums.duration, duration)
        sums.first_byte = _added(sums.first_byte, first_byte)
        sums.duration_s += worker.seconds[at + Offset.DURATION_S] + both_s
        sums.first_byte_s += worker.seconds[at + Offset.FIRST_BYTE_S] + both_s
        sums.received += values[Offset.RECEIVED]
        sums.sent += values[Offset.SENT]
        if backend != "-":
            attempts = count + values[Offset.MORE_ATTEMPTS]
            self.attempts[backend] = self.attempts.get(backend, 0) + attempts


def _add_count(totals: dict[_Key, int], key: _Key, count: int) -> None:
    if count:
        totals[key] = totals.get(key, 0) + count


def _added(one: list[int], other: list[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]
