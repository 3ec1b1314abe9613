"""What a route's card shows of its rollout and its parity. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from proxy.comparison.report import DifferenceReport, ParityReport
from proxy.control.history.entries import Entry
from proxy.control.rollout.edits import is_active, last_marked
from proxy.control.rollout.machine import step_text
from proxy.control.rollout_mark import MarkEvent, RolloutMark, fits
from proxy.control.text_diff import shorten
from proxy.model import Rollout, Route

_MAX_DIFFERENCES = 3
_ALL = 100
_GOES_ON: frozenset[MarkEvent] = frozenset(("begun", "step", "passed"))
"""Events that say no more than the step."""


class RolloutView(Struct, frozen=True):
    """How far a rollout is."""

    text: str
    done: int
    """Steps."""
    total: int
    is_active: bool
    reason: str


class ParityView(Struct, frozen=True):
    """How equal the responses of both backends are."""

    share: str
    bounds: str
    compared: int
    differences: tuple[str, ...]
    """The most frequent ones."""


class Extras(Struct, frozen=True):
    """The parts of a card that a route may lack."""

    rollout: RolloutView | None = None
    parity: ParityView | None = None


def extras_of(route: Route, entries: Sequence[Entry], report: ParityReport | None) -> Extras:
    """`entries` are the newest ones. `report` is None for a route without a comparison."""
    rollout = None if route.rollout is None else _rollout(route, route.rollout, entries)
    return Extras(rollout, None if report is None else _parity(report))


def _rollout(route: Route, rollout: Rollout, entries: Sequence[Entry]) -> RolloutView:
    total = len(rollout.steps)
    entry = last_marked(entries, route.name)
    mark = None if entry is None else entry.rollout
    if entry is None or not isinstance(mark, RolloutMark):
        return RolloutView("not begun", 0, total, False, "")
    text = mark.event.replace("_", " ")
    if is_active(mark):
        at = step_text(rollout, mark.step)
        text = at if mark.event in _GOES_ON else f"{text}, {at}"
        if not fits(mark, route):
            text += ", waits: the route was changed by hand"
    reason = "" if mark.event in _GOES_ON else shorten(entry.reason)
    return RolloutView(text, min(mark.step, total), total, is_active(mark), reason)


def _parity(report: ParityReport) -> ParityView:
    if not report.compared:
        return ParityView("–", "no response was compared yet", 0, ())
    differences = [_difference(each) for each in report.differences[:_MAX_DIFFERENCES]]
    bounds = f"between {_percent(report.lower_bound)} and {_percent(report.upper_bound)}"
    return ParityView(_percent(report.share), bounds, report.compared, tuple(differences))


def _difference(report: DifferenceReport) -> str:
    note = " (declared)" if report.declared else " (noise)" if report.noise else ""
    path = shorten(report.path or "the whole", _ALL)
    return f"{path}: {report.kind.replace('_', ' ')}, {_percent(report.share)}{note}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
