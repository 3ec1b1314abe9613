"""Simulated rollouts: requests are drawn, and judged as `facade rollout` judges them, at every look.

    python -m tests.simulation [RUNS]

A clean newcomer is like the incumbent in truth. Each rollout has three steps of analysis, at 5, 25 and 50 per cent. It
ends at its first failed look, which rolls it back.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from math import log, log1p
from random import Random
from statistics import NormalDist

from msgspec import Struct

from proxy.analysis.figures import Figures
from proxy.analysis.latency import BUCKETS, EDGES_S
from proxy.analysis.verdicts import FALSE_ALARMS, Measure, Sides, measure, verdict_of

MIN_REQUESTS = 1000
CONDITIONS = (
    ("success_rate", "new >= 0.95 and new >= legacy - 0.002"),
    ("latency_p99_ms", "new <= legacy * 1.1"),
)
SHARES = (0.05, 0.25, 0.5)
_LOOKS = 30
_NEW_REQUESTS = 100
"""Of the newcomer, between two looks."""


class Backend(Struct, frozen=True):
    """How a backend responds. Latencies are lognormal around 100 ms times `slowness`."""

    failures: float = 0.002
    slowness: float = 1.0
    spread: float = 0.5


class Result(Struct, frozen=True):
    """The end of one rollout."""

    rolled_back: bool
    requests: int
    """Of the newcomer in the last step, until then."""


GOOD = Backend()
FAILING = Backend(failures=0.022)
SLOW = Backend(slowness=1.5)


def simulate(seed: int, new: Backend, legacy: Backend = GOOD) -> Result:
    """One rollout."""
    random = Random(seed)
    measures = [measure(*each) for each in CONDITIONS]
    alpha = FALSE_ALARMS / (len(SHARES) * len(measures))
    requests = 0
    for share in SHARES:
        for sides in _looks(random, new, legacy, share):
            requests = sides.new.requests
            if _fails(measures, sides, alpha):
                return Result(True, requests)
    return Result(False, requests)


def _looks(random: Random, new: Backend, legacy: Backend, share: float) -> Iterator[Sides]:
    """The figures at each look of one step."""
    sides = Sides()
    theirs = round(_NEW_REQUESTS * (1 - share) / share)
    for _ in range(_LOOKS):
        sides = Sides(
            sides.new.plus(_drawn(random, new, _NEW_REQUESTS)),
            sides.legacy.plus(_drawn(random, legacy, theirs)),
        )
        yield sides


def _drawn(random: Random, backend: Backend, requests: int) -> Figures:
    buckets = random.choices(range(BUCKETS), cum_weights=_shares_up_to(backend), k=requests)
    return Figures(_failed(random, backend.failures, requests), 0, Counter(buckets))


def _failed(random: Random, share: float, requests: int) -> int:
    """A binomial number, from one failure to the next."""
    failed, at = 0, 0
    while True:
        at += 1 + int(log(1 - random.random()) / log1p(-share))
        if at > requests:
            return failed
        failed += 1


@cache
def _shares_up_to(backend: Backend) -> list[float]:
    """The share of requests up to the upper edge of each bucket."""
    logs = NormalDist(log(0.1 * backend.slowness), backend.spread)
    return [*(logs.cdf(log(edge)) for edge in EDGES_S), 1.0]


def _fails(measures: list[Measure], sides: Sides, alpha: float) -> bool:
    return any(verdict_of(each, sides, MIN_REQUESTS, alpha) == "failed" for each in measures)
