"""The verdict of a rollout's analysis: passed, failed or inconclusive, each metric with its bounds. Pure.

A metric fails if its condition is false for all values within the bounds: then it is false in truth, whenever one
looks, but for a probability of alpha. It passes if its condition is true for what was observed. All else, and every
metric of fewer requests than `min_requests`, is inconclusive.
"""

from collections.abc import Iterable
from math import log
from typing import Literal

from msgspec import Struct

from proxy.analysis.conditions import Condition, Interval, Operand, holds, operands, parse_condition
from proxy.analysis.confidence import RARE_FAILURES, Beta, Bounds, Prior, Proportion, joint_bounds
from proxy.analysis.figures import Figures, Parity
from proxy.analysis.latency import UNBOUNDED_S, Quantile

Verdict = Literal["passed", "failed", "inconclusive"]

FALSE_ALARMS = 0.01
"""The probability with which a clean rollout is rolled back, at most, over all of its steps and metrics."""
PARITY = "parity_rate"
_QUANTILES = {"latency_p50_ms": 0.5, "latency_p95_ms": 0.95, "latency_p99_ms": 0.99}
METRICS = ("success_rate", *_QUANTILES, "fallback_rate", PARITY)
_RARE = Prior(Beta(0.5, 20.0))
_MS = 1000.0


class MetricVerdict(Struct, frozen=True):
    """A metric at one look. None stands for what is not known, or has no bound."""

    name: str
    new: float | None
    legacy: float | None
    lower_bound: float | None
    upper_bound: float | None
    verdict: Verdict


class Sides(Struct, frozen=True):
    """The figures of both sides since the step began."""

    new: Figures = Figures()
    legacy: Figures = Figures()
    parity: Parity | None = None


class Measure(Struct, frozen=True):
    """A metric with its condition."""

    name: str
    condition: Condition

    @property
    def compares(self) -> bool:
        """Whether the incumbent's figures matter."""
        return "legacy" in operands(self.condition)

    @property
    def reads_bounds(self) -> bool:
        return not operands(self.condition) <= {"new", "legacy"}


def measure(name: str, condition: str) -> Measure:
    """Raises ConditionError."""
    return Measure(name, parse_condition(condition))


def applicable(measures: Iterable[Measure], weight_bp: int) -> tuple[Measure, ...]:
    """The metrics that can be measured: no side without traffic has any of its own."""
    return tuple(
        each
        for each in measures
        if each.name == PARITY or (weight_bp > 0 and not (weight_bp == 10_000 and each.compares))
    )


def overall(verdicts: Iterable[MetricVerdict]) -> Verdict:
    """The verdict of all metrics together; inconclusive without any."""
    kinds = {each.verdict for each in verdicts}
    if "failed" in kinds:
        return "failed"
    return "passed" if kinds == {"passed"} else "inconclusive"


def judge(each: Measure, sides: Sides, min_requests: int, alpha: float) -> MetricVerdict:
    """Judge one metric. `alpha` is the probability of a false alarm."""
    if each.name == PARITY:
        return _judge_parity(each, sides.parity, min_requests)
    new, legacy = _sample(each.name, sides.new), _sample(each.name, sides.legacy)
    scale = _scale(each)
    return MetricVerdict(
        each.name,
        new.observed * scale if sides.new.requests else None,
        legacy.observed * scale if sides.legacy.requests else None,
        *_known(_scaled(new.bounds_at(log(1 / alpha)), scale)),
        verdict_of(each, sides, min_requests, alpha),
    )


def verdict_of(each: Measure, sides: Sides, min_requests: int, alpha: float) -> Verdict:
    """The verdict alone, of a metric that both sides have."""
    if sides.new.requests < min_requests:
        return "inconclusive"
    if each.compares and sides.legacy.requests < min_requests:
        return "inconclusive"
    new, legacy, scale = (
        _sample(each.name, sides.new),
        _sample(each.name, sides.legacy),
        _scale(each),
    )
    bounds = _scaled(new.bounds_at(log(1 / alpha)), scale) if each.reads_bounds else (0.0, 0.0)
    observed = _intervals(_point(new.observed * scale), _point(legacy.observed * scale), bounds)
    if holds(each.condition, observed):
        return "passed"
    is_false = all(
        holds(each.condition, _intervals(_scaled(mine, scale), _scaled(theirs, scale), None))
        is False
        for mine, theirs in _pairs(each, new, legacy, alpha)
    )
    return "failed" if is_false else "inconclusive"


def _scale(each: Measure) -> float:
    return _MS if each.name in _QUANTILES else 1.0


def _pairs(
    each: Measure, new: Proportion | Quantile, legacy: Proportion | Quantile, alpha: float
) -> Iterable[tuple[Bounds, Bounds]]:
    if each.compares:
        return joint_bounds(new, legacy, alpha)
    return ((new.bounds_at(log(1 / alpha)), (0.0, 0.0)),)


def _sample(name: str, figures: Figures) -> Proportion | Quantile:
    requests = figures.requests
    if name in _QUANTILES:
        return Quantile(figures.latency, _QUANTILES[name])
    if name == "fallback_rate":
        return Proportion(min(figures.fallbacks, requests), requests, _RARE)
    return Proportion(max(0, requests - figures.failed), requests, RARE_FAILURES)


def _judge_parity(each: Measure, parity: Parity | None, min_requests: int) -> MetricVerdict:
    if parity is None:
        return MetricVerdict(each.name, None, None, None, None, "inconclusive")
    bounds = parity.lower_bound, parity.upper_bound
    verdict: Verdict = "inconclusive"
    if parity.compared >= min_requests:
        if holds(each.condition, _intervals(_point(parity.rate), (0.0, 0.0), bounds)):
            verdict = "passed"
        elif holds(each.condition, _intervals(bounds, (0.0, 0.0), None)) is False:
            verdict = "failed"
    return MetricVerdict(each.name, parity.rate, None, *bounds, verdict)


def _intervals(new: Interval, legacy: Interval, bounds: Bounds | None) -> dict[Operand, Interval]:
    """The intervals of the operands. Without `bounds`, both bounds may come to lie anywhere where `new` may."""
    return {
        "new": new,
        "legacy": legacy,
        "lower_bound": new if bounds is None else _point(bounds[0]),
        "upper_bound": new if bounds is None else _point(bounds[1]),
    }


def _point(value: float) -> Interval:
    return value, value


def _scaled(bounds: Bounds, scale: float) -> Bounds:
    return bounds[0] * scale, bounds[1] * scale


def _known(bounds: Bounds) -> tuple[float, float | None]:
    return bounds[0], None if bounds[1] >= UNBOUNDED_S else bounds[1]
