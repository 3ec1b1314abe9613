"""Idempotency-Key: a repeated request gets the first response and has no second effect."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from flightspecial_service.background.housekeeping import Housekeeping
from flightspecial_service.infrastructure.postgres.database import Database
from flightspecial_service.infrastructure.postgres.transactions import PgStore
from flightspecial_service.settings import DatabaseSettings
from tests.service.conftest import run_sql
from tests.service.service_runner import eventually, eventually_ready, process, variables
from tests.service.test_service_api import is_problem
from tests.service.test_service_special_commands import WHOLE

KEY = {"idempotency-key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


def create(client: httpx.Client, header: str = "new", **headers: str) -> httpx.Response:
    return client.post("/flightspecials", json={"header": header}, headers=headers or KEY)


def same(one: httpx.Response, other: httpx.Response) -> bool:
    """Whether the responses are equal, except for fields of the server such as Date."""
    names = ("content-type", "etag", "location", "allow")
    return (one.status_code, one.content) == (other.status_code, other.content) and all(
        one.headers.get(name) == other.headers.get(name) for name in names
    )


def count(database: DatabaseSettings) -> int:
    [[rows]] = run_sql(database, "SELECT count(*) FROM travelbuddy.flightspecial")
    return int(rows)


def test_a_repeated_request_gets_the_first_response(
    client: httpx.Client, tables: DatabaseSettings
) -> None:
    first = create(client)
    assert first.status_code == 201
    client.patch("/flightspecials/12", json={"header": "meanwhile"})
    assert same(create(client), first)
    assert same(create(client, **{"idempotency-key": KEY["idempotency-key"].strip('"')}), first)
    assert count(tables) == 12
    assert create(client, **{"idempotency-key": "another"}).json()["id"] == 13


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/flightspecials/1", {"cost": 5}),
        ("POST", "/flightspecials/1/header", {"id": 1, "flightSpecialHeader": "x"}),
        ("DELETE", "/flightspecials/1", None),
        ("DELETE", "/flightspecials/99", None),
        ("POST", "/flightspecials/p/name", {"flightNo": 1, "flightName": "x"}),
    ],
)
def test_every_write_can_be_repeated(
    client: httpx.Client, method: str, path: str, body: object
) -> None:
    first = client.request(method, path, json=body, headers=KEY)
    client.delete("/flightspecials/1")
    client.post("/flightspecials", json=WHOLE)
    assert same(client.request(method, path, json=body, headers=KEY), first)


def test_a_key_stands_for_one_request(client: httpx.Client, tables: DatabaseSettings) -> None:
    create(client)
    is_problem(create(client, "another body"), 422)
    is_problem(client.delete("/flightspecials/1", headers=KEY), 422)
    is_problem(client.patch("/flightspecials/1", json={"header": "new"}, headers=KEY), 422)
    conditional = KEY | {"if-match": "*"}
    is_problem(client.post("/flightspecials", json={"header": "new"}, headers=conditional), 422)
    assert count(tables) == 12


def test_a_refusal_is_repeated_too(client: httpx.Client) -> None:
    old = KEY | {"if-match": '"0"'}
    first = client.patch("/flightspecials/1", json={"cost": 1}, headers=old)
    is_problem(first, 412)
    assert same(client.patch("/flightspecials/1", json={"cost": 1}, headers=old), first)


@pytest.mark.parametrize(
    "key", ["", '""', '"a', 'a"', "a b", "x" * 256, "é".encode().decode("latin-1"), "a\\b"]
)
def test_a_bad_key_is_refused(client: httpx.Client, tables: DatabaseSettings, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    is_problem(client.post("/flightspecials", json=WHOLE, headers=headers), 400)
    assert count(tables) == 11


def test_concurrent_duplicates_have_one_effect(
    client: httpx.Client, tables: DatabaseSettings
) -> None:
    with ThreadPoolExecutor(8) as threads:
        for number in range(5):
            key = {"idempotency-key": f"key-{number}"}
            responses = list(threads.map(lambda _, key=key: create(client, **key), range(8)))
            assert {response.status_code for response in responses} == {201}
            assert len({response.content for response in responses}) == 1
    assert count(tables) == 16


def test_an_old_key_is_free_again(client: httpx.Client, tables: DatabaseSettings) -> None:
    create(client)
    age = "UPDATE travelbuddy.idempotency_key SET taken_at = now() - interval '86401 s'"
    run_sql(tables, age)
    assert create(client, "another body").json()["id"] == 13
    assert create(client, "another body").json()["id"] == 13


async def test_housekeeping_removes_old_keys_and_no_others(database: DatabaseSettings) -> None:
    own = Database(database)
    await own.open()
    store = PgStore(own, database.schema, key_ttl_s=60.0)
    add = (
        "INSERT INTO travelbuddy.idempotency_key (key, fingerprint, taken_at)"
        " VALUES ($1, '', now() - $2::interval)"
    )
    async with own.connection() as connection:
        await connection.execute(add, "old", timedelta(seconds=61))
        await connection.execute(add, "young", timedelta(seconds=30))
    task = asyncio.create_task(Housekeeping(store, 0.01).run())
    keys = [""]
    async with asyncio.timeout(20), own.connection() as connection:
        while "old" in keys or keys == [""]:
            rows = await connection.fetch("SELECT key FROM travelbuddy.idempotency_key")
            keys = [row[0] for row in rows]
    task.cancel()
    await asyncio.wait([task])
    await own.close()
    assert keys == ["young"]


def test_the_first_response_survives_a_crash_before_it_was_sent(database: DatabaseSettings) -> None:
    """The process is killed after the commit; the client may have no response yet."""
    body = b'{"header":"new"}'
    head = (
        "POST /flightspecials HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"idempotency-key: k\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode()
    with process(variables(database)) as (service, client):
        eventually_ready(client)
        address = (client.base_url.host, client.base_url.port or 80)
        with socket.create_connection(address, timeout=10) as peer:
            peer.sendall(head + body)
            eventually(lambda: count(database) == 12)
            service.popen.kill()
            service.exit_status()
    with process(variables(database)) as (_, client):
        eventually_ready(client)
        headers = {"idempotency-key": "k", "content-type": "application/json"}
        response = client.post("/flightspecials", content=body, headers=headers)
    assert (response.status_code, response.json()["id"]) == (201, 12)
    assert count(database) == 12
