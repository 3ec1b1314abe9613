"""`facade rollback`: bring a route back to its last recorded state, or all traffic with the kill switch."""

import argparse
import contextlib

from msgspec.structs import replace

from proxy.cli.edit_options import add_options, note_of, routes_option, routes_path, say
from proxy.control.edit_transaction import EditInput, EditResult, perform
from proxy.control.edits.operations import EditedTable, back_to, find_route, kill
from proxy.control.history.entries import ROLLBACK, Entry, earlier_state, version_of
from proxy.errors import EditError

KILL_SWITCH = "kill switch"


def register(command: argparse.ArgumentParser) -> None:
    """Say what the command is for and what it takes."""
    command.description = __doc__
    command.add_argument("route", metavar="ROUTE", nargs="?")
    command.add_argument(
        "--all", action="store_true", help="set the kill switch: every stage goes to its incumbent"
    )
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Roll back, and say so."""
    if arguments.all == (arguments.route is not None):
        raise EditError(
            "name one route, or --all: `facade rollback ROUTE`, `facade rollback --all`"
        )
    if arguments.all:
        return _all(arguments)
    option = routes_option(arguments)

    def make(situation: EditInput) -> EditedTable | None:
        parsed = situation.require_table()
        find_route(parsed.table, arguments.route)
        state = earlier_state(situation.entries(), arguments.route)
        if state is None:
            raise EditError(
                f"no earlier state of {arguments.route} is recorded: `facade rollback --all{option}` "
                "sends every route with a stage to its incumbent"
            )
        return back_to(parsed, arguments.route, state)

    done = perform(routes_path(arguments), note_of(arguments, ROLLBACK), make)
    return say(arguments, done, _revert(done), f"{arguments.route} is in its earlier state already")


def _all(arguments: argparse.Namespace) -> int:
    option = routes_option(arguments)

    def make(situation: EditInput) -> EditedTable | None:
        if situation.parsed is None:
            raise EditError(
                f"{arguments.routes} does not load, so a kill switch in it would have no effect; the "
                "running facade still obeys the last table that loaded. "
                f"{_last_good(situation, option)}\n{situation.fault}"
            )
        return kill(situation.parsed)

    note = replace(note_of(arguments, KILL_SWITCH), unrecorded=True)
    done = perform(routes_path(arguments), note, make)
    return say(arguments, done, "facade resume", "the kill switch is on already")


def _last_good(situation: EditInput, option: str) -> str:
    entries: tuple[Entry, ...] = ()
    # Without a history there is nothing to revert to, and the table has to be mended all the same.
    with contextlib.suppress(OSError):
        entries = situation.entries()
    if not entries:
        return "Mend it first:"
    revert = f"facade revert {entries[-1].version_after} --force{option}"
    return f"Mend it, or run `{revert} && facade rollback --all{option}`:"


def _revert(done: EditResult) -> str:
    return f"facade revert {version_of(done.before)}"
