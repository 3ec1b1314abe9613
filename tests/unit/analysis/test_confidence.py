"""Bounds that hold at every look: exact cases, and their coverage in seeded simulations."""

from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.analysis.confidence import (
    ANY,
    RARE_FAILURES,
    Beta,
    Prior,
    Proportion,
    difference_bounds,
    joint_bounds,
    proportion_bounds,
)

ALPHA = 0.05
LOOKS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 70, 100, 150, 200, 300, 400)


def outcomes(random: Random, proportion: float) -> list[int]:
    """The number of successes after each trial."""
    return list(accumulate(random.random() < proportion for _ in range(LOOKS[-1])))


@pytest.mark.parametrize(
    ("successes", "trials", "bounds"),
    [
        pytest.param(0, 0, (0.0, 1.0), id="without a trial, anything is possible"),
        pytest.param(0, 10, (0.0, 0.377), id="no success"),
        pytest.param(10, 10, (0.623, 1.0), id="no failure"),
        pytest.param(50, 100, (0.338, 0.662), id="half of them"),
        pytest.param(9_990, 10_000, (0.9974, 0.99972), id="many trials"),
    ],
)
def test_the_bounds_of_a_proportion(
    successes: int, trials: int, bounds: tuple[float, float]
) -> None:
    assert proportion_bounds(successes, trials, ALPHA) == pytest.approx(bounds, abs=1e-3)


@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from([ANY, RARE_FAILURES, Prior(Beta(1, 99))]),
    st.floats(1e-6, 0.5),
)  # fmt: skip
def test_the_bounds_enclose_the_observed_proportion(
    successes: int, failures: int, prior: Prior, alpha: float
) -> None:
    sample = Proportion(successes, successes + failures, prior)
    assert sample.lowest <= 1e-6
    lower, upper = sample.bounds_at(-2 * sample.lowest + 1)
    assert 0 <= lower <= sample.observed <= upper <= 1
    assert proportion_bounds(successes, successes + failures, alpha)[0] <= sample.observed


@pytest.mark.parametrize(("successes", "failures"), [(787_096, 1), (1, 787_096)])
def test_one_outlier_of_many_trials_has_bounds_at_any_level(successes: int, failures: int) -> None:
    """The border is nearer to 0 or 1 than floats can say."""
    sample = Proportion(successes, successes + failures)
    for level in (5.0, 15.0, 25.0, 40.0, 1000.0):
        lower, upper = sample.bounds_at(level)
        assert 0 <= lower <= sample.observed <= upper <= 1


@pytest.mark.parametrize("prior", [ANY, RARE_FAILURES])
def test_a_total_failure_shows_after_a_few_trials(prior: Prior) -> None:
    assert Proportion(0, 20, prior).bounds_at(4.6)[1] < 0.5


def test_a_level_that_no_proportion_has_gives_the_observed_one() -> None:
    assert Proportion(30, 100).bounds_at(-100.0) == pytest.approx((0.3, 0.3))


@pytest.mark.untraced
@pytest.mark.parametrize("proportion", [0.02, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("prior", [ANY, RARE_FAILURES])
def test_the_bounds_of_a_proportion_hold_at_every_look(proportion: float, prior: Prior) -> None:
    """A bound for one look would fail at some of them in a third of the runs."""
    random = Random(1)
    level = 2.9957  # log(1 / ALPHA)
    missed = 0
    for _ in range(60):
        successes = outcomes(random, proportion)
        for trials in LOOKS:
            lower, upper = Proportion(successes[trials - 1], trials, prior).bounds_at(level)
            if not lower <= proportion <= upper:
                missed += 1
                break
    assert missed <= 60 * ALPHA


@pytest.mark.untraced
@pytest.mark.parametrize(
    ("one", "other"), [(0.99, 0.99), (0.5, 0.8)], ids=["the same", "different"]
)
def test_the_bounds_of_a_difference_hold_at_every_look(one: float, other: float) -> None:
    random = Random(2)
    missed = 0
    for _ in range(40):
        mine, theirs = outcomes(random, one), outcomes(random, other)
        for trials in LOOKS[::3]:
            lower, upper = difference_bounds(
                Proportion(mine[trials // 2], trials // 2 + 1),
                Proportion(theirs[trials - 1], trials),
                ALPHA,
            )
            if not lower <= one - other <= upper:
                missed += 1
                break
    assert missed <= 40 * ALPHA


def test_a_difference_shows_sooner_than_with_two_bounds_of_their_own() -> None:
    one, other = Proportion(285, 1000), Proportion(400, 1000)
    lower, upper = difference_bounds(one, other, ALPHA)
    first = proportion_bounds(285, 1000, ALPHA / 2)
    second = proportion_bounds(400, 1000, ALPHA / 2)
    assert first[0] - second[1] < lower < -0.1 < upper < 0 < first[1] - second[0]


def test_without_requests_on_one_side_a_difference_is_open() -> None:
    assert difference_bounds(Proportion(0, 0), Proportion(0, 0), ALPHA) == pytest.approx((-1, 1))


def test_the_rectangles_enclose_each_pair_of_values_below_the_level() -> None:
    one, other = Proportion(30, 40), Proportion(90, 100)
    pairs = tuple(joint_bounds(one, other, ALPHA))
    for number in range(50):
        share = number / 50
        low, high = one.bounds_at(one.lowest + share * (2.99 - one.lowest - other.lowest))
        left, right = other.bounds_at(
            2.99 - one.lowest - share * (2.99 - one.lowest - other.lowest)
        )
        for value, partner in ((low, left), (low, right), (high, left), (high, right)):
            assert any(
                mine[0] <= value <= mine[1] and theirs[0] <= partner <= theirs[1]
                for mine, theirs in pairs
            )
