"""Serves a facade in one process: its traffic listener and its admin listener, from start to graceful shutdown."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable

from proxy.downstream.asgi import AsgiService
from proxy.downstream.asgi_types import App
from proxy.downstream.connection import DownstreamConnection
from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.downstream.interfaces import RequestService
from proxy.downstream.listener import Listener
from proxy.downstream.proxy_protocol_listener import ProxyProtocolListener
from proxy.forwarding.asgi_app import AsgiTier
from proxy.forwarding.quick_tier import QuickTier
from proxy.http1.known_lines import KnownLines
from proxy.model import Networks
from proxy.routing.snapshot import CurrentTable
from proxy.server.admin.app import admin_app, dashboard_of
from proxy.server.app import Facade
from proxy.server.health.monitor import HealthMonitor
from proxy.server.listener_tls import ListenerTls
from proxy.server.mirror_runner import runner_tasks
from proxy.server.mirror_way import MirrorWay
from proxy.server.parity import ParityKeeper
from proxy.server.probes import OwnHealth
from proxy.server.service_manager import ServiceManager
from proxy.server.settings import Address, Settings, Tier
from proxy.server.sockets import address_of, bind, max_client_connections
from proxy.telemetry.shared_memory import WorkerState

log = logging.getLogger(__name__)

_ADMIN_CONNECTIONS = 100
_ADMIN_DRAIN_S = 1.0


def service_of(tier: Tier, facade: Facade, tasks: set[asyncio.Task[None]]) -> RequestService:
    """The service of the traffic listener. `tasks` holds the tasks of the ASGI tier."""
    quick = QuickTier(facade.forwarder, KnownLines())
    fast = quick if facade.tracing is None else facade.tracing.fast_tier(quick)
    if tier == "fast":
        return fast
    return AsgiTier(AsgiService(facade.asgi_app, tasks, lambda: quick.limits), fast)


async def serve(
    facade: Facade,
    settings: Settings,
    announce: Callable[[Address, Address], None],
    stop: asyncio.Event,
    stop_now: asyncio.Event | None = None,
    mirror: MirrorWay | None = None,
) -> None:
    """Serve traffic and the admin application in this process until `stop` is set.

    `announce` gets both addresses once they accept connections. `stop_now` ends the drain early. `mirror` is the way
    to a process for copies, which is started here. Raises SettingsError for an address or a certificate that cannot
    be used.
    """
    tls = ListenerTls.load(settings.tls)
    traffic_socket, admin_socket = (
        bind(settings.listen, "--listen"),
        bind(settings.admin, "--admin"),
    )
    listen, admin = address_of(traffic_socket), address_of(admin_socket)
    health = OwnHealth(facade.slot.worker, facade.publish)
    parity = ParityKeeper(facade.table, facade.slot.stats.mirror, settings.routes)
    dashboard = dashboard_of(settings, facade.table, facade.slot.stats, parity)
    token = settings.admin_token
    app = admin_app(facade.table, facade.slot.stats, health, token, dashboard, parity)
    traffic = Traffic(facade, settings, traffic_socket, tls)
    monitor = HealthMonitor(facade.table, facade.slot.stats, on_change=facade.follow_health)
    copying = runner_tasks(mirror, settings, facade.table)
    background = facade.running(monitor.run(), dashboard.live.run(), parity.run(), *copying)
    async with serving_admin(app, facade.table, admin_socket), background:
        await traffic.start()
        announce(listen, admin)
        await stop.wait()
        ServiceManager(settings.notify_socket).stopping()
        await traffic.stop(stop_now or asyncio.Event())
    parity.write()


class Traffic:
    """The traffic listener of a process and its connections."""

    def __init__(
        self,
        facade: Facade,
        settings: Settings,
        listening: socket.socket,
        tls: ListenerTls | None,
    ) -> None:
        self._facade = facade
        self._settings = settings
        self._listening = listening
        self._clients = ConnectionTracker(
            max_client_connections(),
            facade.counters.count_connection,
            facade.counters.count_refused,
            facade.forwarder.log_refused,
        )
        tier: Tier = "asgi" if facade.needs_asgi_tier else settings.tier
        self._tls = tls
        context = None if tls is None else tls.context
        self._listener = Listener(self._protocol, context)
        if settings.proxy_protocol:
            balancers = Networks(settings.proxy_protocol)
            self._listener = ProxyProtocolListener(
                self._protocol, context, balancers, facade.counters.count_refused
            )
        self._service = service_of(tier, facade, self._listener.tasks)

    def _protocol(self, listener: Listener) -> DownstreamConnection:
        return DownstreamConnection(self._service, self._clients, listener.connections)

    async def start(self) -> None:
        """Accept connections."""
        await self._listener.start(self._listening)
        if self._tls is not None:
            await self._tls.follow(self._listener.use_tls)
            self._facade.reloader.tls = self._tls
        self._facade.state = WorkerState.SERVING

    async def stop(self, stop_now: asyncio.Event) -> None:
        """Graceful shutdown: fail readiness, accept for `pause_s`, stop accepting, drain (promise P1)."""
        self._facade.state = WorkerState.STOPPING
        self._clients.draining = True
        log.info("stopping: accepting for %g s more", self._settings.pause_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.pause_s):
                await stop_now.wait()
        await self._listener.stop_accepting()
        await self._listener.finish(self._settings.drain_s, stop_now)


@contextlib.asynccontextmanager
async def serving_admin(
    app: App, table: CurrentTable, listening: socket.socket
) -> AsyncIterator[None]:
    """Serve `app` on the admin listener inside the block. Its requests never reach the forwarder."""
    clients = ConnectionTracker(_ADMIN_CONNECTIONS, lambda _: None, lambda _: None)

    def protocol(listener: Listener) -> DownstreamConnection:
        service = AsgiService(app, listener.tasks, lambda: table.current)
        return DownstreamConnection(service, clients, listener.connections)

    listener = Listener(protocol)
    await listener.start(listening)
    try:
        yield
    finally:
        await listener.stop_accepting()
        await listener.finish(_ADMIN_DRAIN_S, asyncio.Event())
