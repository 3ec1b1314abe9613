"""Puts the parts together, and starts and stops them."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from starlette.routing import Router

from flightspecial_service.domain import FlightSpecials
from flightspecial_service.errors import MigrationError, NotMigrated, Unavailable
from flightspecial_service.infrastructure.database import Database, reason
from flightspecial_service.infrastructure.migrator import migrate, own_scripts
from flightspecial_service.infrastructure.scripts import Script
from flightspecial_service.infrastructure.specials import PgFlightSpecials
from flightspecial_service.interface.legacy import LegacyApi
from flightspecial_service.interface.probes import Probes, Readiness
from flightspecial_service.interface.resource import nowhere
from flightspecial_service.interface.routes import routes
from flightspecial_service.interface.specials import SpecialsApi
from flightspecial_service.settings import Settings

log = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.1
_LAST_DELAY_S = 2.0


class Startup:
    """Migrates as soon as the database answers, and says whether the service is ready.

    `refused` is called when waiting cannot help. `draw` gives a uniform number from [0, 1).
    """

    def __init__(
        self,
        migrating: Callable[[], Awaitable[object]],
        refused: Callable[[], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._migrating = migrating
        self._refused = refused
        self._draw = draw
        self._open: Unavailable | None = NotMigrated("the service is starting")

    @property
    def open(self) -> Unavailable | None:
        """What is still missing before requests can be answered."""
        return self._open

    async def run(self) -> None:
        """Try until it is done, or until it cannot be."""
        attempt = 0
        while self._open is not None:
            try:
                await self._migrating()
            except Unavailable as error:
                delay_s = backoff_s(attempt, self._draw())
                attempt += 1
                log.warning(
                    "not ready: %s (%s)", error, reason(error), extra={"retry_in_s": delay_s}
                )
                self._open = error
                await asyncio.sleep(delay_s)
            except MigrationError as error:
                log.error("stopping: %s", error)
                self._open = NotMigrated(str(error))
                return self._refused()
            except Exception:
                # The edge of this task. Nobody awaits it before the end, so the error is told here.
                log.exception("stopping: the start failed")
                self._open = NotMigrated("the start failed; the log says why")
                return self._refused()
            else:
                self._open = None
                log.info("ready")


class DatabaseReadiness:
    """Ready is: started up, and the database answers and still holds our migrations."""

    def __init__(self, startup: Startup, database: Database, versions: Collection[str]) -> None:
        self._startup = startup
        self._database = database
        self._versions = versions

    async def check(self) -> None:
        """Raise Unavailable otherwise."""
        if self._startup.open is not None:
            raise Unavailable(str(self._startup.open))
        await self._database.check(self._versions)


def backoff_s(attempt: int, draw: float) -> float:
    """Seconds until the try after `attempt` (from 0): doubling, capped, half of it by `draw`."""
    whole = min(_LAST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(attempt, 10))
    return whole * (1 + draw) / 2


def build(
    settings: Settings, refused: Callable[[], None], scripts: tuple[Script, ...] | None = None
) -> Router:
    """The service as an ASGI app. Its lifespan owns the pool and the start-up task."""
    scripts = own_scripts() if scripts is None else scripts
    database = Database(settings.database)
    specials = PgFlightSpecials(database, settings.database.schema)
    startup = Startup(lambda: migrate(settings.database, scripts), refused)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        await database.open()
        task = asyncio.create_task(startup.run(), name="startup")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await database.close()

    readiness = DatabaseReadiness(startup, database, [script.version for script in scripts])
    return wired(specials, readiness, utc_now, lifespan)


def wired(
    specials: FlightSpecials,
    readiness: Readiness,
    now: Callable[[], datetime],
    lifespan: Callable[[object], object] | None = None,
) -> Router:
    """The HTTP side over any store: tests give one of their own."""
    table = routes(SpecialsApi(specials), LegacyApi(specials, now), Probes(readiness))
    return Router(table, redirect_slashes=False, default=nowhere, lifespan=lifespan)  # type: ignore[arg-type]


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)
