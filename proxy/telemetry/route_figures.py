"""Figures of routes with a rollout, by backend, in shared memory: each worker counts its own, one process reads all.

A histogram takes several sets of counters, which are one behind the other. A usual request of another route costs
nothing for them (ADR 32).
"""

from bisect import bisect_left
from collections.abc import Iterator

from proxy.analysis.figures import Figures
from proxy.analysis.latency import BUCKETS, EDGES_S
from proxy.model import Route, RouteTable
from proxy.telemetry.shared_memory import SET_SLOTS, Name, SharedStats, WorkerStats

_FAILED, _FALLBACKS, _LATENCY = range(3)
"""The places of the counters; the buckets are the last ones."""
_SLOTS = _LATENCY + BUCKETS
_SETS = -(-_SLOTS // SET_SLOTS)
_CLIENT_GONE = 499
"""Nobody knows what the response would have been."""


class RouteFigures:
    """The figures of one worker, which is the only writer of its part. They continue those of the worker before."""

    def __init__(self, worker: WorkerStats) -> None:
        self._worker = worker
        self._counters = worker.counters
        self._places = dict(_places(worker.names()))

    def count(
        self, route: str, backend: str, status: int, total_s: float, *, fell_back: bool = False
    ) -> None:
        """Count a request that has ended. Once the memory is full, new routes have no figures."""
        if status == _CLIENT_GONE:
            return
        at = self._places.get((route, backend))
        if at is None:
            at = self._add(route, backend)
            if at is None:
                return
        counters = self._counters
        counters[at + _LATENCY + bisect_left(EDGES_S, total_s)] += 1
        if status >= 500 or fell_back:
            counters[at + _FAILED] += 1
        if fell_back:
            counters[at + _FALLBACKS] += 1

    def _add(self, route: str, backend: str) -> int | None:
        first = None
        for part in range(_SETS):
            at = self._worker.add_set(_name(part, route, backend))
            if at is None:
                return None
            first = at if first is None else first
        assert first is not None
        self._places[route, backend] = first
        return first


def figures_of(stats: SharedStats, table: RouteTable) -> dict[str, dict[str, Figures]]:
    """The figures of all workers, by route and backend, of the routes with a rollout."""
    total: dict[str, dict[str, Figures]] = {
        route.name: {ref.backend: Figures() for ref in route.backend_refs}
        for route in table.routes
        if is_watched(route)
    }
    for worker in stats:
        for (route, backend), at in _places(worker.names()):
            sums = total.get(route, {})
            if backend in sums:
                sums[backend] = sums[backend].plus(_read(worker, at))
    return total


def is_watched(route: Route) -> bool:
    """Whether the requests of the route have figures."""
    return route.rollout is not None


def _read(worker: WorkerStats, at: int) -> Figures:
    values = worker.counters[at : at + _SLOTS].tolist()
    latency = {number: count for number, count in enumerate(values[_LATENCY:]) if count}
    return Figures(values[_FAILED], values[_FALLBACKS], latency)


def _name(part: int, route: str, backend: str) -> Name:
    return (f"figures {part}", route, backend)


def _places(names: list[Name]) -> Iterator[tuple[tuple[str, str], int]]:
    """Each route and backend with the place of its counters. Sets without their last one are left out."""
    first, last = _name(0, "", "")[0], _name(_SETS - 1, "", "")[0]
    for number, name in enumerate(names):
        if name[0] == first and len(name) == 3:
            end = number + _SETS - 1
            if end < len(names) and names[end] == (last, *name[1:]):
                yield (name[1], name[2]), number * SET_SLOTS
