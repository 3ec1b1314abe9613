"""Applies migrations, each exactly once, even if several replicas start together.

Replicas poll `pg_try_advisory_lock` instead of blocking in `pg_advisory_lock`: a blocked statement
holds a snapshot, and CREATE INDEX CONCURRENTLY in a migration waits for all snapshots, so the two
would deadlock. The lock belongs to the session and ends with the connection, also after a crash.
Behind a connection pooler there are no sessions: there the lock, and all files with it, belong to one
transaction.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from importlib.resources import files

import asyncpg

from flightspecial_service.errors import (
    MigrationFailed,
    MigrationRefused,
    NotMigrated,
    Unavailable,
)
from flightspecial_service.infrastructure.migrations.history_table import (
    applied_rows,
    make_history,
    record,
)
from flightspecial_service.infrastructure.migrations.scripts import (
    Script,
    newer,
    pending,
    read_scripts,
)
from flightspecial_service.infrastructure.postgres.connector import (
    Session,
    behind_pooler,
    connect,
)
from flightspecial_service.infrastructure.postgres.error_mapping import translated
from flightspecial_service.infrastructure.postgres.server_checks import check_server
from flightspecial_service.settings import DatabaseSettings

log = logging.getLogger(__name__)

_LOCK_POLL_S = 0.1


def own_scripts() -> tuple[Script, ...]:
    """The migrations of this version of the service."""
    return read_scripts(files(__package__) / "sql")


async def migrate(settings: DatabaseSettings, scripts: Sequence[Script]) -> tuple[Script, ...]:
    """Apply the pending migrations; return them.

    Raises MigrationError, after which a retry does not help, and Unavailable, after which it may: no
    database, or another process held the lock for `migration_wait_s`.
    """
    session = await connect(settings)
    try:
        with translated():
            await check_server(session, settings)
            async with locked(session, settings) as pooled:
                applied = await _migrate(session, settings, scripts, pooled=pooled)
    except asyncpg.PostgresError as error:
        session.terminate()
        raise MigrationFailed(f"PostgreSQL refused to let us migrate: {error}") from error
    except BaseException:
        # Not close(), which waits for a server that may be gone. The lock ends with the connection.
        session.terminate()
        raise
    with translated():
        await session.close(timeout=settings.close_timeout_s)
    return applied


async def _migrate(
    session: Session, settings: DatabaseSettings, scripts: Sequence[Script], *, pooled: bool
) -> tuple[Script, ...]:
    async with asyncio.timeout(settings.migration_wait_s):
        await _refuse_foreign_tables(session, settings.schema)
        await make_history(session, settings.schema)
        applied = await applied_rows(session, settings.schema)
    missing = pending(scripts, applied)
    report_newer(settings, newer(scripts, applied))
    for script in missing:
        await _apply(session, settings, script, pooled=pooled)
    return missing


def report_newer(settings: DatabaseSettings, names: Sequence[str]) -> None:
    """Warn of migrations of a newer version, or raise MigrationRefused if the settings want that."""
    if not names:
        return
    sentence = f"the database is newer than this service, which does not know {', '.join(names)}"
    if settings.refuse_newer:
        raise MigrationRefused(sentence)
    log.warning("%s", sentence)


def lock_key(schema: str) -> int:
    """The key of the advisory lock for this schema: a signed 64-bit integer."""
    digest = sha256(f"flightspecials migrations {schema}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


@asynccontextmanager
async def locked(session: Session, settings: DatabaseSettings) -> AsyncIterator[bool]:
    """Hold the lock of the schema until the session ends. Yields whether a connection pooler is used.

    Behind a pooler the block is one transaction, and the lock ends with it. The wait is limited to `migration_wait_s`.
    """
    key = lock_key(settings.schema)
    if await behind_pooler(session):
        async with session.transaction():
            await _poll(session, "SELECT pg_try_advisory_xact_lock($1)", key, settings)
            yield True
        return
    await _poll(session, "SELECT pg_try_advisory_lock($1)", key, settings)
    yield False


async def _poll(session: Session, query: str, key: int, settings: DatabaseSettings) -> None:
    waited = False
    async with asyncio.timeout(settings.migration_wait_s):
        while not await session.fetchval(query, key):
            if not waited:
                log.info("another process is migrating: waiting")
                waited = True
            await asyncio.sleep(_LOCK_POLL_S)


async def _refuse_foreign_tables(session: Session, schema: str) -> None:
    """Refuse a schema with tables but no history: only a person knows which migrations it has."""
    unexplained = await session.fetchval(
        "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'"
        " AND to_regclass($2) IS NULL",
        f'"{schema}"',
        f'"{schema}".flyway_schema_history',
    )
    if unexplained:
        raise MigrationRefused(
            f"the schema {schema} holds tables, but no history of migrations:"
            " say what it has with `flightspecials baseline VERSION`"
        )


async def _apply(
    session: Session, settings: DatabaseSettings, script: Script, *, pooled: bool
) -> None:
    """Apply one migration, without a limit of time, and insert its row into the history."""
    if pooled and not script.in_transaction:
        raise MigrationRefused(
            f"{script.name} runs outside a transaction, which a connection pooler does not allow:"
            " run `flightspecials migrate` on the server itself"
        )
    run = _run_in_transaction if script.in_transaction else _run_outside
    failed = "was rolled back" if script.in_transaction else "failed outside a transaction"
    try:
        with translated():
            took_ms = await run(session, settings, script)
    except NotMigrated as error:  # the file names a table that does not exist
        raise MigrationFailed(f"{script.name} {failed}: {error.__cause__}") from error.__cause__
    except Unavailable as error:
        raise Unavailable(f"{script.name} was not applied: {error}") from error.__cause__
    except asyncpg.PostgresError as error:
        raise MigrationFailed(f"{script.name} {failed}: {error}") from error
    log.info("applied %s", script.name, extra={"took_ms": took_ms})


async def _run_in_transaction(session: Session, settings: DatabaseSettings, script: Script) -> int:
    """Apply and record in one transaction. Returns the time that it took, in ms."""
    started = time.monotonic()
    async with session.transaction():
        lock_ms = round(settings.lock_timeout_s * 1000)
        await session.execute(
            f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {lock_ms}"
        )
        sql = script.sql(settings.schema)
        if not _makes_the_schema(sql, settings.schema):
            await session.execute(sql)
        took_ms = round((time.monotonic() - started) * 1000)
        await record(session, settings.schema, script, took_ms)
    return took_ms


async def _run_outside(session: Session, settings: DatabaseSettings, script: Script) -> int:
    """Apply without a transaction. A failure is recorded, as what was done before it stays.

    There is no limit for locks: CREATE INDEX CONCURRENTLY waits for transactions, but blocks none.
    """
    started = time.monotonic()
    await session.execute("SET statement_timeout = 0; SET lock_timeout = 0")
    try:
        await session.execute(script.sql(settings.schema))
    except asyncpg.PostgresError:
        if not session.is_closed():
            await record(session, settings.schema, script, 0, success=False)
        raise
    took_ms = round((time.monotonic() - started) * 1000)
    await record(session, settings.schema, script, took_ms)
    return took_ms


def _makes_the_schema(sql: str, schema: str) -> bool:
    """Whether the file only creates the schema, which exists since there is a history.

    PostgreSQL demands the privilege CREATE on the database before it looks whether the schema exists.
    """
    return sql.strip() == f'CREATE SCHEMA IF NOT EXISTS "{schema}";'
