"""The history of migrations: Flyway's table, its columns and its values."""

from flightspecial_service.infrastructure.migrations.scripts import (
    BASELINE,
    DELETED,
    Applied,
    Script,
    effective,
)
from flightspecial_service.infrastructure.postgres.connector import Session

_CREATE = """
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
SELECT coalesce(max(installed_rank), 0) + 1, $1, $2, 'SQL', $3, $4, current_user, $5, $6
FROM "{schema}".flyway_schema_history
"""
_BASELINE = """
INSERT INTO "{schema}".flyway_schema_history
    (installed_rank, version, description, type, script, installed_by, execution_time, success)
VALUES (1, $1, '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', current_user, 0, true)
"""
_ROWS = f"""
SELECT version, script, checksum, success, type, to_char(installed_on, 'YYYY-MM-DD HH24:MI:SS')
FROM "{{schema}}".flyway_schema_history
WHERE type IN ('SQL', '{BASELINE}', '{DELETED}') ORDER BY installed_rank
"""
_REPAIR = """
UPDATE "{schema}".flyway_schema_history SET checksum = $2, description = $3, script = $4
WHERE version = $1 AND type = 'SQL' AND success
"""


async def has_history(session: Session, schema: str) -> bool:
    """Whether the table exists."""
    table = f'"{schema}".flyway_schema_history'
    return await session.fetchval("SELECT to_regclass($1)", table) is not None


async def make_history(session: Session, schema: str) -> None:
    """Create the history table; before it the schema, which contains it (as Flyway does)."""
    # Not `IF NOT EXISTS`: it needs the privilege to create even if nothing is created.
    if await has_history(session, schema):
        return
    async with session.transaction():
        if await session.fetchval("SELECT to_regnamespace($1)", f'"{schema}"') is None:
            await session.execute(f'CREATE SCHEMA "{schema}"')
        await session.execute(_CREATE.format(schema=schema))


async def applied_rows(session: Session, schema: str) -> list[Applied]:
    """The effective history, oldest first, without Flyway's rows about the schema."""
    rows = await session.fetch(_ROWS.format(schema=schema))
    return effective(Applied(*row) for row in rows)


async def record(
    session: Session, schema: str, script: Script, took_ms: int, *, success: bool = True
) -> None:
    """Insert the row of a migration."""
    values = (script.version, script.description, script.name, script.checksum, took_ms, success)
    await session.execute(_RECORD.format(schema=schema), *values)


async def record_baseline(session: Session, schema: str, version: str) -> None:
    """Insert the row of a baseline as the first one."""
    await session.execute(_BASELINE.format(schema=schema), version)


async def accept(session: Session, schema: str, row: Applied, script: Script) -> None:
    """Give the row the checksum and the name of the file."""
    values = (row.version, script.checksum, script.description, script.name)
    await session.execute(_REPAIR.format(schema=schema), *values)


async def remove_failed(session: Session, schema: str) -> None:
    """Delete the rows of migrations that failed."""
    await session.execute(f'DELETE FROM "{schema}".flyway_schema_history WHERE NOT success')
