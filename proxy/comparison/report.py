"""The report of a route's parity: what `/parity` and `facade parity --json` show."""

from collections.abc import Iterable
from datetime import UTC, datetime
from math import log

from msgspec import Struct

from proxy.analysis.confidence import RARE_FAILURES, Bounds, Proportion
from proxy.comparison.counts import ParityCounts, PlaceCounts, SliceCounts, merge_slice
from proxy.comparison.noise import State, Trials, state_of_place, state_of_slowness
from proxy.comparison.outcome import Example, Kind
from proxy.comparison.parity import SLICES, WINDOW_S
from proxy.comparison.places import pointer_of_difference
from proxy.comparison.users import user_count
from proxy.model import CompareRules

ALPHA = 0.05
"""The probability with which the bounds ever fail to enclose the share."""


class ExampleReport(Struct, frozen=True):
    left: Example
    right: Example


class DifferenceReport(Struct, frozen=True):
    """One place at which responses differ. `share` is a share of the compared responses."""

    path: str
    kind: Kind
    count: int
    share: float
    declared: bool
    noise: bool
    users: int
    example: ExampleReport

    @property
    def counts(self) -> bool:
        """Whether a response that differs here is not equal."""
        return not (self.declared or self.noise)


class ParityReport(Struct, frozen=True):
    """The parity of one route. `msgspec.json.encode` gives the JSON of the admin listener."""

    route: str
    window_s: float
    compared: int
    equal: int
    """Declared differences and noise do not count."""
    baseline_invalid: int
    dropped: dict[str, int]
    share: float
    """1 without any comparison: see the bounds."""
    lower_bound: float
    upper_bound: float
    differences: tuple[DifferenceReport, ...]
    """The most frequent ones first."""


def parity_report(
    route: str,
    rules: CompareRules,
    counts: ParityCounts,
    now: float,
    *,
    alpha: float = ALPHA,
    window_s: float = WINDOW_S,
) -> ParityReport:
    """The report at Unix time `now`. The bounds hold at every look, together with probability 1 - `alpha`."""
    window, alpha = _window(counts, int(now // (window_s / SLICES)), alpha)
    declared = declared_pointers(rules, now)
    places = [place for place in window.places.values() if place.count]
    is_declared = {place.key: is_below(place.path, declared) for place in places}
    states = {place.key: _state(place, rules, window) for place in places}
    harmless = {key for key, state in states.items() if state == "noise" or is_declared[key]}
    unsure = harmless | {key for key, state in states.items() if state == "unsure"}
    equal = window.equal + _count_within(window, harmless)
    perhaps_equal = window.equal + _count_within(window, unsure)
    compared = window.compared
    return ParityReport(
        route,
        window_s,
        compared,
        equal,
        sum(window.invalid.values()),
        window.dropped,
        equal / compared if compared else 1.0,
        lower_bound(equal, compared, alpha),
        _bounds(perhaps_equal, compared, alpha)[1],
        tuple(
            _difference(place, compared, is_declared[place.key], states[place.key] == "noise")
            for place in sorted(places, key=lambda each: (-each.count, each.path, each.kind))
            # Some responses are slow on any machine: that is not worth a line.
            if place.kind != "slow" or states[place.key] == "real"
        ),
    )


def lower_bound(equal: int, compared: int, alpha: float) -> float:
    return _bounds(equal, compared, alpha)[0]


def _bounds(equal: int, compared: int, alpha: float) -> Bounds:
    return Proportion(equal, compared, RARE_FAILURES).bounds_at(log(1 / alpha))


def _window(counts: ParityCounts, current: int, alpha: float) -> tuple[SliceCounts, float]:
    """The counts within the window, and the alpha of their bounds.

    Each beginning of the window is a sequence of its own. The n-th has alpha / (n (n + 1)): all of them together
    have alpha, so the bounds hold for all windows, too.
    """
    oldest = current - SLICES + 1
    whole = SliceCounts()
    for number in sorted(counts.slices):
        if number >= oldest:
            merge_slice(whole, counts.slices[number])
    first = current if counts.first is None else counts.first
    beginnings = 1 + max(0, oldest - first)
    return whole, alpha / (beginnings * (beginnings + 1))


def declared_pointers(rules: CompareRules, now: float) -> tuple[str, ...]:
    """The places of the differences that are accepted today (rule 7)."""
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    return tuple(pointer_of_difference(each.path) for each in rules.ignore if today < each.expires)


def is_below(path: str, pointers: Iterable[str]) -> bool:
    """Whether a path is one of these places, or within one."""
    is_pointer = not path or path.startswith("/")
    return any(path == each or (is_pointer and path.startswith(f"{each}/")) for each in pointers)


def _state(place: PlaceCounts, rules: CompareRules, window: SliceCounts) -> State:
    trials = Trials(window.compared, window.replayed, window.faster)
    if place.kind == "slow":
        return state_of_slowness(place.count, trials)
    if not rules.noise_rate:
        return "real"
    return state_of_place(place.count, place.replays, trials)


def _count_within(window: SliceCounts, keys: set[str]) -> int:
    """The number of responses that differ at some of these places and at no other one."""
    return sum(
        number
        for pattern, number in window.patterns.items()
        if all(key in keys for key in pattern.split("\n"))
    )


def _difference(place: PlaceCounts, compared: int, declared: bool, noise: bool) -> DifferenceReport:
    return DifferenceReport(
        place.path,
        place.kind,
        place.count,
        place.count / compared,
        declared,
        noise,
        user_count(place.users),
        ExampleReport(place.left, place.right),
    )
