"""Wires the parts: everything that outlives a request is made here, and nothing is made at import."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping

import httpx
from starlette.applications import Starlette

from proxy.admin import admin_app
from proxy.backends import Backends
from proxy.handler import Handler
from proxy.model import ALL_BP, Backend
from proxy.settings import Settings
from proxy.table import Snapshot, Tables
from proxy.telemetry import AccessLog
from proxy.upstream import Stats, Upstream, open_upstream


class Facade:
    """The facade, ready to be served: `handler` for traffic, `admin` for operators."""

    def __init__(
        self, tables: Tables, backends: Backends, access_log: AccessLog, handler: Handler
    ) -> None:
        self.tables = tables
        self.handler = handler
        self._backends = backends
        self._access_log = access_log
        self.stopping = False
        self.admin: Starlette = admin_app(tables, lambda: not self.stopping)

    def stats(self) -> dict[str, Stats]:
        """What the connections of each backend do now, by its name."""
        return self._backends.stats()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the table's file while inside; then finish, close and write down what is left."""
        tasks = (
            asyncio.create_task(self.tables.watch(), name="watch the table"),
            asyncio.create_task(self.tables.recorder.run(), name="keep the history"),
        )
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._backends.aclose()
            await self._access_log.aclose()


def build(
    settings: Settings,
    *,
    draw: Callable[[], int] | None = None,
    transports: Mapping[str, httpx.AsyncBaseTransport] | None = None,
) -> Facade:
    """Make every part. Raises OSError, TableError or FacadeError where the facade cannot start.

    `draw` gives whole numbers from [0, 10,000); `transports` take the place of the facade's own
    upstream client, by backend name (a mock, a corporate proxy).
    """
    others = dict(transports or {})

    def open_backend(backend: Backend) -> Upstream:
        return open_upstream(backend, others.get(backend.name))

    backends = Backends(open_backend, settings.drain_s)

    def adopt(snapshot: Snapshot) -> None:
        backends.adopt(snapshot.backends)

    tables = Tables(settings.routes, dict(settings.backends), adopt)
    access_log = AccessLog(settings.access_log)
    handler = Handler(tables, backends, access_log, draw or _uniform_draw())
    return Facade(tables, backends, access_log, handler)


def _uniform_draw() -> Callable[[], int]:
    uniform = random.random  # 26 ns; randrange costs 400.
    return lambda: int(uniform() * ALL_BP)
