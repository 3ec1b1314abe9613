"""`facade plan`: what a new table would change for recorded traffic."""

import argparse
import hashlib
import re
from typing import Any

from proxy.cli.files import read_routes
from proxy.cli.log_files import (
    add_log_files,
    log_members,
    no_request,
    print_log_notes,
    read_logs,
)
from proxy.cli.output import Screen, add_json, err, out, print_json, safe
from proxy.config.load import load
from proxy.control.replay.log_reader import KNOWN_FORMATS, LogReader
from proxy.control.replay.plan import Expected, Move, Plan, Side, Tally, parse_expected
from proxy.errors import FacadeError

_MOVES_SHOWN = 20
_HOST = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Replay access logs through two tables, with the recorded draws, and say which "
        f"requests change backend. The format is recognised: {KNOWN_FORMATS}."
    )
    command.epilog = (
        "Exit status: 0 done, 2 a table or the log cannot be read, "
        "3 a request moves that --expect does not allow."
    )
    command.add_argument("old", metavar="OLD", help="the table that the traffic was recorded under")
    command.add_argument("new", metavar="NEW", help="the table to be")
    add_log_files(command, "--traffic")
    command.add_argument(
        "--host",
        default="",
        metavar="HOST",
        help="the Host of requests for which the log has none (Common and Combined Log Format)",
    )
    command.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="MOVE",
        help="a move that may happen: ROUTE, FROM:TO or ROUTE=FROM:TO, where FROM and TO are backends "
        "or statuses such as 404; may be given several times; `none` allows no move",
    )
    add_json(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay a log. Returns 3 for a move that is not allowed."""
    old, new = _side(arguments.old), _side(arguments.new)
    expected: list[Expected] | None = None
    if arguments.expect:
        parsed = [parse_expected(move, (old.table, new.table)) for move in arguments.expect]
        expected = [each for each in parsed if each is not None]
    plan = Plan(old, new, expected, _host(arguments.host))
    reader = LogReader(plan.count)
    interrupted = False
    try:
        read_logs(reader, arguments.logs)
    except KeyboardInterrupt:
        interrupted = True
    if not (plan.requests or interrupted):
        raise no_request(arguments.logs, reader)
    if arguments.json:
        print_json(_report(plan, reader))
    else:
        if interrupted:
            out().line(f"Stopped after {reader.lines:,} lines. So far:")
        _print(out(), plan)
        _print_notes(err(), plan, reader)
    if interrupted:
        return 130
    return 3 if plan.unexpected else 0


def _host(argument: str) -> str:
    if argument and not _HOST.fullmatch(argument):
        raise FacadeError(f"--host {argument!r}: write a name like www.example.com")
    return argument


def _side(file: str) -> Side:
    text = read_routes(file)
    loaded = load(text, file)
    return Side(loaded.table, loaded.index, hashlib.sha256(text).hexdigest()[:12])


def _report(plan: Plan, reader: LogReader) -> dict[str, Any]:
    return {
        **log_members(reader),
        "requests": plan.requests,
        "moved": plan.moved,
        "unexpected": plan.unexpected,
        "asked_otherwise": plan.sent_differently,
        "rerouted": plan.rerouted,
        "copies": {"old": plan.copies[0], "new": plan.copies[1]},
        "moves": [
            {
                "old_route": move.old_route or None,
                "new_route": move.new_route or None,
                "from": move.from_,
                "to": move.to,
                "requests": tally.requests,
                "expected": tally.expected,
                "examples": tally.examples,
            }
            for move, tally in plan.sorted_moves()
        ],
        "cautions": plan.cautions(),
    }


def _print(screen: Screen, plan: Plan) -> None:
    summary = f"{plan.moved:,} of {plan.requests:,} recorded requests change backend"
    screen.line(screen.styled(summary, "bold"))
    _print_moves(screen, plan)
    if plan.sent_differently:
        screen.line(
            f"{plan.sent_differently:,} keep their backend, but ask it another path or host."
        )
    if plan.rerouted:
        screen.line(f"{plan.rerouted:,} keep their backend, but reach it by another route.")
    old, new = plan.copies
    if old or new:
        screen.line(
            f"{new:,} are copied to another backend by a mirror, {old:,} under the old table."
        )
    if plan.unexpected:
        text = f"{plan.unexpected:,} of the moves are not allowed by --expect."
        screen.line(screen.styled(text, "red", "bold"))


def _print_moves(screen: Screen, plan: Plan) -> None:
    moves = plan.sorted_moves()
    if not moves:
        return
    shown = moves[:_MOVES_SHOWN]
    screen.line()
    screen.table(
        ("requests", "share", "route", "from", "to", ""),
        [_row(move, tally, plan.requests) for move, tally in shown],
    )
    if len(moves) > len(shown):
        screen.line(f"and {len(moves) - len(shown):,} other kinds of moves; --json lists them")
    for move, tally in shown:
        screen.line()
        screen.line(safe(f"{move.routes}, {move.from_} to {move.to}, for example:"))
        for example in tally.examples:
            screen.line(f"  {safe(example)}")
    screen.line()


def _row(move: Move, tally: Tally, requests: int) -> tuple[str, ...]:
    share = f"{100 * tally.requests / requests:.2f} %"
    note = "" if tally.expected else "not expected"
    return (f"{tally.requests:,}", share, move.routes, move.from_, move.to, note)


def _print_notes(screen: Screen, plan: Plan, reader: LogReader) -> None:
    """The limits of the figures, on standard error."""
    for caution in plan.cautions():
        screen.note(caution)
    print_log_notes(screen, reader)
