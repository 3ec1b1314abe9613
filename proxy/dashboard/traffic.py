"""The traffic of the last hour, from the counters of all workers: rates, errors and latencies by route and backend.

Memory is bounded: at most 20,000 pairs of a route and a backend have a series of 120 numbers for requests and for
errors. The clock is an argument.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from proxy.telemetry.counters import BOUNDS_S, BUCKETS

SLOT_S = 30.0
SLOTS = 120
"""An hour."""
_MAX_PAIRS = 20_000
_PAIRS_IN_A_STEP = 50
_RATE_WINDOW_S = 10.0
_LATENCY_WINDOW_S = 60.0
Pair = tuple[str, str]
"""A route and a backend, by their names; `-` stands for none."""
Side = Literal["monolith", "moved"]
Sides = Callable[[Pair], Side | None]
"""Where the requests of a pair went; None if the facade itself responded."""


class PairCounts:
    """The counters of a pair since the facade started, and what follows from them."""

    __slots__ = (
        "_bases",
        "buckets",
        "errors",
        "hour_errors",
        "hour_requests",
        "per_second",
        "slot_errors",
        "slot_requests",
    )

    def __init__(self, buckets: list[int], errors: int) -> None:
        self.buckets = buckets
        self.errors = errors
        self.per_second = 0.0
        """The rate of requests, as an average that forgets what is older than some 10 s."""
        self.hour_requests = self.hour_errors = 0
        self.slot_requests = array("L", bytes(SLOTS * array("L").itemsize))
        self.slot_errors = array("L", bytes(SLOTS * array("L").itemsize))
        self._bases = (buckets, buckets)

    def add(self, slot: int, buckets: list[int], errors: int, elapsed_s: float) -> int:
        """Take new counters. Returns the number of requests since the last ones."""
        requests = max(0, sum(buckets) - sum(self.buckets))
        failed = max(0, errors - self.errors)
        self.slot_requests[slot] += requests
        self.slot_errors[slot] += failed
        self.hour_requests += requests
        self.hour_errors += failed
        share = 1.0 - math.exp(-elapsed_s / _RATE_WINDOW_S)
        self.per_second += (requests / elapsed_s - self.per_second) * share
        self.buckets, self.errors = buckets, errors
        return requests

    def forget(self, slot: int) -> None:
        """Empty a slot that is an hour old."""
        self.hour_requests -= self.slot_requests[slot]
        self.hour_errors -= self.slot_errors[slot]
        self.slot_requests[slot] = self.slot_errors[slot] = 0

    def rotate(self) -> None:
        """Begin a new window of latencies."""
        self._bases = (self._bases[1], self.buckets)

    def latency_s(self, share: float) -> float | None:
        """A quantile of the durations of the last one to two minutes; None without requests."""
        return quantile(
            [now - base for now, base in zip(self.buckets, self._bases[0], strict=True)], share
        )


def quantile(buckets: Iterable[int], share: float) -> float | None:
    """The quantile of a histogram in seconds, linear within a bucket. The last bucket counts as its lower bound."""
    counts = list(buckets)
    total = sum(counts)
    if total <= 0:
        return None
    rank, below = share * total, 0.0
    for at, count in enumerate(counts):
        if count and below + count >= rank:
            if at >= len(BOUNDS_S):
                return BOUNDS_S[-1]
            low = BOUNDS_S[at - 1] if at else 0.0
            return low + (BOUNDS_S[at] - low) * (rank - below) / count
        below += count
    return BOUNDS_S[-1]


class TrafficHistory:
    """The series of the last hour. `now` is monotonic, in seconds."""

    def __init__(self, now: float) -> None:
        self.pairs: dict[Pair, PairCounts] = {}
        self.monolith = [0] * SLOTS
        self.moved = [0] * SLOTS
        self.errors = [0] * SLOTS
        self._slot = int(now // SLOT_S)
        self._sampled_at: float | None = None
        self._rotated_at = now

    def add(
        self, now: float, counters: Mapping[Pair, tuple[list[int], int]], side_of: Sides
    ) -> None:
        """Take the counters of all pairs: the buckets of durations and the number of errors.

        The first call only remembers them: they may be older than this history.
        """
        for _ in self.add_in_steps(now, counters, side_of):
            pass

    def add_in_steps(
        self, now: float, counters: Mapping[Pair, tuple[list[int], int]], side_of: Sides
    ) -> Iterator[None]:
        """As `add`, some pairs in each step of the iterator."""
        self._move_to(int(now // SLOT_S))
        last, self._sampled_at = self._sampled_at, now
        if now - self._rotated_at >= _LATENCY_WINDOW_S:
            self._rotated_at = now
            for counts in self.pairs.values():
                counts.rotate()
        for step, (pair, (buckets, errors)) in enumerate(counters.items()):
            if step % _PAIRS_IN_A_STEP == 0:
                yield
            known = self.pairs.get(pair)
            if known is None:
                if len(self.pairs) >= _MAX_PAIRS:
                    continue
                is_new = last is not None
                known = PairCounts([0] * BUCKETS if is_new else buckets, 0 if is_new else errors)
                self.pairs[pair] = known
            if last is not None and now > last:
                self._count(pair, known, (buckets, errors), now - last, side_of)

    def _count(
        self,
        pair: Pair,
        known: PairCounts,
        counters: tuple[list[int], int],
        elapsed_s: float,
        side_of: Sides,
    ) -> None:
        at, errors = self._slot % SLOTS, known.errors
        requests = known.add(at, *counters, elapsed_s)
        if not requests:
            return
        side = side_of(pair)
        if side == "moved":
            self.moved[at] += requests
        elif side == "monolith":
            self.monolith[at] += requests
        self.errors[at] += max(0, counters[1] - errors)

    def _move_to(self, slot: int) -> None:
        for number in range(max(self._slot + 1, slot - SLOTS + 1), slot + 1):
            at = number % SLOTS
            self.monolith[at] = self.moved[at] = self.errors[at] = 0
            for counts in self.pairs.values():
                counts.forget(at)
        self._slot = max(slot, self._slot)

    def rates(self, series: list[int]) -> list[float]:
        """A series as numbers a second, from the oldest slot to the current one, which has not passed yet."""
        counts = self.ordered(series)
        passed_s = (self._sampled_at or 0.0) - self._slot * SLOT_S
        return [
            *(count / SLOT_S for count in counts[:-1]),
            counts[-1] / min(max(passed_s, _RATE_WINDOW_S), SLOT_S),
        ]

    def ordered(self, series: "list[int] | array[int]") -> list[int]:
        """A series from the oldest slot to the current one."""
        start = (self._slot + 1) % SLOTS
        return [*series[start:], *series[:start]]
