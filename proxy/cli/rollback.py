"""`facade rollback`: bring a route back to its last recorded state, or all traffic with the kill switch."""

import argparse
import contextlib

from msgspec.structs import replace

from proxy.cli.edit_options import (
    add_options,
    edit_request,
    print_result,
    routes_option,
    routes_path,
)
from proxy.control.edit_transaction import EditInput, EditResult, perform
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.operations import kill, restore_state
from proxy.control.history.entries import ROLLBACK, Entry, earlier_state, version_of
from proxy.errors import EditError

KILL_SWITCH = "kill switch"


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    command.add_argument("route", metavar="ROUTE", nargs="?")
    command.add_argument(
        "--all", action="store_true", help="set the kill switch: every stage goes to its incumbent"
    )
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Roll back, and print the result."""
    if arguments.all == (arguments.route is not None):
        raise EditError(
            "name one route, or --all: `facade rollback ROUTE`, `facade rollback --all`"
        )
    if arguments.all:
        return _set_kill_switch(arguments)
    option = routes_option(arguments)

    def edit(edit_input: EditInput) -> EditedTable | None:
        table = edit_input.require_table()
        table.route(arguments.route)
        state = earlier_state(edit_input.entries(), arguments.route)
        if state is None:
            raise EditError(
                f"no earlier state of {arguments.route} is recorded: `facade rollback --all{option}` "
                "sends every route with a stage to its incumbent"
            )
        return restore_state(table, arguments.route, state)

    result = perform(
        routes_path(arguments), edit_request(arguments, ROLLBACK, arguments.route), edit
    )
    return print_result(
        arguments, result, _undo(result), f"{arguments.route} is in its earlier state already"
    )


def _set_kill_switch(arguments: argparse.Namespace) -> int:
    option = routes_option(arguments)

    def edit(edit_input: EditInput) -> EditedTable | None:
        if edit_input.parsed is None:
            raise EditError(
                f"{arguments.routes} does not load, so a kill switch in it would have no effect; the "
                "running facade still obeys the last table that loaded. "
                f"{_advice(edit_input, option)}\n{edit_input.error}"
            )
        return kill(edit_input.parsed)

    request = replace(edit_request(arguments, KILL_SWITCH), may_skip_history=True)
    result = perform(routes_path(arguments), request, edit)
    return print_result(arguments, result, "facade resume", "the kill switch is on already")


def _advice(edit_input: EditInput, option: str) -> str:
    entries: tuple[Entry, ...] = ()
    # Without a history there is no version to revert to: the operator has to repair the table.
    with contextlib.suppress(OSError):
        entries = edit_input.entries()
    if not entries:
        return "Mend it first:"
    revert = f"facade revert {entries[-1].version_after} --force{option}"
    return f"Mend it, or run `{revert} && facade rollback --all{option}`:"


def _undo(result: EditResult) -> str:
    return f"facade revert {version_of(result.before)}"
