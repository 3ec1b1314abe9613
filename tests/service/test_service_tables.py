"""What others do to the tables: locks, ALTER TABLE under load, constraints, values that the service never writes."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from msgspec.structs import replace

from flightspecial_service.app import build
from flightspecial_service.infrastructure.postgres.connector import connect
from flightspecial_service.logs import JsonLines
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.conftest import run_sql
from tests.service.service_runner import OPEN, eventually, eventually_ready, serving
from tests.service.test_service_api import change, is_problem
from tests.service.test_service_lists import pages

TABLE = "travelbuddy.flightspecial"


@contextmanager
def under_load(
    client: httpx.Client, send: Callable[[httpx.Client], httpx.Response]
) -> Iterator[list[int]]:
    """Four clients that send without a pause during the block; the status codes of their responses."""
    statuses: list[int] = []
    end = threading.Event()

    def run() -> None:
        with httpx.Client(base_url=client.base_url, timeout=20) as own:
            while not end.is_set():
                statuses.append(send(own).status_code)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        end.set()
        for thread in threads:
            thread.join(30)


async def test_a_row_locked_by_another_session_leaves_reads_alone(
    database: DatabaseSettings,
) -> None:
    holder = await connect(database)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute(f"SELECT FROM {TABLE} WHERE id = 1 FOR UPDATE")
    settings = Settings(database=replace(database, pool_size=4), edge=OPEN)
    with serving(build(settings, lambda: None)) as client:
        eventually_ready(client)
        address = f"{client.base_url}/flightspecials"
        async with httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_connections=40)) as many:
            body = {"id": 1, "flightSpecialHeader": "x"}
            writes = [
                asyncio.create_task(many.post(f"{address}/1/header", json=body)) for _ in range(12)
            ]
            waiting = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            async with asyncio.timeout(10):
                while not (await asyncio.to_thread(run_sql, database, waiting))[0][0]:
                    await asyncio.sleep(0.01)
            reads = [(await many.get(address)).status_code for _ in range(30)]
            written = {(await write).status_code for write in writes}
    await transaction.rollback()
    await holder.close()
    assert reads == [200] * 30
    assert written == {503}


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda client: client.get("/flightspecials/1"), id="read one"),
        pytest.param(lambda client: client.get("/flightspecials"), id="read all"),
        pytest.param(
            lambda client: client.patch("/flightspecials/1", json={"cost": 7}), id="write"
        ),
        pytest.param(
            lambda client: change(client, 1, {"id": 1, "flightSpecialHeader": "x"}), id="header"
        ),
        pytest.param(
            lambda client: client.get("/flightspecials/demo/flights/1/history"), id="history"
        ),
        pytest.param(
            lambda client: client.post(
                "/flightspecials/demo/name", json={"flightNo": 1, "flightName": "x"}
            ),
            id="rename",
        ),
    ],
)
def test_a_column_gets_another_type_under_load(
    own_client: httpx.Client,
    database: DatabaseSettings,
    send: Callable[[httpx.Client], httpx.Response],
) -> None:
    run_sql(
        database,
        "INSERT INTO travelbuddy.flight (profile_id, flight_name, pushing_status_code, poping_step,"
        " register_id, registration_date_time) VALUES ('demo', 'a', 'NORMAL', 1, 'x', now())",
    )
    with under_load(own_client, send) as statuses:
        eventually(lambda: len(statuses) > 20)
        for length in (300, 255, 300, 255):
            for table, column in ((TABLE, "header"), ("travelbuddy.flight", "flight_name")):
                run_sql(database, f"ALTER TABLE {table} ALTER {column} TYPE varchar({length})")
            reached = len(statuses)
            eventually(lambda reached=reached: len(statuses) > reached + 20)  # type: ignore[misc]
    assert set(statuses) <= {200, 503}
    assert statuses.count(503) < 5


def shown(caplog: pytest.LogCaptureFixture) -> str:
    """The log as the service writes it."""
    return "\n".join(JsonLines().format(record) for record in caplog.records)


def test_a_constraint_of_the_table_refuses_a_value_with_422(
    own_client: httpx.Client, database: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    run_sql(database, f"ALTER TABLE {TABLE} ADD CHECK (cost < 1000) NOT VALID")
    response = own_client.post("/flightspecials", json={"header": "my text", "cost": 5000})
    is_problem(response, 422)
    assert response.json()["detail"] == "a value violates a rule of the database"
    is_problem(own_client.patch("/flightspecials/1", json={"cost": 5000}), 422)
    run_sql(database, f"ALTER TABLE {TABLE} ALTER origin TYPE varchar(10) USING 'x'")
    is_problem(own_client.patch("/flightspecials/1", json={"origin": "x" * 11}), 422)
    assert "my text" not in shown(caplog)


def test_a_detail_of_postgresql_does_not_reach_the_log(
    own_client: httpx.Client, database: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    run_sql(database, f"CREATE UNIQUE INDEX one_header ON {TABLE} (header)")
    for status in (201, 500):
        response = own_client.post("/flightspecials", json={"header": "my text"})
        assert response.status_code == status
    assert "UniqueViolationError" in shown(caplog)
    assert "one_header" in shown(caplog)
    assert "my text" not in shown(caplog)


FAR = ("20000-01-01", "infinity", "30000-01-01", "4000-01-01 BC", "-infinity")


def test_an_expiry_that_python_cannot_hold_breaks_no_list(
    client: httpx.Client, tables: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    for number, expiry in enumerate(FAR, 1):
        run_sql(tables, f"UPDATE {TABLE} SET expiry_date = '{expiry}' WHERE id = {number}")
    listed = {each["id"]: each["expiryDate"] for each in client.get("/flightspecials").json()}
    assert [listed[number][:4] for number in range(1, 6)] == [
        "9999",
        "9999",
        "9999",
        "0001",
        "0001",
    ]
    assert client.get("/flightspecials/1").json()["expiryDate"].startswith("9999-12-31T23:59:59")
    on_sale = [each["id"] for each in client.get("/travelbuddy/flightspecials").json()]
    assert {1, 2, 3} < set(on_sale)
    whole = [each["id"] for each in client.get("/flightspecials").json()]
    assert sorted(whole) == list(range(1, 12))
    for limit in (1, 2, 4):
        assert [number for page in pages(client, f"limit={limit}") for number in page] == whole


def test_an_expiry_that_python_cannot_hold_is_logged_once(
    database: DatabaseSettings, caplog: pytest.LogCaptureFixture
) -> None:
    run_sql(database, f"UPDATE {TABLE} SET expiry_date = '20000-01-01' WHERE id = 3")
    with serving(build(Settings(database=database, edge=OPEN), lambda: None)) as client:
        eventually_ready(client)
        for _ in range(5):
            change(client, 1, {"id": 1, "flightSpecialHeader": "x"})
            assert client.get("/flightspecials").status_code == 200
    lines = [record for record in caplog.records if "years 1 to 9999" in record.getMessage()]
    assert [vars(record)["id"] for record in lines] == [3]
