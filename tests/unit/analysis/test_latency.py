"""Quantiles of histograms: observed values, bounds, and their coverage at every look."""

from bisect import bisect_left
from math import log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.analysis.latency import BUCKETS, EDGES_S, UNBOUNDED_S, Quantile

LEVEL = log(20)


def bucket(latency_s: float) -> int:
    return bisect_left(EDGES_S, latency_s)


def test_the_edges_reach_from_a_quarter_of_a_millisecond_to_a_minute() -> None:
    assert (EDGES_S[0], BUCKETS) == (0.00025, 578)
    assert EDGES_S[-1] == pytest.approx(65.5, abs=0.1)


@pytest.mark.parametrize(
    ("latency", "share", "expected"),
    [
        pytest.param({}, 0.99, 0.0, id="no requests"),
        pytest.param({bucket(0.1): 0}, 0.99, 0.0, id="an empty bucket"),
        pytest.param({bucket(0.1): 100}, 0.5, 0.1, id="all in one bucket"),
        pytest.param({bucket(0.1): 98, bucket(1.0): 2}, 0.99, 1.0, id="the slowest two"),
        pytest.param({bucket(0.1): 99, bucket(1.0): 1}, 0.95, 0.1, id="below the slowest"),
        pytest.param({0: 10}, 0.5, 0.000125, id="the first bucket"),
        pytest.param({BUCKETS - 1: 10}, 0.5, 65.5, id="the last bucket has no upper edge"),
    ],
)
def test_the_observed_quantile(latency: dict[int, int], share: float, expected: float) -> None:
    assert Quantile(latency, share).observed == pytest.approx(expected, rel=0.025)


def test_the_bounds_of_a_quantile() -> None:
    latency = {bucket(0.1): 9_800, bucket(0.2): 100, bucket(0.4): 100}
    assert Quantile(latency, 0.99).bounds_at(LEVEL) == pytest.approx((0.2, 0.4), rel=0.05)
    assert Quantile(latency, 0.5).bounds_at(LEVEL) == pytest.approx((0.1, 0.1), rel=0.05)


@pytest.mark.parametrize("requests", [0, 1])
def test_a_few_requests_leave_the_quantile_open(requests: int) -> None:
    assert Quantile({bucket(0.1): requests}, 0.99).bounds_at(LEVEL) == (0.0, UNBOUNDED_S)


def test_of_many_requests_in_one_bucket_the_quantile_is_in_it() -> None:
    at = bucket(0.1)
    bounds = Quantile({at: 10_000}, 0.99).bounds_at(LEVEL)
    assert bounds == (EDGES_S[at - 1], EDGES_S[at])


@given(
    st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(0, 1000), max_size=8),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_the_bounds_enclose_the_observed_quantile(latency: dict[int, int], share: float) -> None:
    quantile = Quantile(latency, share)
    assert quantile.lowest <= 1e-6
    lower, upper = quantile.bounds_at(LEVEL)
    assert 0 <= lower <= quantile.observed <= upper
    closest = quantile.bounds_at(quantile.lowest)
    assert lower <= closest[0] <= closest[1] <= upper


@pytest.mark.parametrize(("share", "normal"), [(0.5, 0.0), (0.95, 1.6449), (0.99, 2.3263)])
def test_the_bounds_of_a_quantile_hold_at_every_look(share: float, normal: float) -> None:
    random = Random(3)
    missed = 0
    for _ in range(40):
        latency: dict[int, int] = {}
        covered = True
        for _ in range(8):
            for _ in range(40):
                at = bucket(0.1 * random.lognormvariate(0, 0.5))
                latency[at] = latency.get(at, 0) + 1
            lower, upper = Quantile(latency, share).bounds_at(LEVEL)
            covered = covered and lower <= 0.1 * 2.71828 ** (0.5 * normal) <= upper
        missed += not covered
    assert missed <= 2
