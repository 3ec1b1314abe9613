"""The parity of a route over several facades, from the report of each."""

from collections.abc import Sequence

from msgspec.structs import replace

from proxy.comparison.counts import Counter
from proxy.comparison.outcome import Place
from proxy.comparison.report import ALPHA, DifferenceReport, ParityReport, lower_bound


def merged_reports(reports: Sequence[ParityReport]) -> ParityReport:
    """One report for all. At least one is given.

    Users of several facades count for each of them. The upper bound is the mean of theirs, by their responses.
    """
    if len(reports) == 1:
        return reports[0]
    compared = sum(each.compared for each in reports)
    equal = sum(each.equal for each in reports)
    dropped: Counter = {}
    for report in reports:
        for reason, number in report.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + number
    return ParityReport(
        reports[0].route,
        max(each.window_s for each in reports),
        compared,
        equal,
        sum(each.baseline_invalid for each in reports),
        dropped,
        equal / compared if compared else 1.0,
        lower_bound(equal, compared, ALPHA / 2),
        sum(each.upper_bound * each.compared for each in reports) / compared if compared else 1.0,
        _differences(reports, compared),
    )


def _differences(reports: Sequence[ParityReport], compared: int) -> tuple[DifferenceReport, ...]:
    merged: dict[Place, DifferenceReport] = {}
    for report in reports:
        for each in report.differences:
            place = each.path, each.kind
            before = merged.get(place)
            merged[place] = each if before is None else _together(before, each)
    shared = (replace(each, share=each.count / compared) for each in merged.values())
    return tuple(sorted(shared, key=lambda each: (-each.count, each.path, each.kind)))


def _together(one: DifferenceReport, other: DifferenceReport) -> DifferenceReport:
    """Of one place. It is noise if it is noise everywhere."""
    return replace(
        one,
        count=one.count + other.count,
        noise=one.noise and other.noise,
        declared=one.declared and other.declared,
        users=one.users + other.users,
    )
