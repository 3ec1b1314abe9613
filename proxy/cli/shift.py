"""`facade shift`: move traffic between the backends of a route."""

import argparse

from proxy.cli.edit_options import add_options, edit_request, print_result, routes_path
from proxy.control.edit_transaction import perform
from proxy.control.edits.operations import Consent, read_weights
from proxy.control.table_edits import shift_edit


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    command.add_argument("route", metavar="ROUTE")
    command.add_argument(
        "weights",
        metavar="BACKEND=WEIGHT",
        nargs="+",
        help="per cent; the other one of two backends takes the rest, the stage follows",
    )
    command.add_argument(
        "--force", action="store_true", help="allow legacy -> live; needs --reason too"
    )
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Shift traffic, and print the result."""
    weights = read_weights(arguments.weights)
    consent = Consent(arguments.force, arguments.reason)
    edit = shift_edit(arguments.route, weights, consent)
    result = perform(
        routes_path(arguments), edit_request(arguments, "shift", arguments.route), edit
    )
    undo = f"facade rollback {arguments.route}"
    return print_result(arguments, result, undo, f"{arguments.route} has these weights already")
