"""Simulated rollouts: a clean newcomer stays, a bad one is found in time. Seeded, so the result is always the same."""

import pytest

from tests.simulation.rollouts import FAILING, GOOD, MIN_REQUESTS, SLOW, Backend, simulate


def test_clean_rollouts_are_not_rolled_back() -> None:
    assert not any(simulate(seed, GOOD).rolled_back for seed in range(10))


@pytest.mark.parametrize(
    "newcomer", [FAILING, SLOW], ids=["2 per cent more failures", "1.5 times as slow"]
)
def test_a_bad_newcomer_is_rolled_back_within_three_times_the_least_requests(
    newcomer: Backend,
) -> None:
    results = [simulate(seed, newcomer) for seed in range(10)]
    assert all(each.rolled_back for each in results)
    assert max(each.requests for each in results) <= 3 * MIN_REQUESTS


@pytest.mark.soak
def test_of_ten_thousand_clean_rollouts_at_most_one_per_cent_is_rolled_back() -> None:
    assert sum(simulate(seed, GOOD).rolled_back for seed in range(10_000)) <= 100
