"""`facade revert`: restore a version of the table, byte by byte."""

import argparse

from proxy.cli.edit_options import add_options, edit_request, print_result, routes_path
from proxy.control.changes import Changes, changes_between
from proxy.control.edit_transaction import EditInput, perform
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.parsed_table import parsed_table
from proxy.control.history.entries import VERSION_LENGTH, Entry, table_of, version_of, with_version
from proxy.errors import EditError, TableError


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    command.add_argument(
        "version", metavar="VERSION", help="as `facade history` shows it, or its first digits"
    )
    command.add_argument(
        "--force", action="store_true", help="also over a table that does not load, which is lost"
    )
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Restore a version, and print the result."""

    def edit(edit_input: EditInput) -> EditedTable | None:
        entry = _find_version(edit_input.entries(), arguments.version.lower())
        if entry.version_after == version_of(edit_input.text):
            return None
        if edit_input.parsed is None and not arguments.force:
            raise EditError(
                f"{arguments.routes} does not load, so it is in no history and a revert would lose "
                "it: copy it away if it is worth it, then add --force"
            )
        return _restored(arguments, edit_input, entry)

    result = perform(routes_path(arguments), edit_request(arguments, "revert"), edit)
    undo = f"facade revert {version_of(result.before)}"
    return print_result(arguments, result, undo, f"{arguments.routes} is at this version already")


def _find_version(entries: tuple[Entry, ...], prefix: str) -> Entry:
    matches = with_version(entries, prefix) if prefix else []
    if not matches:
        raise EditError(
            f"no version in the history begins with `{prefix[: VERSION_LENGTH + 1]}`: "
            "`facade history` lists them"
        )
    if len(matches) > 1:
        versions = ", ".join(entry.version_after for entry in matches[:5])
        raise EditError(f"several versions begin with `{prefix}`: {versions}; write more of it")
    return matches[0]


def _restored(arguments: argparse.Namespace, edit_input: EditInput, entry: Entry) -> EditedTable:
    version = entry.version_after
    try:
        text = table_of(entry)
    except ValueError as error:
        raise EditError(f"version {version} is spoilt in the history: {error}") from None
    try:
        restored = parsed_table(text, f"{arguments.routes}@{version}")
    except TableError as error:
        raise EditError(
            f"version {version} does not load any more, and nothing was written:\n{error}"
        ) from None
    changes = Changes(other=("the whole file, which did not load",))
    if edit_input.parsed is not None:
        changes = changes_between(edit_input.parsed.table, restored.table)
    return EditedTable(text, restored.kill_switch, changes, restored.nodes)
