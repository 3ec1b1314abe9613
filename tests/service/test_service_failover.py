"""A failover: the name of the writer leads to a standby for a while. Only servers that accept writes are used."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from deploy.local import postgres
from flightspecial_service.app import build
from flightspecial_service.infrastructure.migrations.migrator import migrate, own_scripts
from flightspecial_service.infrastructure.postgres.connector import Session, connect
from flightspecial_service.infrastructure.postgres.database import Database
from flightspecial_service.infrastructure.postgres.specials import PgFlightSpecials
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql, settings_for
from tests.service.postgres_proxy import postgres_proxy
from tests.service.service_runner import (
    DEADLINE_S,
    OPEN,
    eventually,
    eventually_ready,
    serving,
)
from tests.service.standby import standby
from tests.service.test_service_api import change

ABOUT_THE_DATABASE = ("is lost", "is back", "refuses writes", "accepts writes")


def of_the_database(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the log about the database as a whole."""
    messages = [record.getMessage() for record in caplog.records]
    return [text for text in messages if any(words in text for words in ABOUT_THE_DATABASE)]


def write(client: httpx.Client) -> int:
    return change(client, 1, {"id": 1, "flightSpecialHeader": "x"}).status_code


def statuses(client: httpx.Client, times: int) -> set[int]:
    """The status codes of so many reads and writes."""
    return {
        status
        for _ in range(times)
        for status in (client.get("/flightspecials").status_code, write(client))
    }


def test_a_standby_is_not_used_and_after_the_failover_writes_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = tmp_path / "primary"
    with postgres.running(data) as primary:
        run_sql(settings_for(primary, "postgres"), "CREATE DATABASE dso")
        with (
            standby(tmp_path / "standby", primary, data) as reader,
            postgres_proxy(primary.host, primary.port) as writer_name,
        ):
            database = replace(settings_for(primary, "dso"), port=writer_name.port)
            with serving(build(Settings(database=database, edge=OPEN), lambda: None)) as client:
                eventually_ready(client)
                eventually(lambda: write(client) == 200)
                writer_name.target = (reader.host, reader.port)
                cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'dso'"
                run_sql(settings_for(primary, "postgres"), cut)
                eventually(lambda: client.get("/readyz").status_code == 503)
                assert statuses(client, 20) == {503}
                writer_name.target = (primary.host, primary.port)
                eventually_ready(client)
                assert statuses(client, 20) == {200}
    assert len(of_the_database(caplog)) == 2, caplog.text


def test_a_service_that_starts_on_a_standby_gets_ready_with_the_writer(tmp_path: Path) -> None:
    data = tmp_path / "primary"
    with postgres.running(data) as primary:
        run_sql(settings_for(primary, "postgres"), "CREATE DATABASE dso")
        with (
            standby(tmp_path / "standby", primary, data) as reader,
            postgres_proxy(reader.host, reader.port) as writer_name,
        ):
            database = replace(settings_for(primary, "dso"), port=writer_name.port)
            with serving(build(Settings(database=database, edge=OPEN), lambda: None)) as client:
                assert write(client) == 503
                assert client.get("/readyz").status_code == 503
                writer_name.target = (primary.host, primary.port)
                eventually_ready(client)
                assert statuses(client, 5) == {200}


def test_a_database_that_turned_read_only_is_left_and_is_found_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Live sessions turn read-only, as behind a pooler that has changed the server."""
    caplog.set_level(logging.INFO)
    with postgres.running(tmp_path / "data") as endpoint:
        maintenance = settings_for(endpoint, "postgres")
        run_sql(maintenance, "CREATE DATABASE dso")
        database = settings_for(endpoint, "dso")
        with serving(build(Settings(database=database, edge=OPEN), lambda: None)) as client:
            eventually_ready(client)
            assert statuses(client, 10) == {200}
            setting = "default_transaction_read_only"
            run_sql(maintenance, f"ALTER SYSTEM SET {setting} = on", "SELECT pg_reload_conf()")
            eventually(lambda: write(client) == 503)
            eventually(lambda: client.get("/readyz").status_code == 503)
            eventually(lambda: statuses(client, 20) == {503})
            reset = (
                "BEGIN READ WRITE",
                "COMMIT",
                f"ALTER SYSTEM RESET {setting}",
                "SELECT pg_reload_conf()",
            )
            run_sql(maintenance, *reset)
            eventually_ready(client)
            eventually(lambda: statuses(client, 20) == {200})
    lines = of_the_database(caplog)
    assert len(lines) <= 4, lines
    assert len(lines) == len(set(lines))


def test_the_minimal_case_of_a_start_while_the_database_is_read_only(
    database: DatabaseSettings,
) -> None:
    setting = "default_transaction_read_only"
    with serving(build(Settings(database=database, edge=OPEN), lambda: None)) as client:
        run_sql(database, f"ALTER DATABASE {database.name} SET {setting} = on")
        run_sql(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database.name}' AND pid <> pg_backend_pid()",
        )
        eventually(lambda: write(client) == 503)
        eventually(lambda: client.get("/readyz").status_code == 503)
        run_sql(replace(database, name="postgres"), f"ALTER DATABASE {database.name} RESET ALL")
        eventually_ready(client)
        assert statuses(client, 5) == {200}


def test_a_full_disk_is_one_line_in_the_log_however_many_reads_succeed(
    database: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with serving(build(Settings(database=database, edge=OPEN), lambda: None)) as client:
        eventually_ready(client)
        run_sql(
            database,
            "CREATE FUNCTION travelbuddy.full() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            " RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END$$",
            "CREATE TRIGGER full_disk BEFORE UPDATE ON travelbuddy.flightspecial"
            " FOR EACH ROW EXECUTE FUNCTION travelbuddy.full()",
        )
        assert statuses(client, 20) == {200, 503}
        run_sql(database, "DROP TRIGGER full_disk ON travelbuddy.flightspecial")
        assert statuses(client, 20) == {200}
    refused, accepted = of_the_database(caplog)
    assert refused.startswith("the database refuses writes: DiskFullError")
    assert accepted == "the database accepts writes again"


class OneConnection:
    """Stands for `Database`, which does not connect to a standby."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Session]:
        yield self._session


async def test_a_list_is_never_older_than_its_query_on_a_standby(tmp_path: Path) -> None:
    """There a snapshot does not name the transactions in progress, and a commit of one does not change it."""
    data = tmp_path / "primary"
    with postgres.running(data) as primary, ExitStack() as stack:
        on_primary = settings_for(primary, "postgres")
        await migrate(on_primary, own_scripts())
        reader = stack.enter_context(standby(tmp_path / "standby", primary, data))
        on_standby = await asyncpg.connect(address(settings_for(reader, "postgres")))
        specials = PgFlightSpecials(cast(Database, OneConnection(on_standby)), "travelbuddy")
        held, late, other = [await connect(on_primary) for _ in range(3)]
        await held.execute("BEGIN; SELECT pg_current_xact_id()")
        await late.execute(
            "BEGIN; UPDATE travelbuddy.flightspecial SET header = 'new' WHERE id = 5"
        )
        await other.execute("UPDATE travelbuddy.flightspecial SET cost = 1 WHERE id = 6")
        await replayed(other, on_standby)
        before = await specials.listing()
        await late.execute("COMMIT")
        await replayed(other, on_standby)
        assert before is not None
        after = await specials.listing(before.mark)
        for session in (on_standby, held, late, other):
            session.terminate()
    assert after is not None
    assert next(each for each in after.specials if each.id == 5).header == "new"


def address(database: DatabaseSettings) -> str:
    login = f"{database.username}:{database.password.reveal()}"
    return f"postgresql://{login}@{database.host}:{database.port}/{database.name}"


async def replayed(primary: Session, reader: Session) -> None:
    """Wait until the standby has all that the primary has written."""
    written = await primary.fetchval("SELECT pg_current_wal_flush_lsn()::text")
    async with asyncio.timeout(DEADLINE_S):
        while not await reader.fetchval(
            "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written
        ):
            await asyncio.sleep(0.02)
