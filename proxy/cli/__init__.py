"""The command line `facade`: one module for each command.

Exit status: 0 success; 1 warnings with `check --strict`, or a broken history; 2 an error, with a sentence on standard
error; 3 `plan` found a move that is not allowed; 4 and 5: see `rollout`; 130 interrupted by Ctrl-C.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from proxy.cli.output import safe
from proxy.errors import FacadeError

COMMANDS = {
    "serve": "run the facade",
    "check": "say everything that is wrong with a table",
    "override-token": "make a token with which its holder chooses a backend",
    "explain": "say where a request goes, and why",
    "routes": "show the table as people read it",
    "plan": "say what a new table would change for recorded traffic",
    "parity": "show how many responses of the newcomer are equal to the incumbent's",
    "compare": "send recorded requests to both backends, and compare the responses",
    "export-cases": "write recorded requests as a test file",
    "shift": "move traffic",
    "stage": "change a route's stage",
    "rollback": "bring traffic back",
    "resume": "end the kill switch",
    "brownout": "retire a route for minutes an hour",
    "rollout": "walk a route through the steps of its rollout",
    "configmap": "put a table into a ConfigMap, from inside a pod",
    "history": "who changed what",
    "revert": "restore a version",
    "ledger": "list what of the monolith is still used",
    "init": "make a first table out of recorded traffic",
    "schema": "print the JSON Schema of the table",
    "completion": "print a completion script for a shell",
}
"""Each is a module here. Only the one that runs is imported: the imports of `serve` take long."""


class _Parser(argparse.ArgumentParser):
    """Reports an error in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {safe(message)}; `{self.prog} --help` shows what it takes\n")


class _Version(argparse.Action):
    """Prints the version. Its module is imported when it is wanted."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"facade {version('strangler-facade')}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        return int(arguments.run(arguments))
    except FacadeError as error:
        return _report(str(error))
    except BrokenPipeError:
        # The reader has closed the pipe. Without this, Python's flush at exit would fail, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _report(f"facade: {name}{error.strerror or error}")
    except KeyboardInterrupt:
        return 130


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments; their `run` is the command's function. Raises SystemExit: 2 for an error, 0 for `--help`."""
    parser = _Parser(prog="facade", description="A routing facade in front of a monolith.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        if list(words[:1]) == [name]:
            importlib.import_module(f"proxy.cli.{name.replace('-', '_')}").register(command)
    return parser.parse_args(words)


def _report(sentences: str) -> int:
    for sentence in sentences.splitlines():
        print(safe(sentence), file=sys.stderr)
    return 2
