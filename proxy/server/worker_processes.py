"""What the processes of a facade with several workers do: workers take traffic, one more is for operators."""

import asyncio
import functools
import logging
import os
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from proxy.config.load import load
from proxy.control import table_watcher
from proxy.control.table_file import read_table, snapshot_of
from proxy.routing.snapshot import Snapshot
from proxy.server.admin.app import admin_app
from proxy.server.app import WorkerSlot, build
from proxy.server.probes import FleetHealth
from proxy.server.serve import Traffic, address_of, bind, loop_factory, serving_admin, tls_context
from proxy.server.settings import Address, Settings, SettingsError
from proxy.server.supervisor import Role, Supervisor
from proxy.telemetry.access_log import AccessLog, LogLock
from proxy.telemetry.shared_memory import SharedStats

Announce = Callable[[Snapshot, Address, Address], None]
_SETS_OF_NONE = 64
_LOOK_FOR_PARENT_S = 0.5


class Shared(Struct, frozen=True):
    """What all processes have from the supervisor."""

    settings: Settings
    board: SharedStats
    turns: LogLock
    tls: ssl.SSLContext | None
    supervisor: int
    """Its process id."""
    traffic: list[socket.socket]
    """One for each worker."""
    admin: socket.socket

    def keep(self, own: socket.socket) -> None:
        """Close the sockets that are for other processes."""
        for each in (*self.traffic, self.admin):
            if each is not own:
                each.close()


def run_workers(settings: Settings, announce: Announce) -> int:
    """Serve until told to stop; the exit status. `announce` gets the addresses once every worker serves.

    Everything that can be refused is, before there is a process. Raises OSError or FacadeError.
    """
    if not (hasattr(os, "fork") and hasattr(socket, "SO_REUSEPORT")):
        raise SettingsError("facade: --workers: this system cannot do with more than 1")
    # Parsed here to be refused or announced, and thrown away: every process watches the file by itself.
    text = read_table(settings.routes)
    snapshot = snapshot_of(
        load(text, str(settings.routes)), text, dict(settings.backends), time.time()
    )
    AccessLog.check(settings.access_log)
    shared = Shared(
        settings,
        SharedStats(settings.workers),
        LogLock(),
        tls_context(settings.tls),
        os.getpid(),
        bind_shared(settings.listen, settings.workers),
        bind(settings.admin, "--admin"),
    )
    at, admin_at = address_of(shared.traffic[0]), address_of(shared.admin)
    roles = [
        Role(f"worker {number + 1}", functools.partial(_work, shared, number), number)
        for number in range(settings.workers)
    ]
    supervisor = Supervisor(
        shared.board,
        roles,
        Role("admin", functools.partial(_administrate, shared)),
        settings.pause_s + settings.drain_s,
        lambda: announce(snapshot, at, admin_at),
    )
    # Held here, so that what waits for a worker that died is there for the next. Not while it stops:
    # what connects after the last worker has closed must be refused, not left to wait.
    return supervisor.run(lambda: shared.keep(shared.admin))


def bind_shared(address: Address, count: int) -> list[socket.socket]:
    """A socket for each worker, all of one address. Raises SettingsError if somebody else has it."""
    bind(address, "--listen").close()  # Another facade's sockets would share with ours, unseen.
    first = bind(address, "--listen", shared=True)
    address = address_of(first)
    return [first, *(bind(address, "--listen", shared=True) for _ in range(count - 1))]


def _work(shared: Shared, number: int) -> int:
    """A worker's life."""
    own = shared.traffic[number]
    shared.keep(own)
    _log_as(f"worker {number + 1}")

    async def work(stop: asyncio.Event, at_once: asyncio.Event) -> None:
        facade = build(shared.settings, place=WorkerSlot(shared.board, number, shared.turns))
        traffic = Traffic(facade, shared.settings, own, shared.tls)
        async with facade.running():
            await traffic.start()
            await stop.wait()
            await traffic.end(at_once)

    return _until_told(shared.supervisor, work)


def _administrate(shared: Shared) -> int:
    """The life of the process for operators: it takes no traffic, tells of all, and keeps the history."""
    shared.keep(shared.admin)
    _log_as("admin", but_table=False)

    async def administrate(stop: asyncio.Event, _: asyncio.Event) -> None:
        # Its own counters stay at nothing: it has a board for itself.
        facade = build(
            replace(shared.settings, access_log="none"),
            place=WorkerSlot(SharedStats(1, _SETS_OF_NONE)),
        )
        health = FleetHealth(shared.board)
        app = admin_app(facade.table, shared.board, health, shared.settings.admin_token)
        async with serving_admin(app, facade.table, shared.admin), facade.running():
            shared.board.admin_up = True
            await stop.wait()

    return _until_told(shared.supervisor, administrate, orderly=False)


def _until_told(
    supervisor: int,
    live: Callable[[asyncio.Event, asyncio.Event], Awaitable[None]],
    *,
    orderly: bool = True,
) -> int:
    """Run `live` with the events of SIGTERM and SIGQUIT. A process whose supervisor is gone is told to end.

    Without `orderly`, SIGTERM is for the others.
    """

    async def main() -> None:
        stop, at_once = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def quit_now() -> None:
            stop.set()
            at_once.set()

        loop.add_signal_handler(signal.SIGTERM, stop.set if orderly else _nothing)
        loop.add_signal_handler(signal.SIGQUIT, quit_now)
        watching = asyncio.create_task(_stop_when_orphaned(supervisor, stop))
        try:
            await live(stop, at_once)
        finally:
            watching.cancel()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())
    return 0


def _nothing() -> None:
    """A signal is heard, and not obeyed."""


async def _stop_when_orphaned(supervisor: int, stop: asyncio.Event) -> None:
    while os.getppid() == supervisor:  # noqa: ASYNC110 - nobody tells a process that its parent died.
        await asyncio.sleep(_LOOK_FOR_PARENT_S)
    logging.error("the supervisor is gone: ending, too")
    stop.set()


def _log_as(name: str, *, but_table: bool = True) -> None:
    """Lines say who writes them. What becomes of the table is told once, by the process for operators."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {name}: %(message)s"))
    if but_table:
        table_watcher.log.setLevel(logging.CRITICAL)
