"""`facade rollback`: bring a route back to its last recorded state, or all traffic with the kill switch."""

import argparse

from msgspec.structs import replace

from proxy.cli.edit_options import (
    add_options,
    edit_request,
    print_result,
    routes_option,
    routes_path,
)
from proxy.control.edit_transaction import EditResult, perform
from proxy.control.history.entries import ROLLBACK, version_of
from proxy.control.table_edits import KILL_SWITCH, kill_edit, rollback_edit
from proxy.errors import EditError


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
    edit = rollback_edit(arguments.route, routes_option(arguments))
    result = perform(
        routes_path(arguments), edit_request(arguments, ROLLBACK, arguments.route), edit
    )
    return print_result(
        arguments, result, _undo(result), f"{arguments.route} is in its earlier state already"
    )


def _set_kill_switch(arguments: argparse.Namespace) -> int:
    edit = kill_edit(arguments.routes, routes_option(arguments))
    request = replace(edit_request(arguments, KILL_SWITCH), may_skip_history=True)
    result = perform(routes_path(arguments), request, edit)
    return print_result(arguments, result, "facade resume", "the kill switch is on already")


def _undo(result: EditResult) -> str:
    return f"facade revert {version_of(result.before)}"
