"""PostgreSQL goes away, or has no connection to give, and comes back."""

import asyncio
import threading
import time
from pathlib import Path

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from deploy.local import postgres
from flightspecial_service.app import Startup, backoff_s, build
from flightspecial_service.errors import Conflicted, Exhausted, NotMigrated, Unavailable
from flightspecial_service.infrastructure.database import Database, connect
from flightspecial_service.infrastructure.foreign import translated
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql, settings_for
from tests.service.running import (
    DEADLINE_S,
    eventually,
    eventually_ready,
    process,
    serving,
    variables,
)
from tests.service.test_service_api import change, is_problem


def test_it_recovers_by_itself_when_postgresql_comes_back(tmp_path: Path) -> None:
    """D1 and D2: down at the start, up, down under load, up again. What was acknowledged is there."""
    port, data = postgres.free_port(), tmp_path / "data"
    with postgres.running(data, port=port) as endpoint:
        run_sql(settings_for(endpoint, "postgres"), "CREATE DATABASE dso")
    with process(variables(settings_for(endpoint, "dso"))) as (service, client):
        service.wait_for("not ready")
        with postgres.running(data, port=port):
            eventually_ready(client)
            writer = Writer(str(client.base_url))
            eventually(lambda: writer.acknowledged > 20)
        service.wait_for("the database is lost")
        eventually(lambda: client.get("/flightspecials").status_code == 503)
        is_problem(client.get("/readyz"), 503)
        assert client.get("/healthz").status_code == 200
        with postgres.running(data, port=port):
            eventually_ready(client)
            reached = writer.acknowledged
            eventually(lambda: writer.acknowledged > reached)
            writer.stop()
            assert (
                client.get("/flightspecials/1").json()["header"] == f"write {writer.acknowledged}"
            )
        service.wait_for("the database is back")
        failed = [line for line in service.log if line["message"] == "a request failed"]
        assert failed == []
        assert writer.statuses == {200, 503}


class Writer:
    """Changes one header again and again, counting what was acknowledged, until it is stopped."""

    def __init__(self, base_url: str) -> None:
        self.acknowledged = 0
        self.statuses: set[int] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(base_url,))
        self._thread.start()

    def stop(self) -> None:
        """The last write has been answered when this returns."""
        self._end.set()
        self._thread.join(20)

    def _run(self, base_url: str) -> None:
        with httpx.Client(base_url=base_url, timeout=20) as client:
            while not self._end.is_set():
                body = {"id": 1, "flightSpecialHeader": f"write {self.acknowledged + 1}"}
                status = change(client, 1, body).status_code
                self.statuses.add(status)
                self.acknowledged += status == 200


async def test_an_exhausted_pool_answers_503_and_recovers(database: DatabaseSettings) -> None:
    """D3: both connections wait for a row that somebody else has locked."""
    narrow = replace(
        database,
        pool_size=2,
        acquire_timeout_s=0.1,
        command_timeout_s=20.0,
        row_lock_timeout_s=20.0,
    )
    holder = await connect(database)
    lock = holder.transaction()
    await lock.start()
    await holder.execute("SELECT FROM travelbuddy.flightspecial WHERE id = 1 FOR UPDATE")
    with serving(build(Settings(database=narrow), lambda: None)) as client:
        eventually_ready(client)
        url = f"{client.base_url}/flightspecials"
        async with httpx.AsyncClient(timeout=20) as asking, asyncio.TaskGroup() as group:
            body = {"id": 1, "flightSpecialHeader": "x"}
            writers = [group.create_task(asking.post(f"{url}/1/header", json=body)) for _ in "ab"]
            answer = await asking.get(url)
            deadline = time.monotonic() + DEADLINE_S
            while answer.status_code == 200:
                assert time.monotonic() < deadline
                answer = await asking.get(url)
            is_problem(answer, 503)
            assert answer.json()["detail"] == "every connection to the database is in use"
            # A restart would not help, and another replica has no more connections than we.
            assert (await asking.get(f"{client.base_url}/readyz")).status_code == 200
            await lock.rollback()
        assert [writer.result().status_code for writer in writers] == [200, 200]
        assert client.get("/flightspecials").status_code == 200
    await holder.close()


async def test_a_write_that_waits_too_long_is_given_up_and_not_done(
    database: DatabaseSettings,
) -> None:
    impatient = replace(database, command_timeout_s=0.1)
    holder = await connect(database)
    lock = holder.transaction()
    await lock.start()
    await holder.execute("UPDATE travelbuddy.flightspecial SET header = 'held' WHERE id = 1")
    with serving(build(Settings(database=impatient), lambda: None)) as client:
        eventually_ready(client)
        answer = change(client, 1, {"id": 1, "flightSpecialHeader": "late"})
        is_problem(answer, 503)
        await lock.commit()
        assert client.get("/flightspecials/1").json()["header"] == "held"
    await holder.close()


async def test_closing_does_not_wait_without_end_for_a_connection_in_use(
    database: DatabaseSettings,
) -> None:
    """D9."""
    mine = Database(replace(database, close_timeout_s=0.05))
    await mine.open()

    async def close_while_in_use() -> None:
        async with mine.connection() as connection:
            await mine.close()
            await connection.fetchval("SELECT 1")

    with pytest.raises(Unavailable):
        await close_while_in_use()
    with pytest.raises(Unavailable):
        await mine.check(["1"])


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("DROP TABLE travelbuddy.flyway_schema_history", id="no history"),
        pytest.param("DROP SCHEMA travelbuddy CASCADE", id="no schema"),
        pytest.param(
            "DELETE FROM travelbuddy.flyway_schema_history WHERE version = '3'", id="one less"
        ),
    ],
)
def test_a_database_that_loses_its_tables_is_not_ready(
    own_client: httpx.Client, database: DatabaseSettings, sql: str
) -> None:
    run_sql(database, sql)
    answer = own_client.get("/readyz")
    is_problem(answer, 503)
    assert "not been migrated" in answer.json()["detail"]


async def test_a_start_that_cannot_succeed_says_so_once_and_stops_trying() -> None:
    tries: list[int] = []
    refused: list[bool] = []

    async def failing() -> None:
        tries.append(1)
        raise RuntimeError("hush")

    startup = Startup(failing, lambda: refused.append(True))
    await startup.run()
    assert (len(tries), refused) == (1, [True])
    assert "hush" not in str(startup.open)


@pytest.mark.parametrize(
    ("attempt", "draw", "seconds"),
    [
        (0, 0.0, 0.05),
        (0, 0.5, 0.075),
        (1, 0.0, 0.1),
        (4, 0.0, 0.8),
        (5, 0.0, 1.0),
        (10**6, 0.0, 1.0),
    ],
)
def test_the_wait_doubles_up_to_two_seconds(attempt: int, draw: float, seconds: float) -> None:
    assert backoff_s(attempt, draw) == pytest.approx(seconds)


PASSING = [
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionRefusedError,
    ConnectionResetError,
    TimeoutError,
    OSError,
]


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        *((kind, Unavailable) for kind in PASSING),
        (asyncpg.TooManyConnectionsError, Exhausted),
        (asyncpg.DeadlockDetectedError, Conflicted),
        (asyncpg.SerializationError, Conflicted),
        (asyncpg.UndefinedTableError, NotMigrated),
        (asyncpg.InvalidSchemaNameError, NotMigrated),
    ],
    ids=lambda kind: kind.__name__,
)
def test_what_may_pass_is_translated(raised: type[Exception], becomes: type[Unavailable]) -> None:
    with pytest.raises(Unavailable) as translation, translated():
        raise raised("hush")
    assert type(translation.value) is becomes
    assert "hush" not in str(translation.value)


@pytest.mark.parametrize(
    "raised",
    [asyncpg.UniqueViolationError, asyncpg.PostgresSyntaxError, asyncpg.DataError, ValueError],
    ids=lambda kind: kind.__name__,
)
def test_what_is_a_fault_of_ours_is_not_taken_for_an_outage(raised: type[Exception]) -> None:
    with pytest.raises(raised), translated():
        raise raised("x")
