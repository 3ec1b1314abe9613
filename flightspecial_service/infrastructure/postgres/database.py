"""The pool of connections, with a bound on every wait."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import asyncpg

from flightspecial_service.errors import Exhausted, NotMigrated, Unavailable
from flightspecial_service.infrastructure.aws.credentials import (
    Credentials,
    FixedCredentials,
    Login,
    resolved,
)
from flightspecial_service.infrastructure.postgres.error_mapping import translated
from flightspecial_service.settings import DatabaseSettings

log = logging.getLogger(__name__)

_QUERY_SHOWN = 500
"""Characters of a slow query's text."""

# As text: only the type stubs know these classes as generic.
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


async def connect(settings: DatabaseSettings) -> Session:
    """One connection outside the pool, without a time limit on its commands. Raises Unavailable."""
    with translated():
        return await asyncpg.connect(**_address(settings), timeout=settings.connect_timeout_s)


class SlowQueries:
    """Logs the text of a query that took longer than `limit_s`, never its arguments."""

    def __init__(self, limit_s: float, count: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._count = count

    def __call__(self, record: Any) -> None:
        """Called by asyncpg after each query."""
        if record.elapsed >= self._limit_s:
            self._count()
            log.warning(
                "a slow query",
                extra={
                    "took_ms": round(record.elapsed * 1000, 1),
                    "query": " ".join(record.query.split())[:_QUERY_SHOWN],
                },
            )


class Database:
    """Owns the pool. It opens while PostgreSQL is down, too: it connects when first needed.

    Readiness has a connection of its own beside the pool: a pool that is busy is no outage.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        slow: SlowQueries | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self._settings = settings
        self._credentials = credentials or FixedCredentials(settings)
        self._slow = slow
        self._pool: Pool | None = None
        self._lost = False
        self._probe: Session | None = None
        self._probing = asyncio.Lock()

    async def open(self) -> None:
        """Make the pool; nothing is connected yet."""
        settings = self._settings
        self._pool = await asyncpg.create_pool(
            **_address(settings) | {"server_settings": _limits(settings)},
            min_size=0,
            max_size=settings.pool_size,
            timeout=settings.connect_timeout_s,
            command_timeout=settings.command_timeout_s,
            reset=_nothing_to_reset,
            init=self._prepare,
            connect=cast(Any, self._connect),  # the stubs want each argument by its name
        )

    async def _connect(self, *_dsn: str, **arguments: Any) -> Session:
        """A connection for the pool, as who we are now; once more if that has just changed."""
        login = await self._credentials.login()
        try:
            return await _log_in(login, arguments)
        except asyncpg.InvalidAuthorizationSpecificationError:
            other = await self._credentials.after_refusal(login)
            if other is None:
                raise
            return await _log_in(other, arguments)

    async def expire(self) -> None:
        """Connections in use go on; every other one is made anew before it is used."""
        self._drop_probe()
        if self._pool is not None:
            await self._pool.expire_connections()

    async def _prepare(self, connection: Any) -> None:
        if self._slow is not None:
            connection.add_query_logger(self._slow)

    def size(self) -> float:
        """Open connections."""
        return self._pool.get_size() if self._pool is not None else 0

    def idle(self) -> float:
        """Connections that nobody uses."""
        return self._pool.get_idle_size() if self._pool is not None else 0

    def up(self) -> float:
        """0 from the first failure until the next success."""
        return 0 if self._lost else 1

    async def close(self) -> None:
        """Wait for the connections in use, but not for ever: then cut them."""
        pool, self._pool = self._pool, None
        self._drop_probe()
        await asyncio.sleep(0)  # a terminated connection is gone at the loop's next turn
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
        if self._pool is None:
            raise Unavailable("the service is not connected to its database")
        with translated():
            async with asyncio.timeout(self._settings.probe_timeout_s), self._probing:
                applied = await self._ask(query, list(versions))
        if applied != len(set(versions)):
            raise NotMigrated("the database has not been migrated for this version")

    async def _ask(self, query: str, versions: list[str]) -> int:
        """On the connection of the probe; a failure costs that connection."""
        try:
            if self._probe is None or self._probe.is_closed():
                self._probe = await connect(await resolved(self._settings, self._credentials))
            count: int = await self._probe.fetchval(query, versions)
        except BaseException:
            self._drop_probe()
            raise
        return count

    def _drop_probe(self) -> None:
        if self._probe is not None:
            self._probe.terminate()
            self._probe = None

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


async def _log_in(login: Login, arguments: dict[str, Any]) -> Session:
    who = {"user": login.username, "password": login.password.reveal()}
    session: Session = await asyncpg.connect(**arguments | who)
    return session


def _limits(settings: DatabaseSettings) -> dict[str, str]:
    """What the server itself gives up on, should we be gone or our own limits fail: in ms."""
    statement_ms = round(settings.command_timeout_s * 1000)
    return {
        "application_name": "flightspecials",
        "statement_timeout": str(statement_ms),
        "lock_timeout": str(round(settings.row_lock_timeout_s * 1000)),
        "idle_in_transaction_session_timeout": str(2 * statement_ms),
    }


async def _nothing_to_reset(_connection: object) -> None:
    """Spare the query that asyncpg sends whenever a connection is given back.

    We change no session setting, listen to nothing and take no session lock on pooled connections;
    a transaction left open is rolled back before this is called.
    """
