"""The parity of a route over several facades: their counts are added, and one report is made of the sum."""

from collections.abc import Sequence

from msgspec import Struct

from proxy.comparison.counts import ParityCounts, merged
from proxy.comparison.report import ParityReport, parity_report
from proxy.model import CompareRules


class RouteCounts(Struct, frozen=True):
    """What one facade has counted."""

    route: str
    setup: str
    """What the counts depend on. Counts of different setups do not belong together."""
    rules: CompareRules
    counts: ParityCounts


def merged_report(parts: Sequence[RouteCounts], now: float) -> ParityReport:
    """One report for all, at Unix time `now`. At least one part is given, and all have the same setup."""
    first = parts[0]
    return parity_report(first.route, first.rules, merged(part.counts for part in parts), now)
