"""Prints a report of parity for people."""

import json

from proxy.cli.output import Screen
from proxy.comparison.outcome import Example
from proxy.comparison.report import DifferenceReport, ParityReport

_SHOWN = 20
_MAX_EXAMPLE = 40


def print_report(screen: Screen, report: ParityReport) -> None:
    """The figures, and a table of the differences."""
    screen.fact("route", report.route)
    screen.fact("window", f"{report.window_s / 3600:g} h")
    different = report.compared - report.equal
    counted = f"{report.compared:,} responses: {report.equal:,} equal, {different:,} different"
    screen.fact("compared", counted)
    screen.fact("parity", _parity(report), "bold")
    left_out = _left_out(report)
    if left_out:
        screen.fact("left out", left_out)
    if report.differences:
        screen.line()
        shown = report.differences[:_SHOWN]
        headings = ("share", "kind", "path", "users", "", "incumbent", "newcomer")
        screen.table(headings, list(map(_row, shown)))
    if len(report.differences) > _SHOWN:
        screen.line(f"and {len(report.differences) - _SHOWN:,} other places; --json lists them")


def _parity(report: ParityReport) -> str:
    if not report.compared:
        return "unknown: no response was compared"
    bounds = f"{_percent(report.lower_bound)} to {_percent(report.upper_bound)}"
    return f"{_percent(report.share)}; {bounds} with a confidence of 95 %"


def _percent(share: float) -> str:
    """Two decimals, rounded down: 100 % is all of them."""
    return f"{int(share * 10_000) / 100:.2f} %"


def _left_out(report: ParityReport) -> str:
    dropped = sum(report.dropped.values())
    parts = []
    if report.baseline_invalid:
        parts.append(f"{report.baseline_invalid:,} without a valid response of the incumbent")
    if dropped:
        reasons = sorted(report.dropped.items(), key=lambda each: (-each[1], each[0]))
        listed = ", ".join(f"{reason} {number:,}" for reason, number in reasons)
        parts.append(f"{dropped:,} not sent or not compared ({listed})")
    return "; ".join(parts)


def _row(each: DifferenceReport) -> tuple[str, ...]:
    note = "declared" if each.declared else "noise" if each.noise else ""
    users = f"{each.users:,}" if each.users else ""
    left, right = _shown(each.example.left), _shown(each.example.right)
    return _percent(each.share), each.kind, each.path or "(document)", users, note, left, right


def _shown(example: Example) -> str:
    text = "-" if example is None else json.dumps(example, ensure_ascii=False)
    return text if len(text) <= _MAX_EXAMPLE else text[: _MAX_EXAMPLE - 1] + "…"
