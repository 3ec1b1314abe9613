"""Samples that never go stale, on a real server that also goes away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.postgres import Endpoint, running
from deploy.local.samples import DATABASE, ensure_database, keep_fresh, renew, try_renew

QUICK = {"fsync": "off"}
TABLE = """
create schema travelbuddy;
create table travelbuddy.flightspecial (header text not null, expiry_date timestamp);
insert into travelbuddy.flightspecial values
  ('long past', timestamp '2001-01-01'),
  ('past in UTC only', (now() at time zone 'utc') - interval '1 s'),
  ('to come', timestamp '2999-01-01'),
  ('never', null);
"""
LEFT_S = """
select extract(epoch from expiry_date - (now() at time zone 'utc'))::float8
  from travelbuddy.flightspecial where header in ('long past', 'past in UTC only')
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "pg"


@pytest.fixture
def server(data: Path) -> Iterator[Endpoint]:
    # A zone far from UTC would show a comparison of local with UTC time.
    with running(data, settings={**QUICK, "timezone": "Asia/Seoul"}) as server:
        yield server


@pytest.fixture
async def connection(server: Endpoint) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    assert await ensure_database(server)
    connection = await asyncpg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=DATABASE,
        timeout=10,
    )
    try:
        await connection.execute(TABLE)
        yield connection
    finally:
        await connection.close()


async def test_the_database_is_made_once(server: Endpoint) -> None:
    assert await ensure_database(server)
    assert await ensure_database(server)


async def test_only_expired_samples_get_a_new_expiry_of_the_facts_spread(
    server: Endpoint, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    assert await renew(server) == 2
    left = [row[0] for row in await connection.fetch(LEFT_S)]
    assert len(set(left)) == 2
    assert all(60 < seconds <= 79.2 + 20_000 for seconds in left)
    others = "select count(*) from travelbuddy.flightspecial where expiry_date = '2999-01-01'"
    assert await connection.fetchval(others) == 1
    assert await renew(server) == 0


async def test_a_database_that_is_not_there_yet_is_no_error(server: Endpoint) -> None:
    assert "does not exist" in str(await try_renew(server))


async def test_a_server_that_is_gone_is_said_once_and_awaited(data: Path) -> None:
    said: list[str] = []
    spoken = asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        spoken.set()

    with running(data, settings=QUICK) as server:
        assert await ensure_database(server)
    assert not await ensure_database(server)
    keeping = asyncio.create_task(keep_fresh(server, say, every_s=0.01))
    try:
        async with asyncio.timeout(20):
            await spoken.wait()
        with running(data, port=server.port, settings=QUICK):
            connection = await asyncpg.connect(
                host=server.host,
                port=server.port,
                user=server.user,
                password=server.password,
                database=DATABASE,
                timeout=10,
            )
            await connection.execute(TABLE)
            async with asyncio.timeout(20):
                while min(row[0] for row in await connection.fetch(LEFT_S)) < 0:
                    await asyncio.sleep(0.01)
            await connection.close()
        assert not keeping.done()
        assert "cannot be renewed just now" in said[0]
    finally:
        keeping.cancel()
