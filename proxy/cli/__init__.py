"""The command line `facade`: one file a command. Reads arguments, prints, and says how it ended.

Exit status: 0 done, 1 done with warnings (where asked to be strict), 2 a sentence on standard error says
what is wrong, 3 a plan moves what it may not.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from proxy.cli import serve
from proxy.errors import FacadeError


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one plain sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` shows what it takes\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status."""
    parser = _Parser(prog="facade", description="A routing facade in front of a monolith.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (serve,):
        command.register(commands)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except FacadeError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"facade: {name}{error.strerror or error}", file=sys.stderr)
        return 2
