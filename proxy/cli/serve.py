"""`facade serve`: the facade itself."""

import argparse
import asyncio
import gc
import logging
import os
import sys

from proxy.cli.serve_options import add_options, read_settings
from proxy.routing.snapshot import Snapshot
from proxy.server.app import WorkerSlot, build
from proxy.server.event_loop import loop_factory
from proxy.server.mirror_way import MirrorWay
from proxy.server.serve import serve
from proxy.server.service_manager import ServiceManager
from proxy.server.settings import Address, Settings
from proxy.server.signals import (
    STOP_SIGNALS,
    block_reload_signals,
    follow_reload_signals,
    write_stacks_on_signal,
)
from proxy.server.sockets import raise_descriptor_limit
from proxy.server.worker_processes import run_workers
from proxy.telemetry.shared_memory import SharedStats

_MIDDLE_COLLECTIONS = 1000
"""Collections of the middle generation for each full collection; Python's default is 10."""
_SWITCH_INTERVAL_S = 0.0005
"""The event loop needs the interpreter lock several times for a request. Each time it waits so long for a thread that
loads or records a table. With Python's default of 5 ms, requests pause for 35 ms (ADR 26)."""


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = __doc__
    add_options(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal stops the facade."""
    settings = read_settings(arguments, os.environ)
    block_reload_signals()
    write_stacks_on_signal()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    raise_descriptor_limit()
    _make_full_collections_rare()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if settings.workers > 1:
        return run_workers(settings, lambda snapshot, *at: _announce(settings, snapshot, *at))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(settings))
    return 0


def _make_full_collections_rare() -> None:
    """A full garbage collection delays all requests by 44 ms with 4,000 clients, and frees nothing (ADR 8)."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _MIDDLE_COLLECTIONS)


async def _serve(settings: Settings) -> None:
    mirror = MirrorWay.create(1)
    slot = None
    if mirror is not None:
        slot = WorkerSlot(SharedStats(mirror=mirror.shared), to_mirror=mirror.of_workers[0])
    facade = build(settings, slot=slot)
    stop, stop_now = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (stop_now if stop.is_set() else stop).set()

    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    follow_reload_signals(facade.reloader.reload, facade.reloader.reopen_log)
    await serve(
        facade,
        settings,
        lambda listen, admin: _announce(settings, facade.table.current, listen, admin),
        stop,
        stop_now,
        mirror,
    )
    block_reload_signals()


def _announce(settings: Settings, current: Snapshot, listen: Address, admin: Address) -> None:
    for warning in current.warnings:
        logging.warning("%s", warning.located(str(settings.routes)))
    logging.info(
        "facade on %s://%s, admin on http://%s, table %s with %d routes",
        "https" if settings.tls else "http",
        listen,
        admin,
        current.version,
        current.index.size,
    )
    ServiceManager(settings.notify_socket).ready()
