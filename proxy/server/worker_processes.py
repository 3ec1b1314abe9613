"""The processes of a facade with several workers: the workers serve traffic, one more process the admin listener."""

import asyncio
import functools
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from proxy.config.load import load
from proxy.control import table_watcher
from proxy.control.table_bytes import read_table
from proxy.control.table_file import snapshot_of
from proxy.routing.snapshot import Snapshot
from proxy.server.admin.app import admin_app, dashboard_of
from proxy.server.app import WorkerSlot, build
from proxy.server.event_loop import loop_factory
from proxy.server.health.monitor import HealthMonitor
from proxy.server.listener_tls import ListenerTls
from proxy.server.mirror_runner import runner_tasks
from proxy.server.mirror_way import MirrorWay
from proxy.server.parity import ParityKeeper
from proxy.server.probes import FleetHealth
from proxy.server.serve import Traffic, serving_admin
from proxy.server.service_manager import ServiceManager
from proxy.server.settings import Address, Settings, SettingsError
from proxy.server.signals import block_reload_signals, follow_reload_signals
from proxy.server.sockets import address_of, bind, bind_shared
from proxy.server.supervisor import Role, Supervisor
from proxy.telemetry.access_log import AccessLog, LogLock
from proxy.telemetry.shared_memory import SharedStats

Announce = Callable[[Snapshot, Address, Address], None]
_UNUSED_SETS = 64
_PARENT_POLL_S = 0.5


class Shared(Struct, frozen=True):
    """The objects that all processes inherit from the supervisor."""

    settings: Settings
    stats: SharedStats
    log_lock: LogLock
    tls: ListenerTls | None
    """As it was when the facade started. Each worker looks at the files itself."""
    supervisor: int
    """Its process id."""
    traffic: list[socket.socket]
    """One for each worker."""
    admin: socket.socket
    mirror: MirrorWay | None

    def close_others(self, own: socket.socket) -> None:
        """Close all listening sockets but `own`."""
        for each in (*self.traffic, self.admin):
            if each is not own:
                each.close()


def run_workers(settings: Settings, announce: Announce) -> int:
    """Serve until a signal stops the facade. Returns the exit status.

    `announce` gets the addresses once every worker serves. Raises OSError or FacadeError for settings that cannot
    work, before any process is started.
    """
    if not (hasattr(os, "fork") and hasattr(socket, "SO_REUSEPORT")):
        raise SettingsError("facade: --workers: this system cannot do with more than 1")
    # Loaded to check and to announce it, and not kept: every process loads and watches the file itself.
    text = read_table(settings.routes)
    snapshot = snapshot_of(
        load(text, str(settings.routes)), text, dict(settings.backends), time.time()
    )
    AccessLog.check(settings.access_log)
    mirror = MirrorWay.create(settings.workers)
    shared = Shared(
        # The supervisor reports to the service manager for all.
        replace(settings, notify_socket=None),
        SharedStats(settings.workers, mirror=None if mirror is None else mirror.shared),
        LogLock(),
        ListenerTls.load(settings.tls),
        os.getpid(),
        bind_shared(settings.listen, settings.workers),
        bind(settings.admin, "--admin"),
        mirror,
    )
    listen, admin = address_of(shared.traffic[0]), address_of(shared.admin)
    roles = [
        Role(f"worker {number + 1}", functools.partial(_run_worker, shared, number), number)
        for number in range(settings.workers)
    ]
    supervisor = Supervisor(
        shared.stats,
        roles,
        Role("admin", functools.partial(_run_admin, shared)),
        settings.pause_s + settings.drain_s,
        lambda: announce(snapshot, listen, admin),
        ServiceManager(settings.notify_socket),
    )
    # The supervisor keeps the sockets open, so connections in the backlog of a dead worker wait for its successor.
    # It closes them when the shutdown begins: a connection after the last worker has closed must be refused.
    return supervisor.run(lambda: shared.close_others(shared.admin))


def _run_worker(shared: Shared, number: int) -> int:
    """The worker process: it serves traffic."""
    own = shared.traffic[number]
    shared.close_others(own)
    _set_log_format(f"worker {number + 1}")
    # Every process watches the table; the admin process logs for all of them.
    table_watcher.log.setLevel(logging.CRITICAL)

    async def work(stop: asyncio.Event, stop_now: asyncio.Event) -> None:
        mirror = shared.mirror
        to_mirror = None if mirror is None else mirror.of_workers[number]
        slot = WorkerSlot(shared.stats, number, shared.log_lock, to_mirror)
        facade = build(shared.settings, slot=slot)
        traffic = Traffic(facade, shared.settings, own, shared.tls)
        follow_reload_signals(facade.reloader.reload, facade.reloader.reopen_log)
        async with facade.running():
            await traffic.start()
            await stop.wait()
            await traffic.stop(stop_now)

    return _run_until_signal(shared.supervisor, work)


def _run_admin(shared: Shared) -> int:
    """The admin process: it serves the admin listener, reports on all workers, probes endpoints, records history."""
    shared.close_others(shared.admin)
    _set_log_format("admin")

    async def administrate(stop: asyncio.Event, _: asyncio.Event) -> None:
        # It serves no traffic, so it counts in statistics of its own, which nothing reads.
        facade = build(
            replace(shared.settings, access_log="none", tracing=None),
            slot=WorkerSlot(SharedStats(1, _UNUSED_SETS)),
        )
        follow_reload_signals(facade.reloader.reload, facade.reloader.reopen_log)
        health = FleetHealth(shared.stats)
        parity = ParityKeeper(facade.table, shared.stats.mirror, shared.settings.routes)
        dashboard = dashboard_of(shared.settings, facade.table, shared.stats, parity)
        token = shared.settings.admin_token
        app = admin_app(facade.table, shared.stats, health, token, dashboard, parity)
        monitor = HealthMonitor(facade.table, shared.stats)
        copying = runner_tasks(shared.mirror, shared.settings, facade.table)
        background = facade.running(monitor.run(), dashboard.live.run(), parity.run(), *copying)
        async with serving_admin(app, facade.table, shared.admin), background:
            shared.stats.admin_up = True
            await stop.wait()
        parity.write()

    return _run_until_signal(shared.supervisor, administrate, ignore_sigterm=True)


def _run_until_signal(
    supervisor: int,
    run: Callable[[asyncio.Event, asyncio.Event], Awaitable[None]],
    *,
    ignore_sigterm: bool = False,
) -> int:
    """Run `run` with two events: SIGTERM or the end of the supervisor sets the first, SIGQUIT both.

    With `ignore_sigterm`, only SIGQUIT and the end of the supervisor stop this process.
    """

    async def main() -> None:
        stop, stop_now = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def quit_now() -> None:
            stop.set()
            stop_now.set()

        loop.add_signal_handler(signal.SIGTERM, _ignore if ignore_sigterm else stop.set)
        loop.add_signal_handler(signal.SIGQUIT, quit_now)
        watching = asyncio.create_task(_stop_when_orphaned(supervisor, stop))
        try:
            await run(stop, stop_now)
        finally:
            block_reload_signals()
            watching.cancel()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())
    return 0


def _ignore() -> None:
    """The handler of a signal that has no effect."""


async def _stop_when_orphaned(supervisor: int, stop: asyncio.Event) -> None:
    while os.getppid() == supervisor:  # noqa: ASYNC110 - no event reports the end of the parent.
        await asyncio.sleep(_PARENT_POLL_S)
    logging.error("the supervisor is gone: ending, too")
    stop.set()


def _set_log_format(name: str) -> None:
    """Put the name of this process into each log line."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {name}: %(message)s"))
