"""The pool of connections, with a bound on every wait."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from flightspecial_service.errors import Exhausted, NotMigrated, Unavailable
from flightspecial_service.infrastructure.foreign import translated
from flightspecial_service.settings import DatabaseSettings

log = logging.getLogger(__name__)

# As text: only the type stubs know these classes as generic.
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


async def connect(settings: DatabaseSettings) -> Session:
    """One connection outside the pool, without a time limit on its commands. Raises Unavailable."""
    with translated():
        return await asyncpg.connect(**_address(settings), timeout=settings.connect_timeout_s)


class Database:
    """Owns the pool. It opens while PostgreSQL is down, too: it connects when first needed."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._pool: Pool | None = None
        self._lost = False

    async def open(self) -> None:
        """Make the pool; nothing is connected yet."""
        settings = self._settings
        self._pool = await asyncpg.create_pool(
            **_address(settings),
            min_size=0,
            max_size=settings.pool_size,
            timeout=settings.connect_timeout_s,
            command_timeout=settings.command_timeout_s,
            reset=_nothing_to_reset,
        )

    async def close(self) -> None:
        """Wait for the connections in use, but not for ever: then cut them."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            # Pool.close() alone waits without end for a connection that is not given back. When
            # cancelled, it terminates the pool by itself.
            async with asyncio.timeout(self._settings.close_timeout_s):
                await pool.close()
        except TimeoutError:
            log.warning("connections to the database were still in use and have been cut")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for the block. Raises Exhausted, NotMigrated, Unavailable."""
        pool = self._pool
        if pool is None:
            raise Unavailable("the service is not connected to its database")
        try:
            with translated():
                connection = await self._acquire(pool)
                try:
                    yield connection
                except asyncpg.InternalClientError:
                    connection.terminate()  # its state is unknown: nobody else must get it
                    raise
                finally:
                    await pool.release(connection)
        except (Exhausted, NotMigrated):
            raise
        except Unavailable as error:
            self._note_loss(error)
            raise
        else:
            self._note_return()

    async def check(self, versions: Collection[str]) -> None:
        """Raise Unavailable unless the database answers and all these migrations are applied."""
        query = (
            "SELECT count(DISTINCT version)"
            f' FROM "{self._settings.schema}".flyway_schema_history'
            " WHERE success AND version = ANY($1)"
        )
        with translated():
            async with (
                asyncio.timeout(self._settings.probe_timeout_s),
                self.connection() as connection,
            ):
                applied = await connection.fetchval(query, list(versions))
        if applied != len(set(versions)):
            raise NotMigrated("the database has not been migrated for this version")

    async def _acquire(self, pool: Pool) -> Connection:
        """A connection, which the caller gives back. The time limit includes connecting."""
        try:
            return await pool.acquire(timeout=self._settings.acquire_timeout_s)
        except TimeoutError as error:
            if pool.get_idle_size() == 0 and pool.get_size() == pool.get_max_size():
                raise Exhausted("every connection to the database is in use") from error
            raise

    def _note_loss(self, error: Unavailable) -> None:
        """Say it once, not once a request."""
        if not self._lost:
            self._lost = True
            log.warning("the database is lost: %s (%s)", error, reason(error))

    def _note_return(self) -> None:
        if self._lost:
            self._lost = False
            log.info("the database is back")


def reason(error: BaseException) -> str:
    """What lies behind an error of ours, for the log: the foreign error's class and text."""
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}" if cause is not None else "no further reason"


def _address(settings: DatabaseSettings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "user": settings.username,
        # Never None: asyncpg would look for one in the environment and in the home directory.
        "password": settings.password.reveal(),
        "database": settings.name,
        "ssl": "prefer",
        "server_settings": {"application_name": "flightspecials"},
    }


async def _nothing_to_reset(_connection: object) -> None:
    """Spare the query that asyncpg sends whenever a connection is given back.

    We change no session setting, listen to nothing and take no session lock on pooled connections;
    a transaction left open is rolled back before this is called.
    """
