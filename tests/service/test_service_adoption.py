"""Databases that exist already: baseline, the history of the Java service, repair, a newer schema."""

import asyncio

import pytest
from msgspec.structs import replace

from flightspecial_service.errors import MigrationRefused
from flightspecial_service.infrastructure.migrations.migrator import migrate, own_scripts
from flightspecial_service.settings import DatabaseSettings
from tests.service import original
from tests.service.conftest import run_sql
from tests.service.service_runner import ROOT, command, eventually_ready, process, variables

OWN = own_scripts()
PAGE = ROOT / "docs" / "from-the-java-service.md"
HISTORY = "travelbuddy.flyway_schema_history"


def serves(env: dict[str, str], specials: int) -> None:
    """The service gets ready on this database, and serves so many specials."""
    with process(env) as (_, client):
        eventually_ready(client)
        assert len(client.get("/flightspecials").json()) == specials


def test_a_database_that_was_given_a_baseline_gets_ready(empty_database: DatabaseSettings) -> None:
    run_sql(empty_database, *original.TABLES)
    env = variables(empty_database)
    assert "flightspecials baseline VERSION" in command("migrate", env=env).stderr
    assert command("baseline", "3", env=env).returncode == 0
    assert command("migrate", env=env).returncode == 0
    assert command("validate", env=env).returncode == 0
    serves(env, 1)


@pytest.mark.parametrize("version", ["99", "0", "3.1"])
def test_a_baseline_of_a_version_that_no_file_has_is_refused(
    empty_database: DatabaseSettings, version: str
) -> None:
    run_sql(empty_database, *original.TABLES)
    done = command("baseline", version, env=variables(empty_database))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"no migration has the version {version}; there are 1, 2, 3" in done.stderr
    assert run_sql(empty_database, f"SELECT to_regclass('{HISTORY}')")[0][0] is None


@pytest.mark.parametrize("schema", ["travelbuddy", "public"])
def test_the_database_of_the_java_service_is_taken_over_as_the_page_says(
    empty_database: DatabaseSettings, schema: str
) -> None:
    page = PAGE.read_text()
    run_sql(empty_database, *original.TABLES, *original.history(schema))
    env = variables(empty_database)
    if schema == "public":
        move = "ALTER TABLE public.flyway_schema_history SET SCHEMA travelbuddy"
        assert move in page
        run_sql(empty_database, move)
    refused = command("migrate", env=env)
    assert refused.returncode == 1
    assert "V1__create_schema.sql was changed" in refused.stderr
    shown = command("repair", "--dry-run", env=env)
    assert shown.returncode == 0
    assert shown.stdout.endswith("would change 3 rows of travelbuddy\n")
    assert command("migrate", env=env).returncode == 1
    repaired = command("repair", env=env)
    assert repaired.stdout.splitlines()[1] == (
        "version 2: V2__init_tables.sql with checksum -1198765432"
        f" becomes V2__create_tables.sql with checksum {OWN[1].checksum}"
    )
    for name in ("repair --dry-run", "repair", "migrate", "validate", "info"):
        assert f"flightspecials {name}\n" in page
        assert command(*name.split(), env=env).returncode == 0
    serves(env, 1)


def test_repair_forgets_a_migration_that_failed(database: DatabaseSettings) -> None:
    env = variables(database)
    run_sql(database, f"UPDATE {HISTORY} SET success = false WHERE version = '6'")
    assert "flightspecials repair" in command("migrate", env=env).stderr
    run_sql(database, "DROP INDEX travelbuddy.flightspecial_expiry_date_id_idx")
    done = command("repair", env=env)
    assert (done.returncode, "V6__index_specials_by_expiry.sql, which failed" in done.stdout) == (
        0,
        True,
    )
    assert command("migrate", env=env).stdout.startswith("applied 1 of")
    assert command("repair", env=env).stdout == "changed 0 rows of travelbuddy\n"


def test_repair_without_a_history_changes_nothing(empty_database: DatabaseSettings) -> None:
    done = command("repair", env=variables(empty_database))
    assert (done.returncode, done.stdout) == (0, "changed 0 rows of travelbuddy\n")


def test_a_row_that_flyways_repair_marked_as_deleted_is_not_demanded(
    database: DatabaseSettings,
) -> None:
    row = "VALUES ({}, '5.5', 'x', '{}', 'V5_5__x.sql', 1, 'postgres', now(), 1, true)"
    run_sql(
        database,
        f"INSERT INTO {HISTORY} {row.format(50, 'SQL')}",
    )
    with pytest.raises(
        MigrationRefused, match=r"V5_5__x\.sql was applied, but the file is missing"
    ):
        asyncio.run(migrate(database, OWN))
    run_sql(database, f"INSERT INTO {HISTORY} {row.format(51, 'DELETE')}")
    assert asyncio.run(migrate(database, OWN)) == ()
    info = command("info", env=variables(database)).stdout
    assert "V5_5" not in info
    assert info.count("applied") == len(OWN)


NEWER = (
    f"INSERT INTO {HISTORY} VALUES"
    " (70, '7', 'later', 'SQL', 'V7__later.sql', 1, 'postgres', now(), 1, true)",
    "ALTER TABLE travelbuddy.flightspecial ADD COLUMN seats int",
    # The newer version has another text for the repeatable migration, too.
    f"UPDATE {HISTORY} SET checksum = 1 WHERE version IS NULL",
)


def test_the_version_before_runs_on_a_newer_schema(database: DatabaseSettings) -> None:
    run_sql(database, *NEWER)
    env = variables(database)
    job = command("migrate", env=env)
    assert (job.returncode, job.stdout) == (
        0,
        f"applied 0 of {len(OWN)} migrations to travelbuddy\n",
    )
    assert "newer than this service, which does not know V7__later.sql" in job.stderr
    assert command("validate", env=env).returncode == 0
    assert "future" in command("info", env=env).stdout
    with process(env) as (service, client):
        eventually_ready(client)
        service.wait_for("newer than this service")
        assert client.post("/flightspecials", json={"header": "x"}).status_code == 201
        assert len(client.get("/flightspecials").json()) == 12


def test_a_newer_schema_is_refused_if_that_is_wanted(database: DatabaseSettings) -> None:
    run_sql(database, *NEWER)
    env = variables(database, DB_SCHEMA_AHEAD="refuse")
    for name in ("migrate", "validate"):
        done = command(name, env=env)
        assert done.returncode == 1
        assert "does not know V7__later.sql" in done.stderr
    with process(env) as (service, _):
        assert service.exit_status() == 1


def test_a_newer_migration_that_failed_is_refused_but_a_running_replica_stays_ready(
    database: DatabaseSettings,
) -> None:
    with process(variables(database)) as (_, client):
        eventually_ready(client)
        run_sql(database, *NEWER, f"UPDATE {HISTORY} SET success = false WHERE version = '7'")
        assert client.get("/readyz").status_code == 200
        with pytest.raises(MigrationRefused, match=r"V7__later\.sql failed"):
            asyncio.run(migrate(database, OWN))


def test_another_schema_is_adopted_by_its_own_name(empty_database: DatabaseSettings) -> None:
    statements = [
        statement.replace("travelbuddy", "elsewhere")
        for statement in (*original.TABLES, *original.history("travelbuddy"))
    ]
    run_sql(empty_database, *statements)
    env = variables(empty_database, DB_DEFAULT_SCHEMA="elsewhere")
    assert command("repair", env=env).stdout.endswith("changed 3 rows of elsewhere\n")
    applied = asyncio.run(migrate(replace(empty_database, schema="elsewhere"), OWN))
    assert applied == OWN[3:]
