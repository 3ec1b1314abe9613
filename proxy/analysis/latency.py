"""Histograms of latencies that can be added, and bounds of a quantile that hold at every look (ADR 31).

Bucket `i` has the latencies above `EDGES_S[i - 1]`, up to `EDGES_S[i]`. Each edge is 2.2 per cent above the one before.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate
from math import log, log1p

from proxy.analysis.confidence import Beta, Bounds, Prior, border

_OCTAVE = 32
EDGES_S = tuple(0.00025 * 2 ** (number / _OCTAVE) for number in range(18 * _OCTAVE + 1))
"""From 0.25 ms to 65 s."""
BUCKETS = len(EDGES_S) + 1
"""The last bucket has no upper edge."""
UNBOUNDED_S = 1e9
"""Stands for its upper edge."""


class Quantile:
    """The latency that a share of the requests does not exceed. A `Sample` of `proxy.analysis.confidence`.

    The number of requests up to the true quantile is binomial, whatever the distribution of latencies is. So its
    ratio is that of a proportion, and no bucket but that of the quantile matters (Howard and Ramdas 2022, "Sequential
    estimation of quantiles with applications to A/B testing and best-arm identification").
    """

    def __init__(self, latency: Mapping[int, int], share: float) -> None:
        """`latency` has the number of requests of each bucket. `share` is at least one half, and less than 1."""
        self._buckets = sorted(bucket for bucket, count in latency.items() if count)
        self._sums = list(accumulate(latency[bucket] for bucket in self._buckets))
        self._share = share
        self._prior = Prior(Beta(0.5 * share / (1 - share), 0.5))

    @property
    def requests(self) -> int:
        return self._sums[-1] if self._sums else 0

    @property
    def observed(self) -> float:
        """In seconds; 0 without requests."""
        if not self._buckets:
            return 0.0
        wanted = self._share * self.requests
        at = bisect_left(self._sums, wanted)
        before = self._sums[at - 1] if at else 0
        lower, upper = _edges(self._buckets[at])
        if upper == UNBOUNDED_S:
            return lower
        return lower + (upper - lower) * (wanted - before) / (self._sums[at] - before)

    @cached_property
    def lowest(self) -> float:
        return self._log_ratio(self._likeliest)

    def bounds_at(self, level: float) -> Bounds:
        """In seconds, at the edges of buckets."""
        requests, likeliest = float(self.requests), self._likeliest

        def is_outside(count: float) -> bool:
            return self._log_ratio(count) >= level

        fewest = border(is_outside, 0.0, likeliest) if is_outside(0.0) else 0.0
        most = border(is_outside, requests, likeliest) if is_outside(requests) else requests
        return self._lower_edge(fewest), self._upper_edge(most)

    def _lower_edge(self, fewest: float) -> float:
        """The quantile is not below: up to there, there are fewer requests."""
        if fewest == 0.0:
            return 0.0
        at = min(bisect_right(self._sums, fewest), len(self._sums) - 1)
        return _edges(self._buckets[at])[0]

    def _upper_edge(self, most: float) -> float:
        """The quantile is not above: up to the bucket before, there are more requests."""
        at = bisect_right(self._sums, most)
        if at == len(self._sums):
            return UNBOUNDED_S
        return _edges(self._buckets[at])[1]

    @cached_property
    def _likeliest(self) -> float:
        """The number of requests with the smallest ratio. The ratio is convex in it."""
        low, high = 0.0, float(self.requests)
        for _ in range(30):
            third = (high - low) / 3
            if self._log_ratio(low + third) < self._log_ratio(high - third):
                high -= third
            else:
                low += third
        return (low + high) / 2

    def _log_ratio(self, count: float) -> float:
        """With `count` requests up to the quantile."""
        rest = self.requests - count
        likelihood = count * log(self._share) + rest * log1p(-self._share)
        return self._prior.log_mixture(count, rest) - likelihood


def _edges(bucket: int) -> Bounds:
    lower = EDGES_S[bucket - 1] if bucket else 0.0
    return lower, EDGES_S[bucket] if bucket < len(EDGES_S) else UNBOUNDED_S
