"""The connection pool, with a limit for each wait."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias, TypeVar, cast

import asyncpg

from flightspecial_service.errors import Exhausted, Unavailable, WritesRefused
from flightspecial_service.infrastructure.aws.credentials import Credentials
from flightspecial_service.infrastructure.postgres.connector import Connector, KeptAlive, Session
from flightspecial_service.infrastructure.postgres.error_mapping import refused_values, translated
from flightspecial_service.infrastructure.postgres.outages import Outages
from flightspecial_service.settings import DatabaseSettings

log = logging.getLogger(__name__)
T = TypeVar("T")

_QUERY_SHOWN = 500
"""Characters of a slow query's text."""
_FOR_READS = 2
"""Connections that writers leave to reads, as writers may wait for locks."""
_EXPIRE_GAP_S = 1.0
"""Minimum between two replacements of all connections."""

# Quoted: these classes are generic in the type stubs only.
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


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
        self._connector = Connector(settings, credentials)
        self._waited = waited
        self._slow = slow
        self._pool: Pool | None = None
        self._writers = asyncio.Semaphore(max(1, settings.pool_size - _FOR_READS))
        self._outages = Outages()
        self._expired_at = float("-inf")
        self._probe: Session | None = None
        self._probing = asyncio.Lock()

    async def open(self) -> None:
        """Create the pool, without any connection yet."""
        settings = self._settings
        self._pool = await asyncpg.create_pool(
            min_size=0,
            max_size=settings.pool_size,
            connection_class=KeptAlive,
            command_timeout=settings.command_timeout_s,
            reset=_nothing_to_reset,
            init=self._prepare,
            # The stubs require each argument by name.
            connect=cast(Any, self._connector.open_limited),
        )

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
        return 0 if self._outages.lost else 1

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

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for reads. Raises Exhausted, NotMigrated, Unavailable."""
        return self._borrowed(self._settings.acquire_timeout_s, write=False)

    @asynccontextmanager
    async def write_connection(self) -> AsyncIterator[Connection]:
        """A connection for a write. Raises also Invalid.

        Writers hold at most all connections but two: while they wait for a locked row, reads go on.
        """
        limit_s = self._settings.acquire_timeout_s
        began = time.monotonic()
        try:
            async with asyncio.timeout(limit_s):
                await self._writers.acquire()
        except TimeoutError as error:
            raise Exhausted("every connection for writes is in use") from error
        left_s = max(0.0, limit_s - (time.monotonic() - began))
        try:
            async with self._borrowed(left_s, write=True) as connection:
                with refused_values():
                    yield connection
        finally:
            self._writers.release()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection for writes, in a transaction."""
        async with self.write_connection() as connection, connection.transaction():
            if self._connector.pooled:
                limits = self._connector.limits().items()
                await connection.execute("".join(f"SET LOCAL {k} = {v};" for k, v in limits))
            yield connection

    @asynccontextmanager
    async def _borrowed(self, timeout_s: float, *, write: bool) -> AsyncIterator[Connection]:
        """A connection of the pool. Its success or failure updates the state of the database."""
        pool = self._pool
        if pool is None:
            raise Unavailable("the service is not connected to its database")
        try:
            with translated():
                connection = await self._acquire(pool, timeout_s)
                try:
                    yield connection
                except (asyncpg.InternalClientError, asyncpg.ReadOnlySQLTransactionError):
                    # Its state is unknown, or the server is no longer the writer: do not reuse it.
                    connection.terminate()
                    raise
                finally:
                    await pool.release(connection)
        except Unavailable as error:
            self._outages.failed(error)
            await self._leave_reader(error)
            raise
        else:
            self._outages.succeeded(wrote=write)

    async def _leave_reader(self, error: Unavailable) -> None:
        """After a failover the other connections lead to the same reader: replace all of them."""
        if not isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError):
            return
        now = time.monotonic()
        if now - self._expired_at >= _EXPIRE_GAP_S:
            self._expired_at = now
            await self.expire()

    async def probe(self, ask: Callable[[Session], Awaitable[T]]) -> T:
        """Run `ask` on the probe's connection, which is opened like those of the pool.

        Raises Unavailable, also if the database accepts no writes.
        """
        if self._pool is None:
            raise Unavailable("the service is not connected to its database")
        try:
            with translated():
                async with asyncio.timeout(self._settings.probe_timeout_s), self._probing:
                    return await self._probed(ask)
        except WritesRefused as error:
            await self._leave_reader(error)
            raise

    async def _probed(self, ask: Callable[[Session], Awaitable[T]]) -> T:
        """Run `ask` on the probe's connection, which is dropped after a failure."""
        try:
            if self._probe is None or self._probe.is_closed():
                self._probe = await self._connector.open_limited()
            # On as well while the server is in recovery.
            if await self._probe.fetchval("SELECT current_setting('transaction_read_only')::bool"):
                raise asyncpg.ReadOnlySQLTransactionError("the database is read-only")
            return await ask(self._probe)
        except BaseException:
            self._drop_probe()
            raise

    def _drop_probe(self) -> None:
        if self._probe is not None:
            self._probe.terminate()
            self._probe = None

    async def _acquire(self, pool: Pool, timeout_s: float) -> Connection:
        """A connection that the caller has to release. The time limit includes connecting."""
        began = time.perf_counter()
        try:
            return await pool.acquire(timeout=timeout_s)
        except TimeoutError as error:
            if pool.get_idle_size() == 0 and pool.get_size() == pool.get_max_size():
                raise Exhausted("every connection to the database is in use") from error
            raise
        finally:
            if self._waited is not None:
                self._waited(time.perf_counter() - began)


async def _nothing_to_reset(_connection: object) -> None:
    """Save the query that asyncpg sends at each release of a connection.

    Pooled connections change no session settings, use no LISTEN and take no session locks. asyncpg
    rolls back an open transaction before it calls this.
    """
