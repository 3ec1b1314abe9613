"""Builds the app from its parts. Its lifespan starts and stops what runs beside the requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from msgspec import Struct
from starlette.types import ASGIApp

from flightspecial_service.application.queries import CachedListing
from flightspecial_service.background.housekeeping import Housekeeping
from flightspecial_service.background.readiness import DatabaseReadiness
from flightspecial_service.background.startup import Startup
from flightspecial_service.domain import Flights, FlightSpecials, Store
from flightspecial_service.infrastructure.aws.client import credentials_for
from flightspecial_service.infrastructure.aws.credentials import POLL_S, SecretCredentials, resolved
from flightspecial_service.infrastructure.migrations.migrator import migrate, own_scripts
from flightspecial_service.infrastructure.migrations.scripts import Script
from flightspecial_service.infrastructure.postgres.database import Database, SlowQueries
from flightspecial_service.infrastructure.postgres.flights import PgFlights
from flightspecial_service.infrastructure.postgres.specials import PgFlightSpecials
from flightspecial_service.infrastructure.postgres.transactions import PgStore
from flightspecial_service.interface.api.build_label import BuildLabel
from flightspecial_service.interface.api.flights import FlightsApi
from flightspecial_service.interface.api.legacy import LegacyApi
from flightspecial_service.interface.api.operations import Apis
from flightspecial_service.interface.api.operations_listener import (
    Info,
    OperationsApi,
    OperationsListener,
)
from flightspecial_service.interface.api.probes import Probes, Readiness
from flightspecial_service.interface.api.routes import router
from flightspecial_service.interface.api.special_commands import SpecialCommandsApi
from flightspecial_service.interface.api.specials import SpecialsApi
from flightspecial_service.interface.http.access import (
    Access,
    BearerToken,
    open_to_all,
    switched_off,
)
from flightspecial_service.interface.http.middleware import Drain, Middleware
from flightspecial_service.interface.http.traced_middleware import RequestSpan, TracedMiddleware
from flightspecial_service.server import Service
from flightspecial_service.settings import EdgeSettings, Settings, TracingSettings
from flightspecial_service.telemetry import Telemetry

if TYPE_CHECKING:
    from flightspecial_service.spans import SpanExporter

_HOUSEKEEPING_S = 300.0
_PACKAGES = ("asyncpg", "httptools", "msgspec", "prometheus-client", "starlette", "uvicorn")


def build(
    settings: Settings,
    refused: Callable[[], None],
    scripts: tuple[Script, ...] | None = None,
    drain: Drain | None = None,
    poll_s: float = POLL_S,
) -> Service:
    """The service on PostgreSQL. Its lifespan owns the connection pool and the background tasks."""
    scripts = own_scripts() if scripts is None else scripts
    schema = settings.database.schema
    telemetry = Telemetry()
    slow = SlowQueries(
        settings.slow_query_s, telemetry.slow_queries.inc, telemetry.query_seconds.observe
    )
    credentials = credentials_for(settings.database)
    database = Database(settings.database, slow, credentials, telemetry.pool_wait_seconds.observe)
    telemetry.gauge("flightspecials_db_connections", "Open connections", database.size)
    telemetry.gauge("flightspecials_db_connections_idle", "Of them unused", database.idle)
    telemetry.gauge("flightspecials_db_up", "0 after the database was lost", database.up)
    store = PgStore(database, schema, settings.key_ttl_s)

    async def migrate_database() -> None:
        await migrate(await resolved(settings.database, credentials), scripts)

    startup = Startup(migrate_database, refused)
    housekeeping = Housekeeping(store, _HOUSEKEEPING_S)

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        await database.open()
        tasks = [
            asyncio.create_task(startup.run(), name="startup"),
            asyncio.create_task(housekeeping.run(), name="housekeeping"),
        ]
        if isinstance(credentials, SecretCredentials):
            watching = credentials.watch(database.expire, poll_s)
            tasks.append(asyncio.create_task(watching, name="secret"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await database.close()
            if exporter is not None:
                await exporter.aclose()

    versions = [script.version for script in scripts if script.version is not None]
    readiness = DatabaseReadiness(startup, database, schema, scripts)
    stores = Stores(PgFlightSpecials(database, schema), PgFlights(database, schema), store)
    exporter = None if settings.tracing is None else _exporter(settings.tracing)
    report = None if exporter is None else exporter.report
    http_dependencies = HttpDependencies(readiness, utc_now, telemetry, drain or Drain(), report)
    return Service(
        http_app(stores, http_dependencies, settings, lifespan),
        operations_app(http_dependencies, settings, versions[-1] if versions else ""),
        telemetry,
    )


class HttpDependencies(Struct, frozen=True):
    """What the HTTP side needs besides the stores."""

    readiness: Readiness
    now: Callable[[], datetime]
    telemetry: Telemetry
    drain: Drain
    report: Callable[[RequestSpan], None] | None = None
    """Takes the spans of the API's requests. None without a collector."""


class Stores(Struct, frozen=True):
    """The ports to the database."""

    specials: FlightSpecials
    flights: Flights
    store: Store


def http_app(
    stores: Stores,
    http_dependencies: HttpDependencies,
    settings: Settings,
    lifespan: Callable[[object], object] | None = None,
) -> ASGIApp:
    """The HTTP side on any stores; tests pass stores in memory."""
    build_label = BuildLabel(settings.build, settings.show_build)
    cached_listing = CachedListing(stores.specials)
    apis = Apis(
        SpecialsApi(stores.specials, cached_listing, http_dependencies.now, build_label),
        SpecialCommandsApi(stores.specials, stores.store, build_label, settings.header_update),
        FlightsApi(stores.flights, stores.store),
        LegacyApi(cached_listing, http_dependencies.now, build_label),
        Probes(http_dependencies.readiness, http_dependencies.drain),
        special_writes(settings.edge),
    )
    middleware = _middleware(http_dependencies, settings)
    if http_dependencies.report is not None and settings.tracing is not None:
        middleware = TracedMiddleware(middleware, http_dependencies.report, settings.tracing.ratio)
    return router(apis, middleware, lifespan, settings.edge.cors_origins)


def operations_app(
    http_dependencies: HttpDependencies, settings: Settings, migration: str
) -> ASGIApp:
    """The app of the operations listener. `migration` is the newest one of this version."""
    info = Info(
        name="flightspecials",
        version=version("strangler-facade"),
        build=settings.build,
        profile=settings.profile,
        migration=migration,
        started_at=http_dependencies.now().isoformat(timespec="seconds"),
        python=python_version(),
        packages={name: version(name) for name in _PACKAGES},
    )
    return OperationsListener(
        Probes(http_dependencies.readiness, http_dependencies.drain),
        OperationsApi(http_dependencies.telemetry, info),
        _middleware(http_dependencies, settings),
    )


def special_writes(edge: EdgeSettings) -> Access:
    """Who may create, change and delete specials. Raises SettingsError."""
    if not edge.special_writes:
        return switched_off
    return BearerToken(Path(edge.token_file)) if edge.token_file else open_to_all


def _middleware(http_dependencies: HttpDependencies, settings: Settings) -> Middleware:
    return Middleware(
        http_dependencies.telemetry,
        http_dependencies.drain,
        BuildLabel(settings.build, settings.show_build).headers,
        settings.access_log,
    )


def _exporter(settings: TracingSettings) -> "SpanExporter":
    # Imported here: the SDK is an extra, and takes long to import.
    from flightspecial_service.spans import SpanExporter

    return SpanExporter(settings.endpoint)


def utc_now() -> datetime:
    """The current time, with its zone."""
    return datetime.now(UTC)
