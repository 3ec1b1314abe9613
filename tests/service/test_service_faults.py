"""Faults of PostgreSQL: killed under load, deadlock, read-only, full disk. Acknowledged writes must survive."""

import asyncio
import signal
import subprocess
import threading
import time
from pathlib import Path

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from deploy.local import postgres
from flightspecial_service.app import build
from flightspecial_service.domain import Header, UnitOfWork
from flightspecial_service.infrastructure.postgres.connector import connect
from flightspecial_service.infrastructure.postgres.database import Database
from flightspecial_service.infrastructure.postgres.transactions import PgStore
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql, settings_for
from tests.service.service_runner import DEADLINE_S, OPEN, eventually, eventually_ready, serving
from tests.service.test_service_api import change, is_problem


class History:
    """Writers that create specials, each with its own key, and repeat a write until it is acknowledged."""

    def __init__(self, url: str, writers: int) -> None:
        self.acknowledged: dict[str, int] = {}
        self.unexpected: list[str] = []
        self._url = url
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(writers)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after all writes in progress are acknowledged."""
        self._end.set()
        for thread in self._threads:
            thread.join(3 * DEADLINE_S)

    def _write(self, writer: int) -> None:
        number = 0
        with httpx.Client(base_url=self._url, timeout=DEADLINE_S) as client:
            while not self._end.is_set():
                number += 1
                name = f"{writer}-{number}"
                response = self._until_done(client, name)
                if response is None:
                    return self.unexpected.append(f"{name} was never acknowledged")
                self.acknowledged[name] = response.json()["id"]

    def _until_done(self, client: httpx.Client, name: str) -> httpx.Response | None:
        deadline = time.monotonic() + 2 * DEADLINE_S
        while time.monotonic() < deadline:
            headers = {"idempotency-key": name}
            response = client.post("/flightspecials", json={"header": name}, headers=headers)
            if response.status_code == 201:
                return response
            if response.status_code != 503:
                self.unexpected.append(response.text)
            time.sleep(0.02)
        return None


def kill(data: Path, number: signal.Signals) -> None:
    """Signal the postmaster: SIGKILL, or SIGQUIT for an immediate shutdown."""
    pid = int((data / "postmaster.pid").read_text().split()[0])
    subprocess.run(["kill", f"-{number.value}", str(pid)], check=True)


def killed_again_and_again(folder: Path, kills: int) -> int:
    """Kill and restart the server under load, then check the table. Returns the number of writes."""
    port, data = postgres.free_port(), folder / "data"
    with postgres.running(data, port=port) as endpoint:
        run_sql(settings_for(endpoint, "postgres"), "CREATE DATABASE dso")
    database = settings_for(endpoint, "dso")
    with serving(build(Settings(database=database, edge=OPEN), lambda: None)) as client:
        history = None
        recoveries_s = []
        for start in range(kills + 1):
            with postgres.running(data, port=port):
                started = time.monotonic()
                eventually_ready(client)
                recoveries_s.append(time.monotonic() - started)
                history = history or History(str(client.base_url), 4)
                reached = len(history.acknowledged)
                enough, writes = reached + 15, history.acknowledged
                eventually(lambda writes=writes, enough=enough: len(writes) > enough)  # type: ignore[misc]
                if start < kills:
                    kill(data, signal.SIGKILL if start % 2 else signal.SIGQUIT)
                else:
                    history.stop()
                    check(history, database)
    assert history is not None
    # The pool reconnects with the next query, and readiness is polled: 10 s is slack for a busy machine.
    assert max(recoveries_s[1:]) < 10
    return len(history.acknowledged)


def check(history: History, database: DatabaseSettings) -> None:
    """Every acknowledged write is in the table under its id, and none is there twice."""
    assert history.unexpected == []
    rows = run_sql(database, "SELECT header, id FROM travelbuddy.flightspecial WHERE id > 11")
    assert len({header for header, _ in rows}) == len(rows)
    assert dict(map(tuple, rows)) == history.acknowledged


def test_a_killed_server_loses_no_acknowledged_write_and_doubles_none(tmp_path: Path) -> None:
    assert killed_again_and_again(tmp_path, kills=2) > 40


@pytest.mark.soak
def test_a_server_killed_many_times(tmp_path: Path) -> None:
    assert killed_again_and_again(tmp_path, kills=30) > 400


async def test_a_transaction_is_retried_after_a_deadlock(database: DatabaseSettings) -> None:
    """Two transactions lock two specials in opposite order; both are committed."""
    own = Database(database)
    await own.open()
    store = PgStore(own, database.schema, 60.0)
    both = asyncio.Barrier(2)
    tries = 0

    async def cross(first: int, second: int) -> None:
        met = False

        async def act(work: UnitOfWork) -> None:
            nonlocal met, tries
            tries += 1
            one = await work.special(first)
            if not met:
                met = True
                await both.wait()
            other = await work.special(second)
            assert one is not None
            assert other is not None
            await work.save_special(one.with_header(Header(f"{first} before {second}")))

        await store.run(act)

    await asyncio.gather(cross(1, 2), cross(2, 1))
    await own.close()
    assert tries == 3
    query = "SELECT header FROM travelbuddy.flightspecial WHERE id IN (1, 2) ORDER BY id"
    assert [row[0] for row in await asyncio.to_thread(run_sql, database, query)] == [
        "1 before 2",
        "2 before 1",
    ]


def test_a_database_with_a_full_disk_still_reads(
    own_client: httpx.Client, database: DatabaseSettings
) -> None:
    run_sql(
        database,
        "CREATE FUNCTION travelbuddy.full() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " RAISE EXCEPTION 'could not extend file: No space left on device'"
        " USING ERRCODE = 'disk_full'; END$$",
        "CREATE TRIGGER full_disk BEFORE UPDATE ON travelbuddy.flightspecial"
        " FOR EACH ROW EXECUTE FUNCTION travelbuddy.full()",
    )
    response = change(own_client, 1, {"id": 1, "flightSpecialHeader": "x"})
    is_problem(response, 503)
    assert response.headers["retry-after"] == "1"
    assert own_client.get("/flightspecials/1").json()["header"] == "London to Prague"
    eventually_ready(own_client)


async def test_a_wait_for_a_row_lock_times_out(database: DatabaseSettings) -> None:
    holder = await connect(database)
    lock = holder.transaction()
    await lock.start()
    await holder.execute("SELECT FROM travelbuddy.flightspecial WHERE id = 1 FOR UPDATE")
    own = Database(replace(database, row_lock_timeout_s=0.05))
    await own.open()
    async with own.connection() as connection:
        with pytest.raises(asyncpg.LockNotAvailableError):
            await connection.execute("UPDATE travelbuddy.flightspecial SET cost = 1 WHERE id = 1")
    await own.close()
    await lock.rollback()
    await holder.close()
