"""`facade resume`: end the kill switch, so that every route with a stage serves as the table says."""

import argparse

from proxy.cli.edit_options import add_options, note_of, routes_path, say
from proxy.control.edit_transaction import EditInput, perform
from proxy.control.edits.operations import EditedTable, resume
from proxy.control.history.entries import version_of


def register(command: argparse.ArgumentParser) -> None:
    """Say what the command is for and what it takes."""
    command.description = __doc__
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Resume, and say so. Nothing hurries here: what cannot be recorded is refused."""

    def make(situation: EditInput) -> EditedTable | None:
        return resume(situation.require_table())

    done = perform(routes_path(arguments), note_of(arguments, "resume"), make)
    undo = f"facade revert {version_of(done.before)}"
    return say(arguments, done, undo, "the kill switch is off already")
