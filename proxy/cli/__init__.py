"""The command line `facade`: one file a command. Reads arguments, prints, and says how it ended.

Exit status: 0 done, 1 done with warnings (where asked to be strict), 2 a sentence on standard error says
what is wrong, 3 a plan moves what it may not, 130 stopped by Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from proxy.cli import (
    check,
    explain,
    history,
    init,
    plan,
    resume,
    revert,
    rollback,
    routes,
    schema,
    serve,
    shift,
    stage,
)
from proxy.cli.show import safe
from proxy.errors import FacadeError

_COMMANDS = (
    *(serve, check, explain, routes, plan),
    *(shift, stage, rollback, resume, history, revert),
    *(init, schema),
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one plain sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {safe(message)}; `{self.prog} --help` shows what it takes\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status."""
    parser = _Parser(prog="facade", description="A routing facade in front of a monolith.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.register(commands)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except FacadeError as error:
        return _said(str(error))
    except BrokenPipeError:
        # Whoever read us has seen enough; Python's own flush at the end would fail on it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _said(f"facade: {name}{error.strerror or error}")
    except KeyboardInterrupt:
        return 130


def _said(sentences: str) -> int:
    for sentence in sentences.splitlines():
        print(safe(sentence), file=sys.stderr)
    return 2
