"""The parity of one route: outcomes, counted in bounded memory.

Each worker has a `Parity` of its own. Its `counts` are a value: they can be encoded with `msgspec.json`, kept in a file
across restarts, and merged with those of other workers and replicas (`proxy.comparison.counts.merged`).
`proxy.comparison.report` makes the report.
"""

from proxy.comparison.counts import (
    MAX_PLACES,
    PlaceCounts,
    SliceCounts,
    increase,
    increase_reason,
)
from proxy.comparison.counts import ParityCounts as ParityCounts
from proxy.comparison.outcome import Difference, Outcome
from proxy.comparison.users import add_user

WINDOW_S = 86_400.0
SLICES = 24
"""The window moves on by one of its slices."""


class Parity:
    """Counts the outcomes of one route in one process. `now` is Unix time in seconds."""

    def __init__(self, counts: ParityCounts | None = None, window_s: float = WINDOW_S) -> None:
        """`counts` are those of an earlier process. Begin without any if the rules or the backends have changed."""
        self.counts = counts or ParityCounts()
        self._slice_s = window_s / SLICES

    def add(self, outcome: Outcome, now: float, user: int | None = None) -> None:
        """Count a comparison of incumbent and newcomer. `user` is `user_hash` of the cohort key, if there is one."""
        counts = self._slice(now)
        if outcome.result == "baseline_invalid":
            increase_reason(counts.invalid, outcome.reason)
        elif outcome.result == "not_compared":
            increase_reason(counts.dropped, outcome.reason)
        else:
            counts.compared += 1
            counts.faster += outcome.is_faster
            self._add_differences(counts, outcome, user)

    def _add_differences(self, counts: SliceCounts, outcome: Outcome, user: int | None) -> None:
        if not outcome.differences:
            counts.equal += 1
            return
        places = [_place(counts, each) for each in outcome.differences]
        known = [place for place in places if place is not None]
        for place, difference in zip(places, outcome.differences, strict=True):
            if place is None:
                continue
            if not place.count:
                place.left, place.right = difference.left, difference.right
            place.count += 1
            if user is not None:
                add_user(place.users, user)
        pattern = "\n".join(sorted(place.key for place in known))
        if len(known) < len(places) or not increase(counts.patterns, pattern):
            counts.unknown += 1

    def add_replay(self, outcome: Outcome, now: float) -> None:
        """Count a comparison of the incumbent with itself (`is_replay`), from which noise is learnt."""
        if outcome.result not in ("equal", "different"):
            return
        counts = self._slice(now)
        counts.replayed += 1
        for difference in outcome.differences:
            place = _place(counts, difference)
            if place is not None:
                place.replays += 1

    def drop(self, reason: str, now: float, count: int = 1) -> None:
        """Count requests that were not copied, or not compared."""
        increase_reason(self._slice(now).dropped, reason, count)

    def _slice(self, now: float) -> SliceCounts:
        """The counts of the current slice. Slices outside the window are forgotten."""
        number = int(now // self._slice_s)
        slices = self.counts.slices
        if number not in slices:
            for old in [each for each in slices if each <= number - SLICES]:
                del slices[old]
            slices[number] = SliceCounts()
            first = self.counts.first
            self.counts.first = number if first is None else min(first, number)
        return slices[number]


def _place(counts: SliceCounts, difference: Difference) -> PlaceCounts | None:
    """The counts of a place; None if there are too many places."""
    place = PlaceCounts(
        difference.path, difference.kind, left=difference.left, right=difference.right
    )
    if place.key in counts.places or len(counts.places) < MAX_PLACES:
        return counts.places.setdefault(place.key, place)
    return None
