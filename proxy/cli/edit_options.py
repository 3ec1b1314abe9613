"""The options of the commands that edit a table, and the output of their results."""

import argparse
import getpass
import os
import shlex
import socket
import sys
import time
from pathlib import Path

import msgspec

from proxy.control.changes import sentences
from proxy.control.edit_transaction import EditRequest, EditResult
from proxy.control.history.entries import version_of
from proxy.control.text_diff import changed_lines, is_one_line, printable
from proxy.errors import EditError

DEFAULT_ROUTES = "routes.yaml"
_MAX_TEXT = 500


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of every edit."""
    command.add_argument("--routes", default=DEFAULT_ROUTES, metavar="FILE", help="the route table")
    command.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    command.add_argument("--who", metavar="NAME", help="who, instead of the user of this system")
    command.add_argument(
        "--if-version",
        default="",
        metavar="V",
        help="only if the table is still at this version (the first digits are enough)",
    )
    command.add_argument("--dry-run", action="store_true", help="show the edit, write nothing")
    add_json(command)


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option of every command."""
    command.add_argument("--json", action="store_true", help="one JSON object on standard output")


def edit_request(arguments: argparse.Namespace, action: str, route: str = "") -> EditRequest:
    """The request in the arguments. `route` is the only one that the edit looks at.

    Raises EditError for a reason or a name of more than one line.
    """
    who = user() if arguments.who is None else _line("--who", arguments.who)
    return EditRequest(
        action,
        who,
        time.time(),
        _line("--reason", arguments.reason),
        arguments.if_version,
        arguments.dry_run,
        route=route,
    )


def _line(option: str, text: str) -> str:
    if not is_one_line(text, _MAX_TEXT):
        raise EditError(f"{option} takes one line of at most {_MAX_TEXT} characters")
    return text


def user() -> str:
    """`alice@host`: the user who is logged in; with sudo, the one who called it."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return printable(f"{name}@{socket.gethostname()}")


def routes_option(arguments: argparse.Namespace) -> str:
    """` --routes FILE`, to complete a command that is suggested to the operator."""
    return (
        "" if arguments.routes == DEFAULT_ROUTES else f" --routes {shlex.quote(arguments.routes)}"
    )


def print_result(
    arguments: argparse.Namespace, result: EditResult, undo: str, unchanged: str
) -> int:
    """Print the result as text or as JSON. Returns the exit status.

    `undo` is the command that undoes the edit. `unchanged` is the sentence for a table that did not have to change.
    """
    for warning in result.warnings:
        print(f"facade: {warning}", file=sys.stderr)
    undo = f"{undo}{routes_option(arguments)}"
    if arguments.json:
        print(_as_json(arguments, result, undo))
        return 0
    if not result.changed:
        print(f"{unchanged}; nothing was written")
        return 0
    print("; ".join(sentences(result.changes)))
    versions = f"version {version_of(result.before)} -> {version_of(result.after)}"
    if result.written:
        print(f"{arguments.routes}: {versions}; to undo: {undo}")
        return 0
    print(f"{arguments.routes}: {versions}; dry run: nothing was written")
    print("\n".join(changed_lines(result.before, result.after)))
    return 0


def _as_json(arguments: argparse.Namespace, result: EditResult, undo: str) -> str:
    body = {
        "file": arguments.routes,
        "changed": result.changed,
        "written": result.written,
        "version_before": version_of(result.before),
        "version_after": version_of(result.after),
        "changes": result.changes,
        "summary": sentences(result.changes) if result.changed else [],
        "undo": undo if result.written else None,
        "warnings": result.warnings,
    }
    return msgspec.json.encode(body).decode()


def routes_path(arguments: argparse.Namespace) -> Path:
    """The path of the table."""
    return Path(arguments.routes)
