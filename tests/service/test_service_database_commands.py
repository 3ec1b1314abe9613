"""`flightspecials info|validate|baseline|seed|clean`, and repeatable migrations."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from flightspecial_service.errors import MigrationRefused
from flightspecial_service.infrastructure.migrations.history import info, validate
from flightspecial_service.infrastructure.migrations.migrator import migrate, own_scripts
from flightspecial_service.infrastructure.migrations.scripts import (
    Applied,
    Script,
    pending,
    read_scripts,
)
from flightspecial_service.settings import DatabaseSettings
from tests.service.conftest import run_sql
from tests.service.service_runner import command, variables

OWN = own_scripts()
V1 = Script("1", "a", "V1__a.sql", 7, "SELECT 1")
V2 = Script("2", "b", "V2__b.sql", 8, "SELECT 1")
R = Script(None, "r", "R__r.sql", 9, "SELECT 1")
BASE = Applied("1", "<< Flyway Baseline >>", None, True, "BASELINE")


def test_info_lists_every_migration_with_its_state(empty_database: DatabaseSettings) -> None:
    env = variables(empty_database)
    before = command("info", env=env)
    assert before.returncode == 0
    assert before.stdout.count("pending") == len(OWN)
    asyncio.run(migrate(empty_database, OWN))
    after = command("info", env=env).stdout.splitlines()
    assert [line.split()[-1] for line in after[1:]] == [script.name for script in OWN]
    assert all("applied" in line for line in after[1:])


def test_validate_reports_whether_the_database_fits(empty_database: DatabaseSettings) -> None:
    env = variables(empty_database)
    before = command("validate", env=env)
    assert (before.returncode, before.stderr.count("\n")) == (1, 1)
    assert "not applied yet: V1__create_schema.sql, V2" in before.stderr
    asyncio.run(migrate(empty_database, OWN))
    assert command("validate", env=env).returncode == 0
    run_sql(
        empty_database,
        "UPDATE travelbuddy.flyway_schema_history SET checksum = 1 WHERE version = '4'",
    )
    drifted = command("validate", env=env)
    assert drifted.returncode == 1
    assert "V4__version_specials.sql was changed" in drifted.stderr


def test_a_database_without_a_history_gets_a_baseline(database: DatabaseSettings) -> None:
    """A database that was created by Flyway or by hand, up to version 3."""
    run_sql(
        database,
        "DROP TABLE travelbuddy.flyway_schema_history, travelbuddy.idempotency_key",
        "DROP TRIGGER count_version ON travelbuddy.flightspecial",
        "DROP FUNCTION travelbuddy.count_version",
        "DROP INDEX travelbuddy.flightspecial_expiry_date_id_idx",
        "ALTER TABLE travelbuddy.flightspecial DROP COLUMN version",
    )
    env = variables(database)
    refused = command("migrate", env=env)
    assert refused.returncode == 1
    assert "flightspecials baseline VERSION" in refused.stderr
    first = command("baseline", "3", env=env)
    assert (first.returncode, first.stdout) == (0, "travelbuddy begins at version 3\n")
    assert command("migrate", env=env).stdout.startswith(f"applied {len(OWN) - 3} of")
    assert command("validate", env=env).returncode == 0
    states = [line.split()[1] for line in command("info", env=env).stdout.splitlines()[1:4]]
    assert states == ["below", "below", "baseline"]
    again = command("baseline", "3", env=env)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("arguments", [[], ["--drop-schema", "public"]])
def test_clean_without_the_name_of_the_schema_drops_nothing(
    database: DatabaseSettings, arguments: list[str]
) -> None:
    done = command("clean", *arguments, env=variables(database))
    assert done.returncode == 2
    assert "clean --drop-schema travelbuddy" in done.stderr
    assert run_sql(database, "SELECT FROM travelbuddy.flightspecial")


def test_clean_drops_the_schema_that_is_named(database: DatabaseSettings) -> None:
    assert command("clean", "--drop-schema", "travelbuddy", env=variables(database)).returncode == 0
    [[schema]] = run_sql(database, "SELECT to_regnamespace('travelbuddy')")
    assert schema is None


def test_seed_makes_expired_samples_fresh_as_often_as_it_is_run(database: DatabaseSettings) -> None:
    table = "travelbuddy.flightspecial"
    run_sql(database, f"UPDATE {table} SET expiry_date = '2001-01-01' WHERE id < 5")
    for _ in range(2):
        assert command("seed", env=variables(database)).returncode == 0
    [[expired]] = run_sql(
        database, f"SELECT count(*) FROM {table} WHERE expiry_date < now() AT TIME ZONE 'UTC'"
    )
    [[flights]] = run_sql(database, "SELECT count(*) FROM travelbuddy.flight")
    assert (expired, flights) == (0, 1)


def test_a_repeatable_migration_is_applied_when_it_changes(database: DatabaseSettings) -> None:
    comment = 'COMMENT ON TABLE "${flyway:defaultSchema}".flight IS '
    for text, checksum in (("'one'", 1), ("'two'", 2), ("'two'", 2)):
        repeatable = replace(R, text=comment + text, checksum=checksum)
        asyncio.run(migrate(database, (*OWN, repeatable)))
    [[comment_now]] = run_sql(database, "SELECT obj_description('travelbuddy.flight'::regclass)")
    rows = run_sql(
        database,
        "SELECT version, description, checksum FROM travelbuddy.flyway_schema_history"
        " WHERE script = 'R__r.sql' ORDER BY installed_rank",
    )
    assert comment_now == "two"
    assert [tuple(row) for row in rows] == [(None, "r", 1), (None, "r", 2)]


@pytest.mark.parametrize(
    ("applied", "todo"),
    [
        pytest.param([], [V1, V2, R], id="nothing is there: versions go first"),
        pytest.param([BASE], [V2, R], id="a baseline stands for what is below"),
        pytest.param([BASE, Applied("2", V2.name, 8, True)], [R], id="above the baseline"),
        pytest.param([BASE, Applied(None, R.name, 9, True)], [V2], id="a repeatable as it is"),
        pytest.param([BASE, Applied(None, R.name, 1, True)], [V2, R], id="a changed one"),
    ],
)
def test_to_be_applied_with_baselines_and_repeatables(
    applied: list[Applied], todo: list[Script]
) -> None:
    assert pending([V1, V2, R], applied) == tuple(todo)


def test_the_states_of_info() -> None:
    rows = [
        Applied("1", V1.name, 1, True),
        Applied("2", V2.name, 8, False),
        Applied("3", "V3__later.sql", 1, True),
        Applied(None, R.name, 1, True),
    ]
    states = {line.script: line.state for line in info([V1, V2, R], rows)}
    assert states == {
        V1.name: "changed",
        V2.name: "failed",
        "V3__later.sql": "future",
        R.name: "pending",
    }
    with pytest.raises(MigrationRefused, match=r"R__r\.sql"):
        validate([R], [])


def test_repeatable_files_come_after_the_versions(tmp_path: Path) -> None:
    for name in ("R__b.sql", "V2__x.sql", "R__a.sql"):
        (tmp_path / name).write_text("SELECT 1")
    names = [script.name for script in read_scripts(tmp_path)]
    assert names == ["V2__x.sql", "R__a.sql", "R__b.sql"]
