"""`facade stage`: bring a route to another stage of its migration, with the weights that it needs."""

import argparse

from proxy.cli.edit_options import add_options, edit_request, print_result, routes_path
from proxy.control.edit_transaction import perform
from proxy.control.edits.operations import Consent, read_stage, read_weight
from proxy.control.table_edits import stage_edit
from proxy.model.stage import STAGES


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    command.add_argument("route", metavar="ROUTE")
    command.add_argument("stage", metavar="STAGE", help=", ".join(STAGES))
    command.add_argument(
        "--weight", metavar="N", help="of the newcomer, for canary; without it, what it has now"
    )
    command.add_argument(
        "--force", action="store_true", help="allow legacy -> live; needs --reason too"
    )
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Change the stage, and print the result."""
    stage = read_stage(arguments.stage)
    weight_bp = None if arguments.weight is None else read_weight(arguments.weight)
    consent = Consent(arguments.force, arguments.reason)
    edit = stage_edit(arguments.route, stage, weight_bp, consent)
    result = perform(
        routes_path(arguments), edit_request(arguments, "stage", arguments.route), edit
    )
    undo = f"facade rollback {arguments.route}"
    return print_result(arguments, result, undo, f"{arguments.route} is {stage} already")
