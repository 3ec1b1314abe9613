"""The command line: `flightspecials serve`, and the commands of `database_commands`.

Exit status: 0 on success and after a signal, 1 on failure, 2 on a wrong command line or setting.
"""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NoReturn

from flightspecial_service import database_commands
from flightspecial_service.app import build
from flightspecial_service.environment import with_files
from flightspecial_service.errors import ListenError, SettingsError
from flightspecial_service.infrastructure.aws.client import read_parameters
from flightspecial_service.interface.http.connection import Limits
from flightspecial_service.interface.http.middleware import Drain
from flightspecial_service.logs import log_to_stderr, set_level
from flightspecial_service.server import Server, allow_descriptors, bound, ending_quietly
from flightspecial_service.settings import Settings, profile_of, read_settings

log = logging.getLogger("flightspecial_service")


class _Parser(argparse.ArgumentParser):
    """Reports an error as one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the command; return the exit status."""
    arguments = _parser().parse_args(argv)
    log_to_stderr()
    try:
        settings = read_settings(_all_variables(environ))
        set_level(settings.edge.log_level)
        if arguments.command != "serve":
            return database_commands.run(arguments, settings.database)
        return _serve(settings, arguments.host, arguments.port)
    except SettingsError as error:
        print(f"flightspecials: {error}", file=sys.stderr)
        return 2


def _all_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables of all sources. Files override the environment, which overrides Parameter Store.

    Raises SettingsError.
    """
    local = with_files(environ)
    profile = profile_of(local)
    return read_parameters(profile) | local if profile == "test" else local


def _serve(settings: Settings, host: str, port: int) -> int:
    edge = settings.edge
    addresses = [(host, port)]
    if edge.operations_port is not None:
        if port and edge.operations_port == port:
            raise SettingsError((f"OPS_PORT must be another port than --port, not {port}",))
        addresses.append((edge.operations_host, edge.operations_port))
    failed = False

    def refused() -> None:
        nonlocal failed
        failed = True
        server.should_exit = True

    drain, limits = Drain(), Limits(max_connections=edge.max_connections)
    service = build(settings, refused, drain=drain)
    server = Server(
        service,
        lambda url: log.info("listening", extra={"url": url}),
        drain,
        settings.drain_s,
        limits,
    )
    allow_descriptors(limits.most_connections)
    with ExitStack() as listeners:
        try:
            sockets = [listeners.enter_context(bound(*address)) for address in addresses]
        except ListenError as error:
            print(f"flightspecials: {error}", file=sys.stderr)
            return 1
        with ending_quietly(server):
            server.run(sockets)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="flightspecials", description="Flight specials on PostgreSQL.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="answer requests; migrate first")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument(
        "--port", type=_port, default=8080, help="port, 0 for a free one (%(default)s)"
    )
    database_commands.add_commands(commands)
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!a} is not a port from 0 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
