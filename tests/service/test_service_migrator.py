"""Migrations against real PostgreSQL."""

import asyncio
import socket
import traceback

import asyncpg
import pytest
from msgspec.structs import replace

from flightspecial_service.errors import MigrationFailed, MigrationRefused, Unavailable
from flightspecial_service.infrastructure.migrations.migrator import lock_key, migrate, own_scripts
from flightspecial_service.infrastructure.migrations.scripts import Script
from flightspecial_service.infrastructure.postgres.connector import connect
from flightspecial_service.settings import DatabaseSettings, Secret
from tests.service.conftest import run_sql

OWN = own_scripts()
BROKEN = Script(
    "99", "half", "V99__half.sql", 1, "CREATE TABLE half (); SELECT nothing FROM nowhere"
)


def history(database: DatabaseSettings) -> list[asyncpg.Record]:
    return run_sql(
        database,
        "SELECT * FROM travelbuddy.flyway_schema_history ORDER BY installed_rank",
    )


def test_an_empty_database_gets_all_migrations_and_the_history_of_flyway(
    empty_database: DatabaseSettings,
) -> None:
    assert asyncio.run(migrate(empty_database, OWN)) == OWN
    rows = history(empty_database)
    assert [tuple(row)[:6] for row in rows] == [
        (rank, each.version, each.description, "SQL", each.name, each.checksum)
        for rank, each in enumerate(OWN, 1)
    ]
    assert [(row["installed_by"], row["success"]) for row in rows] == [("postgres", True)] * len(
        OWN
    )


def test_a_second_run_does_nothing(database: DatabaseSettings) -> None:
    before = history(database)
    assert asyncio.run(migrate(database, OWN)) == ()
    assert history(database) == before


def test_another_schema_is_another_set_of_tables(database: DatabaseSettings) -> None:
    other = replace(database, schema="Other_1")
    assert asyncio.run(migrate(other, OWN)) == OWN
    [[rows]] = run_sql(database, 'SELECT count(*) FROM "Other_1".flightspecial')
    assert rows == 11


def test_replicas_that_start_together_apply_once(empty_database: DatabaseSettings) -> None:
    async def together() -> list[tuple[Script, ...]]:
        return await asyncio.gather(*(migrate(empty_database, OWN) for _ in range(8)))

    assert sorted(len(each) for each in asyncio.run(together())) == [0] * 7 + [len(OWN)]
    [[rows]] = run_sql(empty_database, "SELECT count(*) FROM travelbuddy.flightspecial")
    assert rows == 11


def test_a_migration_that_fails_leaves_nothing_and_names_its_file(
    database: DatabaseSettings,
) -> None:
    with pytest.raises(MigrationFailed, match=r"V99__half.sql.*nowhere"):
        asyncio.run(migrate(database, (*OWN, BROKEN)))
    [[left]] = run_sql(database, "SELECT to_regclass('half')")
    assert left is None
    assert len(history(database)) == len(OWN)


def test_a_migration_that_cannot_be_recorded_did_not_happen(database: DatabaseSettings) -> None:
    unrecorded = (
        "CREATE TABLE half ();"
        " ALTER TABLE travelbuddy.flyway_schema_history ADD CHECK (version <> '99')"
    )
    with pytest.raises(MigrationFailed, match=r"V99__half.sql"):
        asyncio.run(migrate(database, (*OWN, replace(BROKEN, text=unrecorded))))
    [[left]] = run_sql(database, "SELECT to_regclass('half')")
    assert left is None
    assert len(history(database)) == len(OWN)


def test_a_changed_file_is_refused_and_nothing_after_it_applied(database: DatabaseSettings) -> None:
    changed = (OWN[0], replace(OWN[1], checksum=1), *OWN[2:], replace(BROKEN, text="SELECT 1"))
    with pytest.raises(MigrationRefused, match=r"V2__create_tables.sql was changed"):
        asyncio.run(migrate(database, changed))
    assert len(history(database)) == len(OWN)


def test_rows_of_flyway_about_the_schema_are_ignored(database: DatabaseSettings) -> None:
    run_sql(
        database,
        "INSERT INTO travelbuddy.flyway_schema_history VALUES"
        " (0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', '\"travelbuddy\"', NULL, 'x', now(), 0, true)",
    )
    assert asyncio.run(migrate(database, OWN)) == ()


def test_a_role_that_may_create_nothing_can_still_find_all_applied(
    database: DatabaseSettings,
) -> None:
    reader = f"reader_{database.name}"
    run_sql(
        database,
        f"CREATE ROLE {reader} LOGIN PASSWORD 'x'",
        f"GRANT USAGE ON SCHEMA travelbuddy TO {reader}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA travelbuddy TO {reader}",
    )
    secret = type(database.password)("x")
    settings = replace(database, username=reader, password=secret)
    assert asyncio.run(migrate(settings, OWN)) == ()
    with pytest.raises(MigrationFailed, match="permission denied"):
        asyncio.run(migrate(replace(settings, schema="new"), OWN))
    run_sql(database, f"DROP OWNED BY {reader}", f"DROP ROLE {reader}")


@pytest.mark.parametrize("limit", ["migration_wait_s", "lock_timeout_s"])
async def test_each_wait_for_a_lock_times_out(database: DatabaseSettings, limit: str) -> None:
    """Locks of another process: the first of one that migrates, the second of one that uses a table."""
    held = {
        "migration_wait_s": "SELECT pg_advisory_lock(key) FROM (VALUES ($1::int8)) AS k (key)",
        "lock_timeout_s": "LOCK TABLE travelbuddy.flightspecial",
    }
    alter = replace(BROKEN, text="ALTER TABLE travelbuddy.flightspecial ADD COLUMN extra int")
    settings = replace(database, **{limit: 0.2})
    holder = await connect(settings)
    transaction = holder.transaction()
    await transaction.start()
    keys = [lock_key(settings.schema)] if limit == "migration_wait_s" else []
    await holder.execute(held[limit], *keys)
    with pytest.raises(Unavailable):
        await migrate(settings, (*OWN, alter))
    await transaction.rollback()
    await holder.close()
    assert await migrate(replace(settings, **{limit: 20.0}), (*OWN, alter)) == (alter,)


def test_a_role_that_owns_its_schema_but_may_not_create_one_migrates(
    empty_database: DatabaseSettings,
) -> None:
    owner = f"owner_{empty_database.name}"
    run_sql(
        empty_database,
        f"CREATE ROLE {owner} LOGIN PASSWORD 'x'",
        f"CREATE SCHEMA travelbuddy AUTHORIZATION {owner}",
    )
    settings = replace(empty_database, username=owner, password=Secret("x"))
    assert asyncio.run(migrate(settings, OWN)) == OWN
    assert len(history(empty_database)) == len(OWN)
    run_sql(empty_database, f"DROP OWNED BY {owner}", f"DROP ROLE {owner}")


def test_the_run_of_a_file_has_no_limit(database: DatabaseSettings) -> None:
    """Neither that of the wait for the lock, nor one that the database sets for its sessions."""
    run_sql(database, f"ALTER DATABASE {database.name} SET statement_timeout = 100")
    slow = replace(BROKEN, text="SELECT pg_sleep(0.6)")
    outside = replace(slow, version="100", name="V100__slow.sql", in_transaction=False)
    settings = replace(database, migration_wait_s=0.3)
    assert asyncio.run(migrate(settings, (*OWN, slow, outside))) == (slow, outside)


def test_a_failure_that_may_pass_names_the_file(database: DatabaseSettings) -> None:
    ends = replace(BROKEN, text="SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(Unavailable, match=r"V99__half\.sql was not applied: the connection"):
        asyncio.run(migrate(database, (*OWN, ends)))


def test_the_detail_of_an_error_in_a_file_is_not_repeated(database: DatabaseSettings) -> None:
    """It quotes rows."""
    check = "ALTER TABLE travelbuddy.flightspecial ADD CONSTRAINT few CHECK (cost < 0)"
    insert = "INSERT INTO travelbuddy.flightspecial (header, cost) VALUES ('stored text', 1)"
    bad = replace(BROKEN, text=f"DELETE FROM travelbuddy.flightspecial; {check}; {insert}")
    with pytest.raises(MigrationFailed, match="few") as failed:
        asyncio.run(migrate(database, (*OWN, bad)))
    assert "stored text" not in "".join(traceback.format_exception(failed.value))


CONCURRENTLY = Script(
    "99",
    "index",
    "V99__index.sql",
    1,
    "CREATE INDEX CONCURRENTLY extra ON travelbuddy.flightspecial (cost)",
    in_transaction=False,
)


async def test_an_index_is_built_concurrently_while_other_replicas_wait(
    database: DatabaseSettings,
) -> None:
    reader = await connect(database)
    transaction = reader.transaction(isolation="repeatable_read")
    await transaction.start()
    await reader.fetch("SELECT FROM travelbuddy.flightspecial")
    replicas = [asyncio.create_task(migrate(database, (*OWN, CONCURRENTLY))) for _ in range(3)]
    done, _ = await asyncio.wait(replicas, timeout=0.5)
    assert not done  # the index waits for the snapshot of the reader
    await transaction.rollback()
    await reader.close()
    assert sorted(map(len, await asyncio.gather(*replicas))) == [0, 0, 1]
    rows = await asyncio.to_thread(history, database)
    assert [(row["script"], row["success"]) for row in rows][-1] == ("V99__index.sql", True)


def test_in_a_transaction_an_index_cannot_be_built_concurrently(database: DatabaseSettings) -> None:
    with pytest.raises(
        MigrationFailed, match=r"V99__index\.sql was rolled back.*transaction block"
    ):
        asyncio.run(migrate(database, (*OWN, replace(CONCURRENTLY, in_transaction=True))))


def test_a_failure_outside_a_transaction_is_recorded_and_stops_the_next_start(
    database: DatabaseSettings,
) -> None:
    twice = replace(CONCURRENTLY, text=CONCURRENTLY.text.replace("(cost)", "(nothing)"))
    with pytest.raises(MigrationFailed, match=r"V99__index\.sql failed outside a transaction"):
        asyncio.run(migrate(database, (*OWN, twice)))
    assert [row["success"] for row in history(database)][-1] is False
    with pytest.raises(MigrationRefused, match=r"V99__index\.sql failed.*flightspecials repair"):
        asyncio.run(migrate(database, (*OWN, CONCURRENTLY)))


async def test_a_server_that_vanishes_during_a_migration_is_noticed(
    database: DatabaseSettings,
) -> None:
    """By keepalive: nothing else limits the run of a file."""
    session = await connect(database)
    found: socket.socket = session._transport.get_extra_info("socket")  # type: ignore[attr-defined]
    assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    await session.close()
