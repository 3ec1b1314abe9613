"""`facade history`: who changed the table, when, why, and what; and whether the chain is complete."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from proxy.cli.edit_options import DEFAULT_ROUTES, add_json, routes_path
from proxy.control.atomic_file import resolve_links
from proxy.control.changes import Changes, sentences
from proxy.control.edits.parsed_table import parsed_table
from proxy.control.history.entries import FOUND, NOT_CARRIED_OUT, Entry, HistoryScan, carried_out
from proxy.control.history.file import history_path, load_history, record_table
from proxy.control.rollout_mark import RolloutMark
from proxy.control.table_bytes import read_table
from proxy.control.text_diff import printable
from proxy.errors import TableError

_HEADER = ("time", "who", "action", "what changed", "reason", "version")


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    command.add_argument("--routes", default=DEFAULT_ROUTES, metavar="FILE", help="the route table")
    command.add_argument("--route", metavar="R", help="only what touched this route")
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the history. Returns 1 if its chain is broken."""
    table = resolve_links(routes_path(arguments))
    faults = _record_current(table, arguments.routes)
    scan = load_history(table)
    entries = [e for e in scan.entries if arguments.route is None or touches(e, arguments.route)]
    if arguments.json:
        print(_as_json(table, scan, entries))
    elif entries:
        _print(scan, entries)
    else:
        about = f"{arguments.route} in " if arguments.route else ""
        print(f"there is no history of {about}{arguments.routes} yet")
    for line in (*_warnings(table, scan), *faults):
        print(f"facade: {line}", file=sys.stderr)
    return 1 if scan.broken_at else 0


def _record_current(table: Path, shown: str) -> list[str]:
    """Record an edit by hand, so that it is shown, too. Returns why that was not possible."""
    try:
        text = read_table(table)
        parsed = parsed_table(text, shown)
    except TableError:
        return [f"{shown} as it is now does not load, so it is not recorded: see `facade check`"]
    fault = record_table(table, parsed.text, time.time())
    return [] if fault is None else [fault]


def touches(entry: Entry, route: str) -> bool:
    """Whether an entry changes a route. A change of the kill switch concerns every route."""
    changes = entry.changes
    if isinstance(entry.rollout, RolloutMark) and entry.rollout.route == route:
        return True
    return (
        changes.kill_switch is not None
        or route in changes.changed
        or any(change.route == route for change in changes.routes)
    )


def _warnings(table: Path, scan: HistoryScan) -> list[str]:
    name = history_path(table).name
    warnings = [
        f"line {number} of {name} was cut short by a crash; the chain holds without it"
        for number in scan.torn
    ]
    if scan.begins_at > 1:
        warnings.append(f"{name} begins at entry {scan.begins_at:,}: older ones were dropped")
    if scan.broken_at:
        warnings.append(f"the chain of {name} is broken at line {scan.broken_at}: {scan.fault}")
    return warnings


# --- output ---------------------------------------------------------------------------------


def _row(entry: Entry, took_effect: bool) -> tuple[str, ...]:
    what = "; ".join(_what(entry))
    if not took_effect and entry.action != NOT_CARRIED_OUT:
        what += " (was not carried out)"
    versions = f"{entry.version_before or '-'} -> {entry.version_after}"
    row = (entry.time, entry.who, entry.action, what, entry.reason or "-", versions)
    return tuple(map(printable, row))


def _what(entry: Entry) -> list[str]:
    if entry.action == FOUND:
        return ["the table as it was found"]
    if isinstance(entry.rollout, RolloutMark) and entry.changes == Changes():
        return [f"{entry.rollout.route}: {entry.rollout.event}"]
    return sentences(entry.changes)


def _print(scan: HistoryScan, entries: Sequence[Entry]) -> None:
    effective = {entry.number for entry in carried_out(scan.entries)}
    rows = [_row(entry, entry.number in effective) for entry in entries]
    if sys.stdout.isatty():
        _print_table(rows)
        return
    widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]
    for row in (_HEADER, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console  # Slow to import, and only needed on a terminal.
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in _HEADER:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _as_json(table: Path, scan: HistoryScan, entries: Sequence[Entry]) -> str:
    body = {
        "file": str(history_path(table)),
        "chain": {
            "ok": not scan.broken_at,
            "begins_at": scan.begins_at,
            "broken_at_line": scan.broken_at or None,
            "fault": scan.fault or None,
            "torn_lines": scan.torn,
        },
        "entries": [_public(entry) for entry in entries],
    }
    return msgspec.json.encode(body).decode()


def _public(entry: Entry) -> dict[str, Any]:
    """An entry without the bytes of the table."""
    fields = msgspec.to_builtins(entry)
    del fields["table"]
    return {**fields, "summary": _what(entry)}
