"""Counts of the outcomes of one route: values that can be encoded, kept in a file, and merged."""

from collections.abc import Iterable

from msgspec import Struct, field

from proxy.comparison.outcome import Example, Kind
from proxy.comparison.users import merged_users

MAX_PLACES = 200
"""Places of one time slice."""
MAX_PATTERNS = 200
MAX_REASONS = 32

Counter = dict[str, int]


class PlaceCounts(Struct):
    """How often responses differed at one place."""

    path: str
    kind: Kind
    count: int = 0
    replays: int = 0
    """How often the incumbent differed from itself there."""
    users: list[int] = field(default_factory=list)
    left: Example = None
    right: Example = None

    @property
    def key(self) -> str:
        return f"{self.kind} {self.path}"


class SliceCounts(Struct):
    """The outcomes within one slice of time."""

    compared: int = 0
    equal: int = 0
    replayed: int = 0
    faster: int = 0
    """Comparisons in which the newcomer was faster by as much as makes a response slow."""
    places: dict[str, PlaceCounts] = field(default_factory=dict)
    patterns: Counter = field(default_factory=dict)
    """The number of responses for each set of places at which they differed: the keys of places, a line each."""
    unknown: int = 0
    """Responses with differences beyond the bounds of `places` and `patterns`."""
    invalid: Counter = field(default_factory=dict)
    dropped: Counter = field(default_factory=dict)


class ParityCounts(Struct):
    """The counts of one route. `slices` have the number of their slice of time since 1970."""

    slices: dict[int, SliceCounts] = field(default_factory=dict)
    first: int | None = None
    """The number of the first slice that ever was."""


def increase(counter: Counter, key: str, number: int = 1) -> bool:
    """Add to a bounded counter. False if there is no room for another key."""
    if key not in counter and len(counter) >= MAX_PATTERNS:
        return False
    counter[key] = counter.get(key, 0) + number
    return True


def increase_reason(counter: Counter, reason: str, number: int = 1) -> None:
    """Count a reason. Those that are too many count as `other`."""
    key = reason if reason in counter or len(counter) < MAX_REASONS else "other"
    counter[key] = counter.get(key, 0) + number


def merged(parts: Iterable[ParityCounts]) -> ParityCounts:
    """The counts of several workers or replicas together."""
    whole = ParityCounts()
    for part in parts:
        if part.first is not None:
            whole.first = part.first if whole.first is None else min(whole.first, part.first)
        for number, counts in part.slices.items():
            merge_slice(whole.slices.setdefault(number, SliceCounts()), counts)
    return whole


def merge_slice(whole: SliceCounts, part: SliceCounts) -> None:
    """Add the counts of `part` to `whole`."""
    whole.compared += part.compared
    whole.equal += part.equal
    whole.replayed += part.replayed
    whole.faster += part.faster
    whole.unknown += part.unknown
    for key, place in part.places.items():
        _merge_place(whole.places, key, place)
    for pattern, number in part.patterns.items():
        is_known = all(key in whole.places for key in pattern.split("\n"))
        if not (is_known and increase(whole.patterns, pattern, number)):
            whole.unknown += number
    for reason, number in part.invalid.items():
        increase_reason(whole.invalid, reason, number)
    for reason, number in part.dropped.items():
        increase_reason(whole.dropped, reason, number)


def _merge_place(places: dict[str, PlaceCounts], key: str, part: PlaceCounts) -> None:
    if key not in places and len(places) >= MAX_PLACES:
        return
    whole = places.setdefault(
        key, PlaceCounts(part.path, part.kind, left=part.left, right=part.right)
    )
    if not whole.count:
        # Until then the example is one of the incumbent with itself.
        whole.left, whole.right = part.left, part.right
    whole.count += part.count
    whole.replays += part.replays
    whole.users = merged_users((whole.users, part.users))
