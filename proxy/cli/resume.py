"""`facade resume`: end the kill switch, so that every route with a stage serves as the table says."""

import argparse

from proxy.cli.edit_options import add_options, edit_request, print_result, routes_path
from proxy.control.edit_transaction import perform
from proxy.control.history.entries import version_of
from proxy.control.table_edits import resume_edit


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Reset the kill switch. An edit that cannot be recorded is refused, unlike that of `rollback --all`."""
    result = perform(routes_path(arguments), edit_request(arguments, "resume"), resume_edit())
    undo = f"facade revert {version_of(result.before)}"
    return print_result(arguments, result, undo, "the kill switch is off already")
