"""Applies migrations, each exactly once, even if several replicas start together.

Replicas poll `pg_try_advisory_lock` instead of blocking in `pg_advisory_lock`: a blocked statement
holds a snapshot, and CREATE INDEX CONCURRENTLY in a migration waits for all snapshots, so the two
would deadlock. The lock belongs to the session and ends with the connection, also after a crash.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

import asyncpg

from flightspecial_service.errors import MigrationFailed, MigrationRefused
from flightspecial_service.infrastructure.migrations.scripts import (
    BASELINE,
    Applied,
    Script,
    pending,
    read_scripts,
)
from flightspecial_service.infrastructure.postgres.database import Session, connect
from flightspecial_service.infrastructure.postgres.error_mapping import may_pass, translated
from flightspecial_service.settings import DatabaseSettings

log = logging.getLogger(__name__)

_LOCK_POLL_S = 0.1
_HISTORY = """
CREATE TABLE "{schema}".flyway_schema_history (
    installed_rank integer       NOT NULL CONSTRAINT flyway_schema_history_pk PRIMARY KEY,
    version        varchar(50),
    description    varchar(200)  NOT NULL,
    type           varchar(20)   NOT NULL,
    script         varchar(1000) NOT NULL,
    checksum       integer,
    installed_by   varchar(100)  NOT NULL,
    installed_on   timestamp     NOT NULL DEFAULT now(),
    execution_time integer       NOT NULL,
    success        boolean       NOT NULL
);
CREATE INDEX flyway_schema_history_s_idx ON "{schema}".flyway_schema_history (success);
"""
_RECORD = """
INSERT INTO "{schema}".flyway_schema_history
    (installed_rank, version, description, type, script, checksum,
     installed_by, execution_time, success)
SELECT coalesce(max(installed_rank), 0) + 1, $1, $2, 'SQL', $3, $4, current_user, $5, true
FROM "{schema}".flyway_schema_history
"""


def own_scripts() -> tuple[Script, ...]:
    """The migrations of this version of the service."""
    return read_scripts(files(__package__) / "sql")


async def migrate(settings: DatabaseSettings, scripts: Sequence[Script]) -> tuple[Script, ...]:
    """Apply the pending migrations; return them.

    Raises MigrationRefused and MigrationFailed, after which a retry does not help, and Unavailable,
    after which it may: no database, or another process held the lock for `migration_timeout_s`.
    """
    session = await connect(settings)
    try:
        with translated():
            async with asyncio.timeout(settings.migration_timeout_s):
                applied = await _migrate(session, settings, scripts)
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
    session: Session, settings: DatabaseSettings, scripts: Sequence[Script]
) -> tuple[Script, ...]:
    await take_lock(session, settings.schema)
    await _refuse_foreign_tables(session, settings.schema)
    await make_history(session, settings.schema)
    missing = pending(scripts, await applied_rows(session, settings.schema))
    for script in missing:
        await _apply(session, settings, script)
    return missing


def lock_key(schema: str) -> int:
    """The key of the advisory lock for this schema: a signed 64-bit integer."""
    digest = sha256(f"flightspecials migrations {schema}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


async def take_lock(session: Session, schema: str) -> None:
    """Wait for the advisory lock. The caller limits the wait."""
    key = lock_key(schema)
    waited = False
    while not await session.fetchval("SELECT pg_try_advisory_lock($1)", key):
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


async def make_history(session: Session, schema: str) -> None:
    """Create the history table; before it the schema, which contains it (as Flyway does)."""
    # Not `IF NOT EXISTS`: it needs the privilege to create even if nothing is created.
    if (
        await session.fetchval("SELECT to_regclass($1)", f'"{schema}".flyway_schema_history')
        is not None
    ):
        return
    async with session.transaction():
        if await session.fetchval("SELECT to_regnamespace($1)", f'"{schema}"') is None:
            await session.execute(f'CREATE SCHEMA "{schema}"')
        await session.execute(_HISTORY.format(schema=schema))


async def applied_rows(session: Session, schema: str) -> list[Applied]:
    """The history, oldest first, without Flyway's rows about the schema."""
    rows = await session.fetch(
        "SELECT version, script, checksum, success, type,"
        " to_char(installed_on, 'YYYY-MM-DD HH24:MI:SS')"
        f' FROM "{schema}".flyway_schema_history'
        f" WHERE type IN ('SQL', '{BASELINE}') ORDER BY installed_rank"
    )
    return [Applied(*row) for row in rows]


async def _apply(session: Session, settings: DatabaseSettings, script: Script) -> None:
    """Apply one migration and insert its row into the history, in one transaction."""
    sql = script.sql(settings.schema)
    started = time.monotonic()
    try:
        async with session.transaction():
            await session.execute(
                f"SET LOCAL lock_timeout = {round(settings.lock_timeout_s * 1000)}"
            )
            await session.execute(sql)
            took_ms = round((time.monotonic() - started) * 1000)
            await session.execute(
                _RECORD.format(schema=settings.schema),
                *(script.version, script.description, script.name, script.checksum, took_ms),
            )
    except asyncpg.PostgresError as error:
        if may_pass(error):
            raise
        raise MigrationFailed(f"{script.name} was rolled back: {error}") from error
    log.info("applied %s", script.name, extra={"took_ms": took_ms})
