"""`facade stage`: bring a route to another stage of its migration, with the weights that it needs."""

import argparse

from proxy.cli.edit_options import add_options, note_of, routes_path, say
from proxy.control.edit_transaction import EditInput, perform
from proxy.control.edits.operations import (
    Consent,
    EditedTable,
    change_stage,
    read_stage,
    read_weight,
)
from proxy.model.stage import STAGES


def register(command: argparse.ArgumentParser) -> None:
    """Say what the command is for and what it takes."""
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
    """Change the stage, and say so."""
    stage = read_stage(arguments.stage)
    weight_bp = None if arguments.weight is None else read_weight(arguments.weight)
    consent = Consent(arguments.force, arguments.reason)

    def make(situation: EditInput) -> EditedTable | None:
        return change_stage(situation.require_table(), arguments.route, stage, weight_bp, consent)

    done = perform(routes_path(arguments), note_of(arguments, "stage"), make)
    undo = f"facade rollback {arguments.route}"
    return say(arguments, done, undo, f"{arguments.route} is {stage} already")
