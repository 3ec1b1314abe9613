"""The connection pool, with a limit for each wait."""

import asyncio
import logging
import time
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

# Quoted: these classes are generic in the type stubs only.
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


async def connect(settings: DatabaseSettings) -> Session:
    """A connection outside the pool, without a command timeout. Raises Unavailable."""
    with translated():
        return await asyncpg.connect(**_address(settings), timeout=settings.connect_timeout_s)


class SlowQueries:
    """Logs queries that take longer than `limit_s`, at level debug all, without their arguments.

    `observe` gets the seconds of every query, `count` is called for the slow ones.
    """

    def __init__(
        self, limit_s: float, count: Callable[[], None], observe: Callable[[float], None]
    ) -> None:
        self._limit_s = limit_s
        self._count = count
        self._observe = observe

    def __call__(self, record: Any) -> None:
        """Called by asyncpg after each query."""
        self._observe(record.elapsed)
        slow = record.elapsed >= self._limit_s
        if slow:
            self._count()
        level = logging.WARNING if slow else logging.DEBUG
        if log.isEnabledFor(level):
            log.log(
                level,
                "a slow query" if slow else "a query",
                extra={
                    "took_ms": round(record.elapsed * 1000, 1),
                    "query": " ".join(record.query.split())[:_QUERY_SHOWN],
                },
            )


class Database:
    """Owns the pool. Connections are opened on demand, so `open` succeeds while PostgreSQL is down.

    Readiness uses its own connection: a pool that is exhausted is no outage.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        slow: SlowQueries | None = None,
        credentials: Credentials | None = None,
        waited: Callable[[float], None] | None = None,
    ) -> None:
        self._settings = settings
        self._waited = waited
        self._credentials = credentials or FixedCredentials(settings)
        self._slow = slow
        self._pool: Pool | None = None
        self._lost = False
        self._probe: Session | None = None
        self._probing = asyncio.Lock()

    async def open(self) -> None:
        """Create the pool, without any connection yet."""
        settings = self._settings
        self._pool = await asyncpg.create_pool(
            **_address(settings) | {"server_settings": _limits(settings)},
            min_size=0,
            max_size=settings.pool_size,
            timeout=settings.connect_timeout_s,
            command_timeout=settings.command_timeout_s,
            reset=_nothing_to_reset,
            init=self._prepare,
            connect=cast(Any, self._connect),  # the stubs require each argument by name
        )

    async def _connect(self, *_dsn: str, **arguments: Any) -> Session:
        """A connection for the pool with the current login; retried once if the login was just rotated."""
        login = await self._credentials.login()
        try:
            return await _log_in(login, arguments)
        except asyncpg.InvalidAuthorizationSpecificationError:
            other = await self._credentials.after_refusal(login)
            if other is None:
                raise
            return await _log_in(other, arguments)

    async def expire(self) -> None:
        """Replace connections: idle ones before their next use, others when they are released."""
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
        """Idle connections."""
        return self._pool.get_idle_size() if self._pool is not None else 0

    def up(self) -> float:
        """0 from the first connection failure until the next success, else 1."""
        return 0 if self._lost else 1

    async def close(self) -> None:
        """Wait for connections in use, at most `close_timeout_s`; then terminate them."""
        pool, self._pool = self._pool, None
        self._drop_probe()
        await asyncio.sleep(
            0
        )  # a terminated connection is closed in the next iteration of the event loop
        if pool is None:
            return
        try:
            # Pool.close() waits without limit for connections in use. When cancelled, it terminates
            # the pool.
            async with asyncio.timeout(self._settings.close_timeout_s):
                await pool.close()
        except TimeoutError:
            log.warning("connections to the database were still in use and have been cut")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection from the pool. Raises Exhausted, NotMigrated, Unavailable."""
        pool = self._pool
        if pool is None:
            raise Unavailable("the service is not connected to its database")
        try:
            with translated():
                connection = await self._acquire(pool)
                try:
                    yield connection
                except asyncpg.InternalClientError:
                    connection.terminate()  # its state is unknown, so it must not be reused
                    raise
                finally:
                    await pool.release(connection)
        except (Exhausted, NotMigrated):
            raise
        except Unavailable as error:
            self._log_loss(error)
            raise
        else:
            self._log_recovery()

    async def check(self, versions: Collection[str]) -> None:
        """Raise Unavailable unless the database responds and all these migrations are applied."""
        query = (
            "SELECT count(DISTINCT version)"
            f' FROM "{self._settings.schema}".flyway_schema_history'
            " WHERE success AND version = ANY($1)"
        )
        if self._pool is None:
            raise Unavailable("the service is not connected to its database")
        with translated():
            async with asyncio.timeout(self._settings.probe_timeout_s), self._probing:
                applied = await self._probe_count(query, list(versions))
        if applied != len(set(versions)):
            raise NotMigrated("the database has not been migrated for this version")

    async def _probe_count(self, query: str, versions: list[str]) -> int:
        """Run the query on the probe's connection, which is dropped after a failure."""
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
        """A connection that the caller has to release. The time limit includes connecting."""
        began = time.perf_counter()
        try:
            return await pool.acquire(timeout=self._settings.acquire_timeout_s)
        except TimeoutError as error:
            if pool.get_idle_size() == 0 and pool.get_size() == pool.get_max_size():
                raise Exhausted("every connection to the database is in use") from error
            raise
        finally:
            if self._waited is not None:
                self._waited(time.perf_counter() - began)

    def _log_loss(self, error: Unavailable) -> None:
        """Log the loss once, not for each request."""
        if not self._lost:
            self._lost = True
            log.warning("the database is lost: %s (%s)", error, reason(error))

    def _log_recovery(self) -> None:
        if self._lost:
            self._lost = False
            log.info("the database is back")


def reason(error: BaseException) -> str:
    """Class and text of the library error behind an error of ours, for the log."""
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}" if cause is not None else "no further reason"


def _address(settings: DatabaseSettings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "user": settings.username,
        # Never None: asyncpg would then read PGPASSWORD and ~/.pgpass.
        "password": settings.password.reveal(),
        "database": settings.name,
        "ssl": "prefer",
        "server_settings": {"application_name": "flightspecials"},
    }


async def _log_in(login: Login, arguments: dict[str, Any]) -> Session:
    user = {"user": login.username, "password": login.password.reveal()}
    session: Session = await asyncpg.connect(**arguments | user)
    return session


def _limits(settings: DatabaseSettings) -> dict[str, str]:
    """Limits that PostgreSQL enforces, in ms, in case this process hangs or its own limits fail."""
    statement_ms = round(settings.command_timeout_s * 1000)
    return {
        "application_name": "flightspecials",
        "statement_timeout": str(statement_ms),
        "lock_timeout": str(round(settings.row_lock_timeout_s * 1000)),
        "idle_in_transaction_session_timeout": str(2 * statement_ms),
    }


async def _nothing_to_reset(_connection: object) -> None:
    """Save the query that asyncpg sends at each release of a connection.

    Pooled connections change no session settings, use no LISTEN and take no session locks. asyncpg
    rolls back an open transaction before it calls this.
    """
