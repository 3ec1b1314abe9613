"""Builds the facade of one process: every object that outlives a request. Nothing is created at import."""

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from proxy.control.table_watcher import TableWatcher
from proxy.downstream.asgi_types import App
from proxy.forwarding.asgi_app import AsgiForwarder
from proxy.forwarding.forwarder import Forwarder
from proxy.mirroring.copy_maker import CopyMaker
from proxy.mirroring.lane import RECEIVE_BUFFER_BYTES
from proxy.mirroring.outlet import Outlet
from proxy.mirroring.sender import CopySender
from proxy.model import ALL_BP, Backend
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import RANDOM_BITS
from proxy.server.health.follower import HealthFollower
from proxy.server.heartbeat import Heartbeat, resident_bytes
from proxy.server.reloader import Reloader
from proxy.server.service_manager import ServiceManager
from proxy.server.settings import Settings, TracingSettings
from proxy.telemetry.access_log import AccessLog, LogLock
from proxy.telemetry.counters import RequestCounters
from proxy.telemetry.log_line import LineWriter
from proxy.telemetry.mirror_counters import MirrorCounters
from proxy.telemetry.outcomes import WorkerOutcomes
from proxy.telemetry.shared_memory import (
    Connections,
    SharedStats,
    StatField,
    WorkerState,
    WorkerStats,
    WorkerStatus,
)
from proxy.upstream import Stats, Upstream, open_upstream
from proxy.upstream.registry import UpstreamRegistry

if TYPE_CHECKING:
    import httpx

    from proxy.tracing.tracing import Tracing


class WorkerSlot(Struct, frozen=True):
    """The place of a process among the processes of its facade."""

    stats: SharedStats
    number: int = 0
    """The index of its part of `stats`."""
    log_lock: LogLock | None = None
    """For the access log that all workers write to. None for the process that also records the history: the only
    process, or the admin process, which writes no access log."""
    to_mirror: socket.socket | None = None
    """The end of the way to the mirror process. Without it this process makes its copies itself (ADR 34)."""

    @property
    def worker(self) -> WorkerStats:
        return self.stats.workers[self.number]


class Facade:
    """The facade of one process. `serve` opens its listeners."""

    def __init__(
        self,
        forwarder: Forwarder,
        watcher: TableWatcher,
        counters: RequestCounters,
        slot: WorkerSlot,
        reloader: Reloader,
        follower: HealthFollower,
        maker: CopyMaker | None,
        needs_asgi_tier: bool = False,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.forwarder = forwarder
        self.watcher = watcher
        self.needs_asgi_tier = needs_asgi_tier
        """Whether a backend is reached through an httpx transport, which only the ASGI tier supports."""
        self.counters = counters
        self.slot = slot
        self.reloader = reloader
        self.table = watcher.table
        asgi = AsgiForwarder(forwarder)
        self.asgi_app: App = asgi if tracing is None else tracing.asgi_app(asgi)
        self.tracing = tracing
        """None without a collector of spans."""
        self._follower = follower
        self._maker = maker
        self._heartbeat = Heartbeat(slot.worker, self._status, follower.follow)

    @property
    def state(self) -> WorkerState:
        """The state of this process. All processes of the facade can read it."""
        return WorkerState(self.slot.worker.head[StatField.STATE])

    @state.setter
    def state(self, state: WorkerState) -> None:
        self._heartbeat.beat()
        self.slot.worker.head[StatField.STATE] = state

    def upstream_stats(self) -> dict[str, Stats]:
        """The connections of each backend, by its name."""
        return self.forwarder.upstreams.stats()

    def publish(self) -> None:
        """Publish the current status of this process."""
        self._heartbeat.publish()

    def follow_health(self) -> None:
        """Apply the states of endpoints that this process has just published, before the next beat."""
        self._follower.follow()

    def _status(self, lag_s: float) -> WorkerStatus:
        return WorkerStatus(
            self.table.current.version,
            lag_s,
            self.forwarder.access_log.dropped,
            time.process_time(),
            resident_bytes(),
            {
                name: Connections(
                    now.connections,
                    now.idle,
                    now.in_flight,
                    now.pending,
                    dict(now.tolerated),
                    now.streams,
                    now.tunnels,
                )
                for name, now in self.upstream_stats().items()
            },
        )

    @contextlib.asynccontextmanager
    async def running(self, *others: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Watch the table's file, reload on signals, and run `others`, inside the block.

        Then close the upstreams and the log.
        """
        self._follower.follow()
        maker = self._maker
        copying = () if maker is None else maker.tasks()
        own = (self._heartbeat.run(), self.reloader.run(), *copying)
        async with background_tasks(self.watcher, *own, *others):
            yield
            if maker is not None:
                await maker.aclose()
        await self.forwarder.upstreams.aclose()
        await self.forwarder.access_log.aclose()
        if self.tracing is not None:
            await self.tracing.aclose()
        self.publish()


@contextlib.asynccontextmanager
async def background_tasks(
    watcher: TableWatcher, *others: Coroutine[Any, Any, None]
) -> AsyncIterator[None]:
    """Watch the table's file, record changes in the history, and run `others`, inside the block."""
    coroutines = [watcher.watch(), *others]
    if watcher.recorder is not None:
        coroutines.append(watcher.recorder.run())
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def build(
    settings: Settings,
    *,
    draw: Callable[[], int] | None = None,
    transports: "Mapping[str, httpx.AsyncBaseTransport] | None" = None,
    slot: WorkerSlot | None = None,
) -> Facade:
    """Create all objects of a process. Raises OSError, TableError or FacadeError if the facade cannot start.

    `draw` returns whole numbers from [0, 10,000). `transports` replace the facade's own upstream client, by the name
    of the backend (a mock, a corporate proxy). Without `slot` this is the only process of the facade.
    """
    transports = dict(transports or {})
    slot = slot or WorkerSlot(SharedStats())

    outcomes = WorkerOutcomes(slot.worker)

    def open_backend(backend: Backend, tls: ssl.SSLContext | None) -> Upstream:
        observe = partial(outcomes.observe, backend)
        return open_upstream(backend, transports.get(backend.name), tls, observe)

    upstreams = UpstreamRegistry(open_backend, settings.drain_s)

    def open_copies(backend: Backend, tls: ssl.SSLContext | None) -> Upstream:
        name = backend.name.partition(" ")[0]
        return open_upstream(backend, transports.get(name), tls, None, RECEIVE_BUFFER_BYTES)

    maker = None
    if slot.to_mirror is None:
        maker = CopyMaker.create(open_copies, slot.stats.mirror)

    def adopt(snapshot: Snapshot) -> None:
        upstreams.adopt(snapshot.backends, snapshot.contexts)
        if maker is not None:
            maker.mirrors.adopt(snapshot)

    counters = RequestCounters(slot.worker)
    recording = slot.log_lock is None
    watcher = TableWatcher(settings.routes, dict(settings.backends), adopt, recording=recording)
    follower = HealthFollower(watcher.table, upstreams, slot.stats, slot.number, outcomes)
    access_log = AccessLog(settings.access_log, slot.log_lock)
    forwarder = Forwarder(
        watcher.table,
        upstreams,
        access_log,
        draw or _uniform_draw(),
        partial(random.getrandbits, RANDOM_BITS),
        counters,
        LineWriter(),
        follower.health,
        copies=_copy_sender(maker, slot),
    )
    reloader = Reloader(watcher, access_log, ServiceManager(settings.notify_socket))
    tracing = None if settings.tracing is None else _start_tracing(settings.tracing, forwarder)
    return Facade(
        forwarder,
        watcher,
        counters,
        slot,
        reloader,
        follower,
        maker,
        bool(transports),
        tracing,
    )


def _copy_sender(maker: CopyMaker | None, slot: WorkerSlot) -> CopySender | None:
    drops = MirrorCounters(slot.worker)
    if maker is not None:
        return CopySender(maker.mirrors, drops)
    return None if slot.to_mirror is None else CopySender(Outlet(slot.to_mirror), drops)


def _start_tracing(settings: TracingSettings, forwarder: Forwarder) -> "Tracing":
    # Imported here: the SDK is an extra, and takes long to import.
    from proxy.tracing.exporter import SpanExporter
    from proxy.tracing.sampling import Sampler
    from proxy.tracing.tracing import Tracing

    sampler = Sampler(settings.ratio, random.random)
    return Tracing(SpanExporter(settings.endpoint), sampler, forwarder)


def _uniform_draw() -> Callable[[], int]:
    uniform = random.random  # 26 ns; randrange takes 400 ns.
    return lambda: int(uniform() * ALL_BP)
