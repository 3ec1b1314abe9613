"""Properties of the database and of the server that are reported at the start."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from deploy.local import postgres
from flightspecial_service.errors import UnfitDatabase
from flightspecial_service.infrastructure.migrations.migrator import migrate, own_scripts
from flightspecial_service.settings import DatabaseSettings
from tests.service.conftest import run_sql, settings_for
from tests.service.service_runner import command, process, variables

OWN = own_scripts()


@pytest.fixture(params=["EUC_KR", "SQL_ASCII"])
def other_encoding(
    server: postgres.Endpoint, request: pytest.FixtureRequest
) -> Iterator[DatabaseSettings]:
    """A database that is not UTF8."""
    maintenance, name = settings_for(server, "postgres"), f"in_{request.param.lower()}"
    run_sql(
        maintenance,
        f"CREATE DATABASE {name} ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0",
    )
    yield replace(maintenance, name=name)
    run_sql(maintenance, f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_that_is_not_utf8_is_refused_at_the_start(
    other_encoding: DatabaseSettings,
) -> None:
    env = variables(other_encoding)
    done = command("migrate", env=env)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"the database {other_encoding.name} has the encoding" in done.stderr
    with process(env) as (service, _):
        assert service.exit_status() == 1
    with pytest.raises(UnfitDatabase):
        asyncio.run(migrate(other_encoding, OWN))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "DB_POOL_SIZE" in record.msg]


def test_a_pool_that_is_larger_than_the_server_allows_is_a_warning_at_the_start(
    database: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    [[allowed]] = run_sql(
        database,
        "SELECT current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int",
    )
    asyncio.run(migrate(replace(database, pool_size=allowed - 1), OWN))
    assert warnings(caplog) == []
    asyncio.run(migrate(replace(database, pool_size=allowed), OWN))
    assert warnings(caplog) == [
        f"DB_POOL_SIZE is {allowed}, and readiness needs one connection more,"
        f" but PostgreSQL allows only {allowed}"
    ]


@pytest.mark.parametrize("limited", ["DATABASE {}", "ROLE {}"])
def test_limits_of_the_database_and_of_the_role_count_as_well(
    database: DatabaseSettings, caplog: pytest.LogCaptureFixture, limited: str
) -> None:
    caplog.set_level(logging.WARNING)
    name = database.name
    run_sql(database, f"CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'x'")
    run_sql(database, f"ALTER {limited.format(name)} CONNECTION LIMIT 5")
    settings = replace(database, username=name, password=type(database.password)("x"), pool_size=5)
    asyncio.run(migrate(settings, OWN))
    assert "allows only 5" in warnings(caplog)[0]
    run_sql(database, f"DROP ROLE {name}")


def test_times_are_shown_in_utc_whatever_the_zone_of_the_database(
    empty_database: DatabaseSettings,
) -> None:
    zone = f"ALTER DATABASE {empty_database.name} SET timezone = 'Asia/Seoul'"
    run_sql(empty_database, zone)
    asyncio.run(migrate(empty_database, OWN))
    lines = command("info", env=variables(empty_database)).stdout.splitlines()
    [[now]] = run_sql(empty_database, "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')")
    [[before]] = run_sql(
        empty_database,
        "SELECT to_char((now() - interval '1 hour') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')",
    )
    assert now in lines[1] or before in lines[1]
