"""`facade serve`: the facade itself."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys

from proxy.cli.serve_options import add_options, read_settings
from proxy.routing.snapshot import Snapshot
from proxy.server.app import build
from proxy.server.serve import loop_factory, serve
from proxy.server.settings import Address, Settings
from proxy.server.sockets import raise_descriptor_limit
from proxy.server.worker_processes import run_workers

_COLLECTIONS_BETWEEN = 1000
"""Collections of what is young between two of everything; Python's own is 10."""


def register(command: argparse.ArgumentParser) -> None:
    """Say what the command is for and what it takes."""
    command.description = __doc__
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    settings = read_settings(arguments, os.environ)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    raise_descriptor_limit()
    _collect_seldom()
    if settings.workers > 1:
        return run_workers(settings, lambda snapshot, *at: _announce(settings, snapshot, *at))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(settings))
    return 0


def _collect_seldom() -> None:
    """A full collection stops everybody, for 44 ms with 4,000 clients, and finds nothing (ADR 8)."""
    often, now_and_then, _ = gc.get_threshold()
    gc.set_threshold(often, now_and_then, _COLLECTIONS_BETWEEN)


async def _serve(settings: Settings) -> None:
    facade = build(settings)
    stop, at_once = asyncio.Event(), asyncio.Event()

    def told() -> None:
        (at_once if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    await serve(
        facade,
        settings,
        lambda listen, admin: _announce(settings, facade.table.current, listen, admin),
        stop,
        at_once,
    )


def _announce(settings: Settings, current: Snapshot, listen: Address, admin: Address) -> None:
    for warning in current.warnings:
        logging.warning("%s", warning.located(str(settings.routes)))
    for field in current.table.not_implemented:
        logging.warning("%s is in the table, but nothing obeys it yet", field)
    logging.info(
        "facade on %s://%s, admin on http://%s, table %s with %d routes",
        "https" if settings.tls else "http",
        listen,
        admin,
        current.version,
        current.index.size,
    )
