"""`facade shift`: move traffic between the backends of a route."""

import argparse

from proxy.cli.edit_options import add_options, note_of, routes_path, say
from proxy.control.edit_transaction import EditInput, perform
from proxy.control.edits.operations import Consent, EditedTable, read_weights, shift


def register(command: argparse.ArgumentParser) -> None:
    """Say what the command is for and what it takes."""
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
    """Shift, and say so."""
    weights = read_weights(arguments.weights)
    consent = Consent(arguments.force, arguments.reason)

    def make(situation: EditInput) -> EditedTable | None:
        return shift(situation.require_table(), arguments.route, weights, consent)

    done = perform(routes_path(arguments), note_of(arguments, "shift"), make)
    undo = f"facade rollback {arguments.route}"
    return say(arguments, done, undo, f"{arguments.route} has these weights already")
