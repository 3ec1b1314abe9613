"""`facade serve`: the facade itself."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from proxy.app import build
from proxy.config.addresses import endpoint, read_url
from proxy.model import Endpoint
from proxy.server import serve
from proxy.settings import (
    DEFAULT_ADMIN,
    DEFAULT_LISTEN,
    Address,
    Settings,
    SettingsError,
    parse_address,
)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("serve", help="run the facade", description=__doc__)
    command.add_argument("--routes", default="routes.yaml", metavar="FILE", help="the route table")
    command.add_argument("--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT")
    command.add_argument("--admin", default=DEFAULT_ADMIN, metavar="HOST:PORT")
    command.add_argument(
        "--access-log", default="-", metavar="FILE", help="- is standard output, none is nowhere"
    )
    command.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="ask this address instead of the table's; may be given for several backends",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    settings = Settings(
        routes=Path(arguments.routes),
        listen=parse_address(arguments.listen),
        admin=parse_address(arguments.admin),
        access_log=arguments.access_log,
        backends=tuple(_override(text) for text in arguments.backend),
    )
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    for noisy in ("uvicorn.error", "watchfiles"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    facade = build(settings)
    current = facade.tables.current
    for warning in current.warnings:
        logging.warning("%s", warning.located(str(settings.routes)))
    for field in current.table.unobeyed:
        logging.warning("%s is in the table, but nothing obeys it yet", field)

    def announce(listen: Address, admin: Address) -> None:
        logging.info(
            "facade on http://%s, admin on http://%s, table %s with %d routes",
            listen,
            admin,
            current.version,
            current.index.size,
        )

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(facade, settings, announce, stop)


def _override(text: str) -> tuple[str, Endpoint]:
    name, equals, url = text.partition("=")
    if not (name and equals):
        raise SettingsError(f"--backend {text}: write NAME=URL, like legacy=http://127.0.0.1:8082")
    try:
        return name, endpoint(read_url(url))
    except ValueError as error:
        raise SettingsError(f"--backend {text}: {error}") from None


def _loop_factory() -> Any:
    if sys.platform == "win32":
        return None
    import uvloop  # Not on Windows.

    return uvloop.new_event_loop
