"""`facade ledger`: what of the monolith is still used, and what nobody asked for."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from proxy.cli.files import load_routes, unreadable
from proxy.cli.log_files import add_log_files, log_members, no_request, print_log_notes, read_logs
from proxy.cli.output import Screen, add_json, err, out, print_json, safe
from proxy.control.replay.log_reader import KNOWN_FORMATS, LogReader
from proxy.errors import FacadeError
from proxy.ledger.callers import Callers, read_classes
from proxy.ledger.known_endpoints import MAX_BYTES, read_known
from proxy.ledger.ledger import Ledger, LedgerFile, read_ledger
from proxy.ledger.report import Known, Line, Report, monolith_of, report

_MAX_LEDGER_BYTES = 64 * 1024 * 1024
_MAX_DAYS = 3_650
_SHOWN = 30


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "List the endpoints of the monolith by template, from access logs: those that are still "
        "used, with their callers, and those that nobody asked for, which are safe to delete. "
        f"The format is recognised: {KNOWN_FORMATS}."
    )
    add_log_files(command, "--from")
    command.add_argument(
        "--state",
        metavar="FILE",
        help="add the logs to the ledger in this file; lines that are in it already are skipped",
    )
    command.add_argument("--routes", default="routes.yaml", metavar="FILE", help="the route table")
    command.add_argument(
        "--monolith",
        action="append",
        default=[],
        metavar="BACKEND",
        help="the backends that are the monolith, if not the first ones of routes with a stage",
    )
    command.add_argument(
        "--endpoints",
        metavar="FILE",
        help="what the monolith has: OpenAPI, or a method and a path in each line",
    )
    command.add_argument(
        "--quiet",
        type=_days,
        default=30.0,
        metavar="DAYS",
        help="nobody asked for so long: safe to delete (30)",
    )
    command.add_argument(
        "--caller",
        action="append",
        default=[],
        metavar="NAME=NETWORKS",
        help="a class of callers, beside local, private and public; may be given several times",
    )
    command.add_argument("--host", default="", metavar="HOST", help="the Host, to find routes by")
    add_json(command)
    command.set_defaults(run=run)


def _days(text: str) -> float:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MAX_DAYS):
        raise argparse.ArgumentTypeError(f"write a number of days from 1 to {_MAX_DAYS}")
    return float(text)


def run(arguments: argparse.Namespace) -> int:
    """Count logs, store the ledger, and print the report."""
    table = load_routes(arguments.routes).table
    known = _known(arguments.endpoints)
    names = {backend.name for backend in table.backends}
    for name in arguments.monolith:
        if name not in names:
            raise FacadeError(f"facade: --monolith {safe(name)}: the table has no such backend")
    monolith = frozenset(arguments.monolith) or monolith_of(table)
    state = None if arguments.state is None else Path(arguments.state)
    before = _stored(state)
    ledger = Ledger(monolith, Callers(read_classes(arguments.caller)), before)
    reader = LogReader(ledger.count)
    read_logs(reader, arguments.logs)
    if not (ledger.requests or ledger.skipped):
        raise no_request(arguments.logs, reader)
    stored = ledger.stored()
    if state is not None:
        _store(state, stored)
    found = report(stored, table, known, arguments.host, arguments.quiet)
    if arguments.json:
        print_json({**log_members(reader), **_as_json(ledger, stored, found)})
    else:
        _print(out(), stored, found, arguments.quiet)
        _print_notes(err(), ledger, reader)
    return 0


def _known(file: str | None) -> list[Known]:
    return [] if file is None else read_known(_read(file, MAX_BYTES), safe(file))


def _stored(state: Path | None) -> LedgerFile | None:
    if state is None or not state.exists():
        return None
    return read_ledger(_read(str(state), _MAX_LEDGER_BYTES), safe(str(state)))


def _read(file: str, max_bytes: int) -> bytes:
    try:
        with open(file, "rb") as stream:
            text = stream.read(max_bytes + 1)
    except OSError as error:
        raise unreadable(file, error, "name a file that can be read") from None
    if len(text) > max_bytes:
        raise FacadeError(f"facade: {safe(file)} is larger than {max_bytes // 1024**2} MiB")
    return text


def _store(state: Path, stored: LedgerFile) -> None:
    """Replace the file in one step, so that a crash leaves the one before."""
    pending = state.with_name(f".{state.name}.new")
    try:
        pending.write_bytes(msgspec.json.encode(stored))
        pending.replace(state)
    except OSError as error:
        raise unreadable(str(state), error, "name a file that can be written") from None


# --- output ---------------------------------------------------------------------------------


def _as_json(ledger: Ledger, stored: LedgerFile, found: Report) -> dict[str, Any]:
    return {
        "covers_from": stored.covers_from,
        "covers_to": stored.covers_to,
        "days": found.days,
        "is_long_enough": found.is_long_enough,
        "requests": ledger.requests,
        "skipped": ledger.skipped,
        "not_found": stored.not_found,
        "used": [_members(line) for line in found.used],
        "unused": [_members(line) for line in found.unused],
        "never_asked_for": [msgspec.to_builtins(each) for each in found.never],
        "idle_routes": found.idle_routes,
    }


def _members(line: Line) -> dict[str, Any]:
    use = line.endpoint.use
    return {
        "method": line.endpoint.method,
        "path": line.endpoint.path,
        "route": line.route or None,
        "stage": line.stage or None,
        "monolith": use.monolith,
        "moved": use.moved,
        "last_at_monolith": use.last_monolith or None,
        "last_moved": use.last_moved or None,
        "callers": use.callers,
    }


def _print(screen: Screen, stored: LedgerFile, found: Report, quiet_days: float) -> None:
    screen.line(
        f"{stored.covers_from or '-'} to {stored.covers_to or '-'} ({found.days:g} days): "
        f"{len(found.used):,} endpoints of the monolith are used."
    )
    _print_lines(screen, "Still used, the most requests first:", found.used)
    safe_text = f"Nobody asked the monolith for {quiet_days:g} days"
    if found.is_long_enough:
        title = f"{safe_text}, safe to delete there:"
    else:
        title = f"No request to the monolith, but the ledger covers less than {quiet_days:g} days:"
    _print_lines(screen, title, found.unused)
    names = [f"{each.method or 'any method'} {each.path}" for each in found.never]
    _print_names(screen, "In --endpoints, and never asked for:", names)
    _print_names(screen, "Routes of the table without a request:", found.idle_routes)


def _print_lines(screen: Screen, title: str, lines: tuple[Line, ...]) -> None:
    if not lines:
        return
    screen.line()
    screen.line(screen.styled(title, "bold"))
    headings = ("requests", "moved", "last at the monolith", "endpoint", "stage", "callers")
    screen.table(headings, [_row(line) for line in lines[:_SHOWN]])
    if len(lines) > _SHOWN:
        screen.line(f"and {len(lines) - _SHOWN:,} more; --json lists them")


def _row(line: Line) -> tuple[str, ...]:
    use = line.endpoint.use
    callers = ", ".join(f"{name} {count:,}" for name, count in sorted(use.callers.items()))
    return (
        f"{use.monolith:,}",
        f"{use.moved:,}",
        use.last_monolith.replace("T", " ") or "never",
        f"{line.endpoint.method} {line.endpoint.path}",
        line.stage or "-",
        callers or "-",
    )


def _print_names(screen: Screen, title: str, names: list[str] | tuple[str, ...]) -> None:
    if not names:
        return
    screen.line()
    screen.line(screen.styled(title, "bold"))
    for name in names[:_SHOWN]:
        screen.line(f"  {safe(name)}")
    if len(names) > _SHOWN:
        screen.line(f"  and {len(names) - _SHOWN:,} more; --json lists them")


def _print_notes(screen: Screen, ledger: Ledger, reader: LogReader) -> None:
    """The limits of the figures, on standard error."""
    if ledger.skipped:
        screen.note(f"requests that were in the ledger already: {ledger.skipped:,}")
    if ledger.not_found:
        screen.note(f"responses with 404, which belong to no endpoint: {ledger.not_found:,}")
    if ledger.without_time:
        screen.note(f"lines without a time that can be read: {ledger.without_time:,}")
    print_log_notes(screen, reader)
