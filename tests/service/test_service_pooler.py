"""The service behind PgBouncer, in session and in transaction mode."""

import asyncio
import threading

import httpx
import pytest

from flightspecial_service.app import build
from flightspecial_service.errors import MigrationRefused
from flightspecial_service.infrastructure.migrations.migrator import migrate, own_scripts
from flightspecial_service.infrastructure.migrations.scripts import Script
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql
from tests.service.pooler import pgbouncer
from tests.service.service_runner import OPEN, eventually_ready, process, serving, variables

OWN = own_scripts()
every_mode = pytest.mark.parametrize("mode", ["session", "transaction"])


@every_mode
def test_every_request_is_served_behind_pgbouncer(database: DatabaseSettings, mode: str) -> None:
    wrong: list[str] = []

    def load(url: str, writer: int) -> None:
        with httpx.Client(base_url=url, timeout=20) as client:
            for number in range(25):
                text = f"{writer}-{number}"
                body = {"id": writer, "flightSpecialHeader": text}
                key = {"idempotency-key": text}
                responses = [
                    client.get("/flightspecials"),
                    client.post(f"/flightspecials/{writer}/header", json=body),
                    client.post(f"/flightspecials/{writer}/header", json=body, headers=key),
                    client.get(f"/flightspecials/{writer}"),
                ]
                wrong.extend(each.text for each in responses if each.status_code != 200)
                if responses[-1].json()["header"] != text:
                    wrong.append(responses[-1].text)

    with (
        pgbouncer(database, mode) as pooled,
        serving(build(Settings(database=pooled, edge=OPEN), lambda: None)) as client,
    ):
        eventually_ready(client)
        threads = [
            threading.Thread(target=load, args=(str(client.base_url), writer))
            for writer in range(1, 5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert client.get("/readyz").status_code == 200
    assert wrong == []


@every_mode
def test_the_service_starts_and_migrates_behind_pgbouncer(
    empty_database: DatabaseSettings, mode: str
) -> None:
    with (
        pgbouncer(empty_database, mode) as pooled,
        process(variables(pooled)) as (service, client),
    ):
        eventually_ready(client)
        assert len(client.get("/flightspecials").json()) == 11
        service.wait_for("a connection pooler is in front of the database")


@every_mode
def test_replicas_that_start_together_behind_pgbouncer_apply_once(
    empty_database: DatabaseSettings, mode: str
) -> None:
    async def together(pooled: DatabaseSettings) -> list[tuple[Script, ...]]:
        return await asyncio.gather(*(migrate(pooled, OWN) for _ in range(4)))

    with pgbouncer(empty_database, mode) as pooled:
        applied = asyncio.run(together(pooled))
    assert sorted(len(each) for each in applied) == [0] * 3 + [len(OWN)]


@every_mode
def test_a_file_that_runs_outside_a_transaction_is_refused_behind_pgbouncer(
    database: DatabaseSettings, mode: str
) -> None:
    text = "CREATE INDEX CONCURRENTLY extra ON travelbuddy.flightspecial (cost)"
    outside = Script("99", "x", "V99__x.sql", 1, text, in_transaction=False)
    with (
        pgbouncer(database, mode) as pooled,
        pytest.raises(MigrationRefused, match=r"V99__x\.sql.*pooler"),
    ):
        asyncio.run(migrate(pooled, (*OWN, outside)))
    [[index]] = run_sql(database, "SELECT to_regclass('travelbuddy.extra')")
    assert index is None


@every_mode
def test_limits_and_time_zone_hold_behind_pgbouncer(database: DatabaseSettings, mode: str) -> None:
    """PgBouncer takes no limits with the connection: they are set in each transaction."""
    with (
        pgbouncer(database, mode) as pooled,
        serving(build(Settings(database=pooled, edge=OPEN), lambda: None)) as client,
    ):
        eventually_ready(client)
        key = {"idempotency-key": "x"}
        assert client.patch("/flightspecials/1", json={"cost": 7}, headers=key).status_code == 200
        run_sql(
            database,
            "CREATE FUNCTION travelbuddy.show() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            " NEW.body := current_setting('lock_timeout') || ' '"
            " || current_setting('statement_timeout') || ' ' || current_setting('timezone');"
            " RETURN NEW; END$$",
            "CREATE TRIGGER show BEFORE UPDATE ON travelbuddy.flightspecial"
            " FOR EACH ROW EXECUTE FUNCTION travelbuddy.show()",
        )
        assert client.patch("/flightspecials/1", json={"cost": 8}).status_code == 200
        assert client.get("/flightspecials/1").json()["body"] == "2s 5s UTC"
