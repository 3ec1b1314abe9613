"""The figures of all replicas since a step began. Pure.

A replica is known by the name of its counters. One that ends keeps its part of the sum: its requests were served. One
that begins later counts from its first report on.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from proxy.analysis.figures import Figures, FiguresReport, Parity
from proxy.analysis.verdicts import Sides


class Pair(Struct, frozen=True):
    """The backends of a route."""

    route: str
    legacy: str
    new: str


class ReplicaSums(Struct, frozen=True):
    """The counters of one replica at its first and its last report."""

    first: Sides
    last: Sides


Window = Mapping[str, ReplicaSums]
"""By the name of the replica's counters."""


class Reports(Struct, frozen=True):
    """What the admin listeners sent at one time."""

    reports: tuple[FiguresReport, ...] = ()
    missing: str = ""
    """Why at least one replica is missing."""
    parity: Parity | None = None


def after(window: Window, reports: Iterable[FiguresReport], pair: Pair) -> Window:
    """The window with these reports."""
    sums = dict(window)
    for report in reports:
        now = _counters(report, pair)
        known = sums.get(report.replica)
        sums[report.replica] = ReplicaSums(now, now) if known is None else replace(known, last=now)
    return sums


def sides(window: Window, parity: Parity | None) -> Sides:
    """The figures of both sides, over all replicas."""
    new = legacy = Figures()
    for sums in window.values():
        new = new.plus(sums.last.new.minus(sums.first.new))
        legacy = legacy.plus(sums.last.legacy.minus(sums.first.legacy))
    return Sides(new, legacy, parity)


def other_table(reports: Iterable[FiguresReport], version: str) -> str:
    """A sentence about a replica that serves another version of the table; empty if there is none."""
    for report in reports:
        others = [each for each in report.tables if each != version]
        if others:
            return f"{report.host} serves version {others[0]} of the table, not {version}"
    return ""


def open_breaker(reports: Iterable[FiguresReport], backend: str) -> str:
    """The backend, if a replica has opened its breaker."""
    states = (report.breakers.get(backend, "closed") for report in reports)
    return backend if any(state != "closed" for state in states) else ""


def unique(reports: Iterable[FiguresReport]) -> tuple[FiguresReport, ...]:
    """One report of each replica: it may have several addresses."""
    return tuple({report.replica: report for report in reports}.values())


def _counters(report: FiguresReport, pair: Pair) -> Sides:
    backends = report.routes.get(pair.route, {})
    return Sides(backends.get(pair.new, Figures()), backends.get(pair.legacy, Figures()))
