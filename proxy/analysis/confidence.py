"""Confidence sequences: bounds of a proportion that hold at every look, however often one looks (ADR 31).

The method of mixtures (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric,
nonasymptotic confidence sequences"): the likelihood of all outcomes so far under a beta prior, divided by their
likelihood under the true proportion, is a martingale that begins at 1. By Ville's inequality it ever reaches
1 / alpha with a probability of at most alpha. The bounds enclose each proportion whose ratio is smaller.

The product of two such ratios of independent samples is a martingale, too. So one alpha is enough for both samples.
"""

from collections.abc import Callable, Iterator
from functools import cache
from math import exp, inf, lgamma, log, log1p
from typing import Protocol

from msgspec import Struct

Bounds = tuple[float, float]
"""The lower and the upper bound."""

_HALVINGS = 40
_STEPS = 24
"""The number of rectangles that enclose the values of two samples. More of them enclose the values more closely."""


class Sample(Protocol):
    """Outcomes of one side, and the ratio of each value that the side may have."""

    @property
    def lowest(self) -> float:
        """The log of the smallest ratio; at most 0."""
        ...

    def bounds_at(self, level: float) -> Bounds:
        """Bounds of the values of which the log of the ratio is below `level`. A lower level gives narrower bounds."""
        ...


class Beta(Struct, frozen=True):
    """A beta distribution of the true proportion."""

    successes: float
    failures: float

    def log_likelihood(self, successes: float, failures: float) -> float:
        """The log of the likelihood of these outcomes under it."""
        with_outcomes = _log_beta(self.successes + successes, self.failures + failures)
        return with_outcomes - _log_beta_of(self)


class Prior(Struct, frozen=True):
    """A mean of beta distributions. The bounds hold with any prior; they are narrowest where it expects the proportion.

    `usual` has three quarters of the weight. `JEFFREYS` has the rest, so that a total failure is seen soon, too.
    """

    usual: Beta

    def log_mixture(self, successes: float, failures: float) -> float:
        """The log of the likelihood of these outcomes."""
        one = log(0.75) + self.usual.log_likelihood(successes, failures)
        other = log(0.25) + JEFFREYS.log_likelihood(successes, failures)
        return max(one, other) + log1p(exp(-abs(one - other)))


JEFFREYS = Beta(0.5, 0.5)
"""It is about equally good for every proportion."""
ANY = Prior(JEFFREYS)
RARE_FAILURES = Prior(Beta(20.0, 0.5))
"""For proportions above 90 per cent."""


class Proportion(Struct, frozen=True):
    """A number of successes. The trials are independent and have the same proportion."""

    successes: int
    trials: int
    prior: Prior = ANY

    @property
    def failures(self) -> int:
        return self.trials - self.successes

    @property
    def observed(self) -> float:
        """One half without any trial."""
        return self.successes / self.trials if self.trials else 0.5

    @property
    def lowest(self) -> float:
        return self._log_mixture() - self._log_likelihood(self.observed)

    def bounds_at(self, level: float) -> Bounds:
        observed, most = self.observed, self._log_mixture() - level

        def is_outside(proportion: float) -> bool:
            return self._log_likelihood(proportion) <= most

        lower = border(is_outside, 0.0, observed) if self.successes else 0.0
        upper = border(is_outside, 1.0, observed) if self.failures else 1.0
        return lower, upper

    def _log_mixture(self) -> float:
        return self.prior.log_mixture(self.successes, self.failures)

    def _log_likelihood(self, proportion: float) -> float:
        # Halving comes to 0 and 1 themselves: a border may be nearer to them than floats can say.
        if (self.successes and proportion == 0.0) or (self.failures and proportion == 1.0):
            return -inf
        likelihood = self.successes * log(proportion) if self.successes else 0.0
        return likelihood + self.failures * log1p(-proportion) if self.failures else likelihood


def proportion_bounds(successes: int, trials: int, alpha: float) -> Bounds:
    """Bounds of a proportion. With a probability of 1 - `alpha` they enclose it at all looks together."""
    return Proportion(successes, trials).bounds_at(log(1 / alpha))


def difference_bounds(one: Proportion, other: Proportion, alpha: float) -> Bounds:
    """Bounds of the proportion of `one` minus that of `other`, which hold at all looks together."""
    pairs = tuple(joint_bounds(one, other, alpha))
    lowest = min(first[0] - second[1] for first, second in pairs)
    return lowest, max(first[1] - second[0] for first, second in pairs)


def joint_bounds(one: Sample, other: Sample, alpha: float) -> Iterator[tuple[Bounds, Bounds]]:
    """Rectangles that enclose all pairs of values of which the product of the ratios is below 1 / `alpha`.

    They follow the border in steps: where the ratio of `one` is large, that of `other` is small.
    """
    level = log(1 / alpha)
    step = (level - one.lowest - other.lowest) / _STEPS
    # The middle ones reach farthest: a caller that looks for a pair of values finds it there.
    for number in sorted(range(_STEPS), key=lambda number: abs(2 * number - _STEPS)):
        lower = one.lowest + step * number
        yield one.bounds_at(lower + step), other.bounds_at(level - lower)


def border(is_outside: Callable[[float], bool], outside: float, inside: float) -> float:
    """The border between a value outside and one inside, by halving. The result is outside."""
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if is_outside(middle):
            outside = middle
        else:
            inside = middle
    return outside


@cache
def _log_beta_of(prior: Beta) -> float:
    return _log_beta(prior.successes, prior.failures)


def _log_beta(one: float, other: float) -> float:
    return lgamma(one) + lgamma(other) - lgamma(one + other)
