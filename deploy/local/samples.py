"""Keeps the samples on sale: expired flight specials get a new expiry.

A stack that has been up for a day would show no special at all. This belongs to the local stack:
the service and its migrations know nothing of it.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from deploy.local.postgres import Endpoint

DATABASE = "dso"
EVERY_S = 20.0
_LIMIT_S = 5.0
# The same spread as the samples of the first migration: now + 79.2 s + up to 20,000 s. The column
# has no zone and holds UTC.
_RENEW = """
update travelbuddy.flightspecial
   set expiry_date = (now() at time zone 'utc')
                     + make_interval(secs => 79.2 + random() * 20000)
 where expiry_date <= (now() at time zone 'utc')
"""
# The errors of a database that restarts, or whose tables do not exist yet.
_PASSING = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def ensure_database(server: Endpoint) -> bool:
    """Create the service's database if it is missing; False: the server does not respond yet."""
    try:
        connection = await _connect(server, "postgres")
    except _PASSING:
        return False
    try:
        found = await connection.fetchval(
            "select true from pg_database where datname = $1", DATABASE
        )
        if not found:
            await connection.execute(f'create database "{DATABASE}"')
    except _PASSING:
        return False
    finally:
        connection.terminate()
    return True


async def renew(server: Endpoint) -> int:
    """Give each expired flight special a new expiry; returns how many there were."""
    connection = await _connect(server, DATABASE)
    try:
        tag = await connection.execute(_RENEW)
    finally:
        connection.terminate()
    return int(tag.rpartition(" ")[2])


async def keep_fresh(
    server: Endpoint, say: Callable[[str], None], every_s: float = EVERY_S
) -> None:
    """Renew until cancelled. A failure is reported once, and the next renewal tries again."""
    failing = False
    while True:
        failure = await try_renew(server)
        if failure and not failing:
            say(f"the sample flights cannot be renewed just now ({failure}): trying again")
        failing = failure is not None
        await asyncio.sleep(every_s)


async def try_renew(server: Endpoint) -> str | None:
    """Renew once. Returns the reason of a failure, or None."""
    try:
        await renew(server)
    except _PASSING as error:
        return str(error) or type(error).__name__
    return None


async def _connect(server: Endpoint, database: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=database,
        ssl=False,
        timeout=_LIMIT_S,
        command_timeout=_LIMIT_S,
    )
