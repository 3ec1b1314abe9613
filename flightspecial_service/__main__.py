"""The command line: `flightspecials serve` and `flightspecials migrate`.

Exit status: 0 done or stopped by a signal, 1 it failed, 2 the command line or a setting is wrong.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from flightspecial_service.app import build
from flightspecial_service.errors import MigrationError, SettingsError, Unavailable
from flightspecial_service.infrastructure.database import reason
from flightspecial_service.infrastructure.migrator import migrate, own_scripts
from flightspecial_service.logs import log_to_stderr
from flightspecial_service.server import Server, bound, ending_quietly
from flightspecial_service.settings import Settings, read_settings

log = logging.getLogger("flightspecial_service")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Carry out the command; the return value is the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        print(f"flightspecials: {error}", file=sys.stderr)
        return 2
    log_to_stderr()
    if arguments.command == "migrate":
        return _migrate(settings)
    return _serve(settings, arguments.host, arguments.port)


def _serve(settings: Settings, host: str, port: int) -> int:
    try:
        listener = bound(host, port)
    except OSError as error:
        print(
            f"flightspecials: cannot listen on {host} port {port}: {error.strerror}",
            file=sys.stderr,
        )
        return 1
    failed = False

    def refused() -> None:
        nonlocal failed
        failed = True
        server.should_exit = True

    server = Server(build(settings, refused), lambda url: log.info("listening", extra={"url": url}))
    with listener, ending_quietly(server):
        server.run([listener])
    return 1 if failed else 0


def _migrate(settings: Settings) -> int:
    scripts = own_scripts()
    try:
        applied = asyncio.run(migrate(settings.database, scripts))
    except MigrationError as error:
        print(f"flightspecials: {error}", file=sys.stderr)
        return 1
    except Unavailable as error:
        print(f"flightspecials: {error} ({reason(error)})", file=sys.stderr)
        return 1
    print(f"applied {len(applied)} of {len(scripts)} migrations to {settings.database.schema}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="flightspecials", description="Flight specials on PostgreSQL.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="answer requests; migrate first")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument(
        "--port", type=_port, default=8080, help="port, 0 for a free one (%(default)s)"
    )
    commands.add_parser("migrate", help="bring the database to this version, then end")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!a} is not a port from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
