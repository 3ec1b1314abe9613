"""What the commands that edit a table share: their options, and how they say what they did."""

import argparse
import difflib
import getpass
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from proxy.control.changes import sentences
from proxy.control.edit_transaction import EditRequest, EditResult
from proxy.control.history.entries import version_of
from proxy.errors import EditError

DEFAULT_ROUTES = "routes.yaml"
_MAX_TEXT = 500


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of every edit."""
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
    """The option of every command."""
    command.add_argument("--json", action="store_true", help="one JSON object on standard output")


def note_of(arguments: argparse.Namespace, action: str) -> EditRequest:
    """Raises EditError for a reason or a name that does not go into one line."""
    who = user() if arguments.who is None else _line("--who", arguments.who)
    return EditRequest(
        action,
        who,
        time.time(),
        _line("--reason", arguments.reason),
        arguments.if_version,
        arguments.dry_run,
    )


def _line(option: str, text: str) -> str:
    if not text.isprintable() or len(text) > _MAX_TEXT:
        raise EditError(f"{option} takes one line of at most {_MAX_TEXT} characters")
    return text


def user() -> str:
    """`alice@host`: who is logged in; with sudo, who called it."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return printable(f"{name}@{socket.gethostname()}")


def printable(text: str) -> str:
    """`text` without what a terminal would obey."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def routes_option(arguments: argparse.Namespace) -> str:
    """` --routes FILE`, for a command that the operator is to copy."""
    return (
        "" if arguments.routes == DEFAULT_ROUTES else f" --routes {shlex.quote(arguments.routes)}"
    )


def say(arguments: argparse.Namespace, done: EditResult, undo: str, unchanged: str) -> int:
    """Tell what was done, in a line or two or as JSON. Returns the exit status."""
    for warning in done.warnings:
        print(f"facade: {warning}", file=sys.stderr)
    undo = f"{undo}{routes_option(arguments)}"
    if arguments.json:
        print(_as_json(arguments, done, undo))
        return 0
    if not done.changed:
        print(f"{unchanged}; nothing was written")
        return 0
    print("; ".join(sentences(done.changes)))
    versions = f"version {version_of(done.before)} -> {version_of(done.after)}"
    if done.written:
        print(f"{arguments.routes}: {versions}; to undo: {undo}")
        return 0
    print(f"{arguments.routes}: {versions}; dry run: nothing was written")
    print("\n".join(_diff(done)))
    return 0


def _as_json(arguments: argparse.Namespace, done: EditResult, undo: str) -> str:
    body = {
        "file": arguments.routes,
        "changed": done.changed,
        "written": done.written,
        "version_before": version_of(done.before),
        "version_after": version_of(done.after),
        "changes": done.changes,
        "summary": sentences(done.changes) if done.changed else [],
        "undo": undo if done.written else None,
        "warnings": done.warnings,
    }
    return msgspec.json.encode(body).decode()


def _diff(done: EditResult) -> Iterator[str]:
    """The lines that change; what stands before and behind them is passed over, however much it is."""
    before, after = (
        text.decode("utf-8", "replace").splitlines() for text in (done.before, done.after)
    )
    head = _same(before, after)
    tail = _same(before[head:][::-1], after[head:][::-1])
    cut = slice(head, len(before) - tail), slice(head, len(after) - tail)
    for line in difflib.ndiff(before[cut[0]], after[cut[1]]):
        if line[0] in "+-":
            yield printable(line)


def _same(one: list[str], other: list[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def routes_path(arguments: argparse.Namespace) -> Path:
    """The table that the command is about."""
    return Path(arguments.routes)
