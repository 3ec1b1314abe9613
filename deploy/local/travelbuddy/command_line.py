"""Helpers of the stand-in's two commands."""

import argparse
from typing import NoReturn

DEFAULT_CONTROL_PORT = 8083


class Parser(argparse.ArgumentParser):
    """A wrong command line is one sentence and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def port(text: str) -> int:
    """A port from an option. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 0 to 65535")
    return int(text)
