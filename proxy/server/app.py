"""Wires the parts: everything that outlives a request is made here, and nothing is made at import."""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from proxy.control.table_watcher import TableWatcher
from proxy.forwarding.asgi_app import AsgiForwarder
from proxy.forwarding.forwarder import Forwarder
from proxy.model import ALL_BP, Backend
from proxy.routing.snapshot import Snapshot
from proxy.routing.transforms.trace_context import RANDOM_BITS
from proxy.server.heartbeat import Heartbeat, resident_bytes
from proxy.server.settings import Settings
from proxy.telemetry.access_log import AccessLog, LogLock
from proxy.telemetry.counters import RequestCounters
from proxy.telemetry.log_line import LineWriter
from proxy.telemetry.shared_memory import (
    Connections,
    SharedStats,
    State,
    StatField,
    Status,
    WorkerStats,
)
from proxy.upstream import Stats, Upstream, open_upstream
from proxy.upstream.registry import UpstreamRegistry

if TYPE_CHECKING:
    import httpx


class WorkerSlot(Struct, frozen=True):
    """Where a process stands among those of its facade."""

    board: SharedStats
    number: int = 0
    """Of its part of the board."""
    turns: LogLock | None = None
    """With whom it writes to the access log in turn. None for a process alone, which keeps the history, too."""

    @property
    def part(self) -> WorkerStats:
        return self.board.parts[self.number]


class Facade:
    """The facade of one process, ready to be served."""

    def __init__(
        self,
        forwarder: Forwarder,
        watcher: TableWatcher,
        meters: RequestCounters,
        place: WorkerSlot,
        is_foreign: bool = False,
    ) -> None:
        self.forwarder = forwarder
        self.watcher = watcher
        self.is_foreign = is_foreign
        """Some backend is asked over a foreign transport, which the ASGI tier alone can."""
        self.meters = meters
        self.place = place
        self.table = watcher.table
        self.handler = AsgiForwarder(forwarder)
        self._pulse = Heartbeat(place.part, self._status)

    @property
    def state(self) -> State:
        """Where this process is in its life, as everybody may see on the board."""
        return State(self.place.part.head[StatField.STATE])

    @state.setter
    def state(self, state: State) -> None:
        self._pulse.beat()
        self.place.part.head[StatField.STATE] = state

    def stats(self) -> dict[str, Stats]:
        """What the connections of each backend do now, by its name."""
        return self.forwarder.upstreams.stats()

    def publish(self) -> None:
        """Put the status of this moment on the board."""
        self._pulse.publish()

    def _status(self, lag_s: float) -> Status:
        return Status(
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
                for name, now in self.stats().items()
            },
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the table's file while inside; then finish, close and write down what is left."""
        async with kept_running(self.watcher, self._pulse.run()):
            yield
        await self.forwarder.upstreams.aclose()
        await self.forwarder.access_log.aclose()
        self.publish()


@contextlib.asynccontextmanager
async def kept_running(
    watcher: TableWatcher, *others: Coroutine[Any, Any, None]
) -> AsyncIterator[None]:
    """Follow the table's file, record what takes effect, and run `others`, while inside."""
    owned = [watcher.watch(), *others]
    if watcher.recorder is not None:
        owned.append(watcher.recorder.run())
    tasks = [asyncio.create_task(each) for each in owned]
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
    place: WorkerSlot | None = None,
) -> Facade:
    """Make every part. Raises OSError, TableError or FacadeError where the facade cannot start.

    `draw` gives whole numbers from [0, 10,000); `transports` take the place of the facade's own
    upstream client, by backend name (a mock, a corporate proxy). Without a `place` the process is alone.
    """
    others = dict(transports or {})
    place = place or WorkerSlot(SharedStats())

    def open_backend(backend: Backend, tls: ssl.SSLContext | None) -> Upstream:
        return open_upstream(backend, others.get(backend.name), tls)

    backends = UpstreamRegistry(open_backend, settings.drain_s)

    def adopt(snapshot: Snapshot) -> None:
        backends.adopt(snapshot.backends, snapshot.contexts)

    meters = RequestCounters(place.part)
    alone = place.turns is None
    watcher = TableWatcher(settings.routes, dict(settings.backends), adopt, recording=alone)
    forwarder = Forwarder(
        watcher.table,
        backends,
        AccessLog(settings.access_log, place.turns),
        draw or _uniform_draw(),
        partial(random.getrandbits, RANDOM_BITS),
        meters.note,
        LineWriter(),
    )
    return Facade(forwarder, watcher, meters, place, bool(others))


def _uniform_draw() -> Callable[[], int]:
    uniform = random.random  # 26 ns; randrange costs 400.
    return lambda: int(uniform() * ALL_BP)
