"""One PostgreSQL for the session; for each test its own database, cloned from a migrated template."""

import asyncio
import os
from collections.abc import Iterator
from itertools import count

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from deploy.local import postgres
from flightspecial_service.app import build
from flightspecial_service.infrastructure.migrations.migrator import migrate, own_scripts
from flightspecial_service.settings import DatabaseSettings, Secret, Settings
from tests.service.service_runner import OPEN, eventually_ready, serving, serving_both

_NUMBERS = count(1)
Shared = tuple[DatabaseSettings, httpx.Client, httpx.Client]
"""A database, and clients for the API and for the operations listener of a service on it."""


def settings_for(endpoint: postgres.Endpoint, name: str) -> DatabaseSettings:
    """The settings for one database of a server."""
    return DatabaseSettings(
        host=endpoint.host,
        port=endpoint.port,
        username=endpoint.user,
        password=Secret(endpoint.password),
        name=name,
    )


def run_sql(database: DatabaseSettings, *statements: str) -> list[asyncpg.Record]:
    """Run the statements one by one; return the rows of the last one."""

    async def run() -> list[asyncpg.Record]:
        session = await asyncpg.connect(
            host=database.host,
            port=database.port,
            user=database.username,
            password=database.password.reveal(),
            database=database.name,
        )
        try:
            return [await session.fetch(statement) for statement in statements][-1]
        finally:
            await session.close()

    return asyncio.run(run())


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Endpoint]:
    """PostgreSQL for all tests that do not stop it."""
    fast = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    with postgres.running(tmp_path_factory.mktemp("postgres") / "data", settings=fast) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def template(server: postgres.Endpoint) -> str:
    """The name of a migrated database to clone."""
    run_sql(settings_for(server, "postgres"), "CREATE DATABASE migrated")
    asyncio.run(migrate(settings_for(server, "migrated"), own_scripts()))
    return "migrated"


@pytest.fixture
def empty_database(server: postgres.Endpoint) -> Iterator[DatabaseSettings]:
    """An empty database."""
    yield from _database(server, "template1")


@pytest.fixture
def database(server: postgres.Endpoint, template: str) -> Iterator[DatabaseSettings]:
    """A migrated database with the sample rows."""
    yield from _database(server, template)


@pytest.fixture(scope="session")
def shared(server: postgres.Endpoint, template: str) -> Iterator[Shared]:
    """One running service with its database, for all tests that change only rows."""
    for database in _database(server, template):
        service = build(Settings(database=database, edge=OPEN), _never)
        with serving_both(service) as (client, operator):
            eventually_ready(client)
            yield database, client, operator


@pytest.fixture
def tables(shared: Shared) -> DatabaseSettings:
    """The shared database, reset to the sample rows."""
    run_sql(
        shared[0],
        "DELETE FROM travelbuddy.flight_name_history",
        "DELETE FROM travelbuddy.flight",
        "DELETE FROM travelbuddy.idempotency_key",
        "DELETE FROM travelbuddy.flightspecial",
        "ALTER SEQUENCE travelbuddy.flightspecial_id_seq RESTART",
        "ALTER SEQUENCE travelbuddy.flight_flight_no_seq RESTART",
        next(each for each in own_scripts() if each.version == "3").sql("travelbuddy"),
    )
    return shared[0]


@pytest.fixture
def client(shared: Shared, tables: DatabaseSettings) -> httpx.Client:
    """A client for the shared service on `tables`."""
    shared[1].cookies.clear()
    return shared[1]


@pytest.fixture
def operator(shared: Shared) -> httpx.Client:
    """A client for the operations listener of the shared service."""
    return shared[2]


@pytest.fixture
def own_client(database: DatabaseSettings) -> Iterator[httpx.Client]:
    """A client for a service on `database`, which is ready."""
    with serving(build(Settings(database=database, edge=OPEN), _never)) as client:
        eventually_ready(client)
        yield client


def _never() -> None:
    raise AssertionError("the service refused its database")


def _database(server: postgres.Endpoint, template: str) -> Iterator[DatabaseSettings]:
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    maintenance = settings_for(server, "postgres")
    run_sql(maintenance, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield replace(maintenance, name=name)
    run_sql(maintenance, f"DROP DATABASE {name} WITH (FORCE)")
