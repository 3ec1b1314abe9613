"""A disk that is really full. It needs a mount; `test_service_faults` simulates one with a trigger."""

from itertools import count
from pathlib import Path

import asyncpg
import httpx
import pytest

from flightspecial_service.app import build
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service import small_disk
from tests.service.conftest import run_sql, settings_for
from tests.service.service_runner import OPEN, eventually, eventually_ready, serving
from tests.service.test_service_api import is_problem


def fill(database: DatabaseSettings) -> None:
    """Write until the disk has no free page."""
    run_sql(
        database,
        "CREATE TABLE ballast (text text)",
        "ALTER TABLE ballast ALTER COLUMN text SET STORAGE PLAIN",
    )
    for rows in (256, 16, 1):
        with pytest.raises(asyncpg.DiskFullError):
            insert_without_end(database, rows)


def insert_without_end(database: DatabaseSettings, rows: int) -> None:
    """Insert `rows` rows at a time, each one page, until it fails."""
    text = f"SELECT repeat('x', 8000) FROM generate_series(1, {rows})"
    while True:
        run_sql(database, f"INSERT INTO ballast {text}")


def create(client: httpx.Client, number: int) -> httpx.Response:
    name = f"{number:>0200}"
    return client.post(
        "/flightspecials", json={"header": name}, headers={"idempotency-key": f"{number}"}
    )


def test_a_disk_that_is_really_full_costs_no_acknowledged_write_where_this_user_may_mount(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "probe"
    disk.mkdir()
    if reason := small_disk.why_not(disk):
        pytest.skip(f"no small disk here, only the trigger test shows a full one: {reason}")
    with small_disk.running(tmp_path) as endpoint:
        run_sql(
            settings_for(endpoint, "postgres"),
            f"CREATE TABLESPACE small LOCATION '{tmp_path / 'disk'}'",
            "CREATE DATABASE dso TABLESPACE small",
        )
        database = settings_for(endpoint, "dso")
        with serving(build(Settings(database=database, edge=OPEN), lambda: None)) as client:
            eventually_ready(client)
            filled_and_freed(client, database)


def filled_and_freed(client: httpx.Client, database: DatabaseSettings) -> None:
    """Write until the disk is full, free it, write again; then check the table."""
    acknowledged: dict[str, int] = {}
    fill(database)
    for number in count():
        response = create(client, number)
        if response.status_code != 201:
            break
        acknowledged[response.json()["header"]] = response.json()["id"]
    is_problem(response, 503)
    assert response.headers["retry-after"] == "1"
    assert len(client.get("/flightspecials").json()) == 11 + len(acknowledged)
    eventually_ready(client)
    run_sql(database, "DROP TABLE ballast")
    eventually(lambda: create(client, number).status_code == 201)
    last = create(client, number).json()
    acknowledged[last["header"]] = last["id"]
    rows = run_sql(database, "SELECT header, id FROM travelbuddy.flightspecial WHERE id > 11")
    assert len(rows) == len(acknowledged)
    assert dict(map(tuple, rows)) == acknowledged
