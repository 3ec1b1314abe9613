"""Counters of copies by route, in shared memory."""

from collections.abc import Iterator, Mapping
from enum import IntEnum

from msgspec import Struct

from proxy.telemetry.shared_memory import SET_SLOTS, Name, SharedStats, WorkerStats

MIRROR = "mirror"
"""The first of three parts of the names of these sets; the second is a route, the last is empty."""
DROPS = (
    "concurrency",
    "body",
    "memory",
    "queue",
    "busy",
    "timeout",
    "unreachable",
    "broke",
    "too_long",
    "client_gone",
    "refused",
    "conditional",
    "reloaded",
    "sandbox",
    "not_compared",
    "internal",
    "late",
    "circuit_open",
)
"""Why copies were not sent, got no response, or were not compared. The order is that of the counters."""


class MirrorCount(IntEnum):
    """The place of each counter in a set. The drops follow, in the order of `DROPS`."""

    SENT = 0
    REPLAYED = 1
    """Second requests for the baseline."""
    COMPARED = 2
    EQUAL = 3
    BASELINE_INVALID = 4
    DROPS = 8


class RouteCopies(Struct, frozen=True):
    """The sums for one route, over all workers."""

    sent: int
    replayed: int
    compared: int
    equal: int
    baseline_invalid: int
    dropped: Mapping[str, int]


class MirrorCounters:
    """The counters of one worker, or of the maker of copies. They continue those of the process before."""

    def __init__(self, worker: WorkerStats) -> None:
        self._worker = worker
        self._places: dict[str, int | None] = {
            name[1]: number * SET_SLOTS
            for number, name in enumerate(worker.names())
            if _is_of_mirror(name)
        }

    def count(self, route: str, what: MirrorCount) -> None:
        """Add one. Once the memory is full, only routes that have counters are counted."""
        self._add(route, what)

    def count_drop(self, route: str, reason: str) -> None:
        """Add one to a reason of `DROPS`."""
        self._add(route, MirrorCount.DROPS + DROPS.index(reason))

    def _add(self, route: str, place: int) -> None:
        if route not in self._places:
            self._places[route] = self._worker.add_set((MIRROR, route, ""))
        at = self._places[route]
        if at is not None:
            self._worker.counters[at + place] += 1


def copies_of_routes(stats: SharedStats) -> Iterator[tuple[str, RouteCopies]]:
    """The sums of each route with a mirror: of what workers have not handed over, and of the copies."""
    sums: dict[str, list[int]] = {}
    for worker in (*stats, stats.mirror.stats):
        for number, name in enumerate(tuple(worker.names())):
            if _is_of_mirror(name):
                at = number * SET_SLOTS
                values = worker.counters[at : at + MirrorCount.DROPS + len(DROPS)].tolist()
                before = sums.get(name[1])
                sums[name[1]] = values if before is None else _added(before, values)
    for route, values in sums.items():
        drops = dict(zip(DROPS, values[MirrorCount.DROPS :], strict=True))
        dropped = {reason: count for reason, count in drops.items() if count}
        sent, replayed, compared, equal, invalid = values[: MirrorCount.BASELINE_INVALID + 1]
        yield route, RouteCopies(sent, replayed, compared, equal, invalid, dropped)


def _is_of_mirror(name: Name) -> bool:
    return len(name) == 3 and name[0] == MIRROR


def _added(one: list[int], other: list[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]
