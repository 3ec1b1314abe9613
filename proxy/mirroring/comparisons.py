"""Compares the responses of copies, in slices between the requests of clients."""

import asyncio
import contextlib
import gc
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from proxy.comparison.comparer import Comparer, Comparison
from proxy.comparison.observation import Observation
from proxy.comparison.outcome import Outcome
from proxy.mirroring.copy import Copy
from proxy.mirroring.kept_body import is_good
from proxy.model import CompareRules

log = logging.getLogger(__name__)

MAX_QUEUED = 500
"""No copy is sent while so many wait for their comparison. Those that are being sent then find room, too."""
_MOST_QUEUED = 2 * MAX_QUEUED
REST_FOR_REQUESTS = 3.0
"""After a slice the loop is free for so many times the time of the slice: comparisons take at most a quarter of it."""
REST_FOR_COPIES = 1.0
"""In a process that serves no clients: half of it."""
_LEAST_REST_S = 0.001
_MOST_REST_S = 0.05
"""A slice that took long was interrupted by another process."""


class Compared(Struct, frozen=True):
    """The outcomes for one copy."""

    copy: Copy
    baseline: Observation
    candidate: Observation
    outcome: Outcome
    replay: Outcome | None = None
    """Of the baseline's response and its second one, if the request was sent a second time."""


class Results(Protocol):
    """Who counts copies."""

    def compared(self, compared: Compared) -> None: ...

    def dropped(self, copy: Copy, reason: str) -> None: ...


class Comparisons:
    """Compares one copy after the other. `run` does the work."""

    def __init__(self, results: Results, rest: float) -> None:
        """`rest` is one of `REST_FOR_REQUESTS` and `REST_FOR_COPIES`."""
        self._results = results
        self._rest = rest
        self._queue: deque[Copy] = deque()
        self._queued = asyncio.Event()
        self._comparers: dict[str, Comparer] = {}
        self._rest_s = 0.0

    def offer(self, copy: Copy) -> None:
        """Compare a copy whose responses are complete, and release it."""
        if len(self._queue) >= _MOST_QUEUED:
            copy.release()
            self._results.dropped(copy, "queue")
            return
        self._queue.append(copy)
        self._queued.set()

    @property
    def is_full(self) -> bool:
        """Whether no more copies should be sent."""
        return len(self._queue) >= MAX_QUEUED

    @property
    def waiting(self) -> int:
        """Copies that wait for their comparison."""
        return len(self._queue)

    async def run(self) -> None:
        """Compare until cancelled. `Facade.running` owns the task."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            while self._queue:
                await self._compare(self._queue.popleft())

    async def _compare(self, copy: Copy) -> None:
        rules = copy.mirror.compare
        try:
            if rules is not None:
                with _collector_off():
                    compared = await self._compared(copy, rules)
                self._results.compared(compared)
        except Exception:
            # A bug of ours must not end the comparisons of later copies.
            log.exception("the comparison of a copy of the route %s failed", copy.route.name)
            self._results.dropped(copy, "internal")
        finally:
            copy.release()

    async def _compared(self, copy: Copy, rules: CompareRules) -> Compared:
        comparer = self._comparer(copy.route.name, rules)
        served, *seen = (_judged(copy, each) for each in (copy.served, *copy.seen))
        # The incumbent is the baseline, also where the newcomer serves and the incumbent gets the copies.
        baseline, candidate = (seen[0], served) if copy.is_reverse else (served, seen[0])
        accepted = copy.accept_encoding
        outcome = await self._finish(comparer.begin(baseline, candidate, accepted))
        replay = None
        if len(seen) > 1 and outcome.result != "baseline_invalid":
            replay = await self._finish(comparer.begin(baseline, seen[1], accepted, is_replay=True))
        return Compared(copy, baseline, candidate, outcome, replay)

    def _comparer(self, route: str, rules: CompareRules) -> Comparer:
        comparer = self._comparers.get(route)
        if comparer is None or comparer.rules != rules:
            comparer = self._comparers[route] = Comparer(rules)
        return comparer

    async def _finish(self, comparison: Comparison) -> Outcome:
        outcome: Outcome | None = None
        while outcome is None:
            began = time.perf_counter()
            outcome = comparison.advance()
            self._rest_s += self._rest * (time.perf_counter() - began)
            if self._rest_s < _LEAST_REST_S:
                await asyncio.sleep(0)
            else:
                rest_s, self._rest_s = self._rest_s, 0.0
                await asyncio.sleep(min(rest_s, _MOST_REST_S))
        return outcome


def _judged(copy: Copy, seen: Observation) -> Observation:
    """With the verdict of `response_ok`; without its duration, if that says nothing."""
    is_ok = is_good(copy.route.response_ok, copy.request.facts.method, seen)
    duration_s = 0.0 if copy.is_late else seen.duration_s
    return replace(seen, is_ok=is_ok, duration_s=duration_s)


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """Parsed bodies are many objects without cycles: a full collection would go through all of them at once (ADR 8)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
