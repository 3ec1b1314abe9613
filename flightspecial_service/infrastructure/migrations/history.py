"""The commands about migrations besides `migrate`: info, validate, baseline, clean, seed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg
from msgspec import Struct

from flightspecial_service.errors import MigrationFailed, MigrationRefused
from flightspecial_service.infrastructure.migrations.migrator import (
    applied_rows,
    make_history,
    take_lock,
)
from flightspecial_service.infrastructure.migrations.scripts import (
    BASELINE,
    Applied,
    Script,
    order,
    pending,
)
from flightspecial_service.infrastructure.postgres.database import Session, connect
from flightspecial_service.infrastructure.postgres.error_mapping import translated
from flightspecial_service.settings import DatabaseSettings

_BASELINE = """
INSERT INTO "{schema}".flyway_schema_history
    (installed_rank, version, description, type, script, installed_by, execution_time, success)
VALUES (1, $1, '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', current_user, 0, true)
"""


class Line(Struct, frozen=True):
    """One line of `info`."""

    version: str
    script: str
    state: str
    installed_on: str = ""


async def history(settings: DatabaseSettings) -> list[Applied]:
    """The history table, oldest row first; empty if there is none. Raises Unavailable."""
    async with _session(settings) as session:
        table = f'"{settings.schema}".flyway_schema_history'
        if await session.fetchval("SELECT to_regclass($1)", table) is None:
            return []
        return await applied_rows(session, settings.schema)


def info(scripts: Sequence[Script], applied: Sequence[Applied]) -> list[Line]:
    """One line for each file and for each row without a file."""
    versions = {order(row.version): row for row in applied if row.version is not None}
    repeated = {row.script: row for row in applied if row.version is None}
    base = max((order(row.version) for row in applied if row.kind == BASELINE), default=())
    lines = []
    for script in scripts:
        row = versions.pop(order(script.version), None) if script.version else None
        row = row or (None if script.version else repeated.get(script.name))
        below = script.version is not None and order(script.version) <= base
        lines.append(_line(script, row, below_baseline=below))
    newest = max((order(script.version) for script in scripts), default=())
    for number, row in sorted(versions.items()):
        state = "future" if number > newest else "file missing"
        lines.append(Line(row.version or "", row.script, state, row.installed_on))
    return lines


def validate(scripts: Sequence[Script], applied: Sequence[Applied]) -> None:
    """Raise MigrationRefused unless all files are applied unchanged."""
    missing = pending(scripts, applied)
    if missing:
        raise MigrationRefused(f"not applied yet: {', '.join(script.name for script in missing)}")


async def baseline(settings: DatabaseSettings, version: str) -> None:
    """Record for a database without a history that it has all migrations up to `version`.

    Raises MigrationRefused if it has a history, MigrationFailed, Unavailable.
    """
    async with _session(settings) as session:
        await take_lock(session, settings.schema)
        await make_history(session, settings.schema)
        if await applied_rows(session, settings.schema):
            raise MigrationRefused(f"{settings.schema} has a history already: nothing was changed")
        await session.execute(_BASELINE.format(schema=settings.schema), version)


async def clean(settings: DatabaseSettings) -> None:
    """Drop the schema with its contents. Raises MigrationFailed, Unavailable."""
    async with _session(settings) as session:
        await take_lock(session, settings.schema)
        await session.execute(f'DROP SCHEMA IF EXISTS "{settings.schema}" CASCADE')


async def seed(settings: DatabaseSettings) -> None:
    """Renew the expired samples. Raises MigrationFailed, Unavailable."""
    text = (files(__package__) / "seed.sql").read_text()
    samples = Script(None, "samples", "samples.sql", 0, text)
    async with _session(settings) as session, session.transaction():
        await session.execute(samples.sql(settings.schema))


@asynccontextmanager
async def _session(settings: DatabaseSettings) -> AsyncIterator[Session]:
    """A connection for the block, which is limited to `migration_timeout_s`."""
    session = await connect(settings)
    try:
        with translated():
            async with asyncio.timeout(settings.migration_timeout_s):
                yield session
    except asyncpg.PostgresError as error:
        raise MigrationFailed(f"PostgreSQL refused: {error}") from error
    finally:
        session.terminate()


def _line(script: Script, row: Applied | None, *, below_baseline: bool) -> Line:
    version = script.version or ""
    if row is None:
        return Line(version, script.name, "below baseline" if below_baseline else "pending")
    if row.kind == BASELINE:
        state = "baseline"
    elif not row.success:
        state = "failed"
    elif row.checksum is not None and row.checksum != script.checksum:
        state = "changed" if script.version else "pending"
    else:
        state = "applied"
    return Line(version, script.name, state, row.installed_on)
