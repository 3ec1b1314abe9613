"""Figures that are added and subtracted, and the verdicts on them."""

from bisect import bisect_left

import pytest

from proxy.analysis.figures import Figures, Parity
from proxy.analysis.latency import EDGES_S
from proxy.analysis.verdicts import (
    METRICS,
    MetricVerdict,
    Sides,
    Verdict,
    applicable,
    judge,
    measure,
    overall,
)

ALPHA = 0.001


def served(requests: int, failed: int = 0, latency_s: float = 0.1, fallbacks: int = 0) -> Figures:
    return Figures(failed, fallbacks, {bisect_left(EDGES_S, latency_s): requests})


def verdict(name: str, condition: str, sides: Sides, min_requests: int = 500) -> Verdict:
    return judge(measure(name, condition), sides, min_requests, ALPHA).verdict


def test_figures_are_added_and_subtracted() -> None:
    one, other = Figures(1, 2, {3: 4, 5: 6}), Figures(10, 20, {5: 1, 7: 2})
    assert one.plus(other) == Figures(11, 22, {3: 4, 5: 7, 7: 2})
    assert one.plus(other).minus(one) == other
    assert one.minus(one) == Figures()
    assert one.requests == 10


def test_counters_that_went_back_count_nothing() -> None:
    assert Figures(1, 1, {1: 1}).minus(Figures(2, 2, {1: 5})) == Figures()


SLOWER = "new <= legacy * 1.25 + 20"
SUCCESS = "new >= 0.995 and new >= legacy - 0.002"


@pytest.mark.parametrize(
    ("name", "condition", "sides", "expected"),
    [
        ("success_rate", SUCCESS, Sides(served(999, 1), served(9000, 9)), "passed"),  # as good
        ("success_rate", SUCCESS, Sides(served(1000, 60), served(9000, 9)), "failed"),  # much worse
        ("success_rate", SUCCESS, Sides(served(1000, 7), served(9000, 9)), "inconclusive"),  # perhaps worse
        ("success_rate", SUCCESS, Sides(served(499, 400), served(9000, 9)), "inconclusive"),  # too few requests
        ("success_rate", SUCCESS, Sides(served(1000, 900), served(499)), "inconclusive"),  # of the incumbent
        ("success_rate", "new >= 0.995", Sides(served(1000, 60)), "failed"),  # without the incumbent
        ("success_rate", "lower_bound >= 0.999", Sides(served(1000)), "inconclusive"),  # a bound not reached yet
        ("success_rate", "lower_bound >= 0.99", Sides(served(9000)), "passed"),  # a bound that is reached
        ("success_rate", "lower_bound >= 0.99", Sides(served(9000, 300)), "failed"),  # a bound that cannot be reached
        ("latency_p99_ms", SLOWER, Sides(served(1000), served(1000)), "passed"),  # as fast
        ("latency_p99_ms", SLOWER, Sides(served(9000, 0, 0.2), served(9000)), "failed"),  # slower
        ("latency_p50_ms", "new <= 120", Sides(served(1000, 0, 0.15)), "failed"),  # the median
        ("latency_p95_ms", "new <= 120", Sides(served(1000)), "passed"),  # the 95th percentile
        ("fallback_rate", "new <= 0.01", Sides(served(1000, fallbacks=100)), "failed"),  # many fallbacks
        ("fallback_rate", "new <= 0.01", Sides(served(1000, fallbacks=2000)), "failed"),  # more fallbacks than requests
        ("fallback_rate", "new <= 0.01", Sides(served(1000)), "passed"),  # no fallbacks
        ("parity_rate", "lower_bound >= 0.99", Sides(parity=Parity(900, 1.0, 0.995, 1.0)), "passed"),  # parity
        ("parity_rate", "lower_bound >= 0.99", Sides(parity=Parity(900, 0.9, 0.85, 0.95)), "failed"),  # no parity
        ("parity_rate", "lower_bound >= 0.99", Sides(parity=Parity(900, 0.99, 0.98, 1.0)), "inconclusive"),
        ("parity_rate", "lower_bound >= 0.99", Sides(parity=Parity(9, 0.1, 0.0, 0.2)), "inconclusive"),
        ("parity_rate", "lower_bound >= 0.99", Sides(), "inconclusive"),  # nothing is compared
    ],
)  # fmt: skip
def test_the_verdict_of_a_metric(
    name: str, condition: str, sides: Sides, expected: Verdict
) -> None:
    assert verdict(name, condition, sides) == expected


def test_a_verdict_has_the_figures_of_both_sides_and_the_bounds() -> None:
    sides = Sides(served(2000), served(2000))
    each = judge(measure("latency_p99_ms", "new <= legacy * 2"), sides, 500, ALPHA)
    assert each.new == pytest.approx(100, rel=0.03)
    assert each.legacy == pytest.approx(100, rel=0.03)
    assert each.lower_bound == pytest.approx(98, rel=0.03)
    assert each.upper_bound == pytest.approx(100, rel=0.03)


def test_without_requests_neither_figures_nor_an_upper_bound_of_latency_are_known() -> None:
    each = judge(measure("latency_p99_ms", "new <= 100"), Sides(), 1, ALPHA)
    assert each == MetricVerdict("latency_p99_ms", None, None, 0.0, None, "inconclusive")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), "inconclusive"),
        (("passed", "passed"), "passed"),
        (("passed", "inconclusive"), "inconclusive"),
        (("failed", "inconclusive", "passed"), "failed"),
    ],
)
def test_the_verdict_of_all_metrics(verdicts: tuple[Verdict, ...], expected: Verdict) -> None:
    each = [MetricVerdict("m", None, None, None, None, kind) for kind in verdicts]
    assert overall(each) == expected


@pytest.mark.parametrize(
    ("weight_bp", "names"),
    [(0, ["parity_rate"]), (500, list(METRICS)), (10_000, ["fallback_rate", "parity_rate"])],
)
def test_a_side_without_traffic_cannot_be_measured(weight_bp: int, names: list[str]) -> None:
    conditions = {"fallback_rate": "new <= 0.01", "parity_rate": "lower_bound >= 0.99"}
    measures = [measure(name, conditions.get(name, "new >= legacy")) for name in METRICS]
    assert [each.name for each in applicable(measures, weight_bp)] == names
