"""The commands about migrations besides `migrate`: info, validate, baseline, repair, clean, seed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg
from msgspec import Struct

from flightspecial_service.errors import MigrationFailed, MigrationRefused
from flightspecial_service.infrastructure.migrations.history_table import (
    accept,
    applied_rows,
    has_history,
    make_history,
    record_baseline,
    remove_failed,
)
from flightspecial_service.infrastructure.migrations.migrator import locked
from flightspecial_service.infrastructure.migrations.scripts import (
    BASELINE,
    Applied,
    Script,
    order,
    pending,
    unapplied,
)
from flightspecial_service.infrastructure.postgres.connector import Session, connect
from flightspecial_service.infrastructure.postgres.error_mapping import translated
from flightspecial_service.settings import DatabaseSettings


class Line(Struct, frozen=True):
    """One line of `info`."""

    version: str
    script: str
    state: str
    installed_on: str = ""


async def history(settings: DatabaseSettings) -> list[Applied]:
    """The history table, oldest row first; empty if there is none. Raises Unavailable."""
    async with _session(settings) as session:
        if not await has_history(session, settings.schema):
            return []
        return await applied_rows(session, settings.schema)


def info(scripts: Sequence[Script], applied: Sequence[Applied]) -> list[Line]:
    """One line for each file and for each row without a file."""
    versions = {order(row.version): row for row in applied if row.version is not None}
    repeated = {row.script: row for row in applied if row.version is None}
    missing = {script.name for script in unapplied(scripts, applied)}
    lines = []
    for script in scripts:
        if script.version is None:
            row, absent = repeated.get(script.name), "pending"
        else:
            row = versions.pop(order(script.version), None)
            absent = "pending" if script.name in missing else "below baseline"
        lines.append(_line(script, row, absent))
    newest = max((order(script.version) for script in scripts), default=())
    for number, row in sorted(versions.items()):
        state = "future" if number > newest else "file missing"
        state = state if row.success else "failed"
        lines.append(Line(row.version or "", row.script, state, row.installed_on))
    return lines


def validate(scripts: Sequence[Script], applied: Sequence[Applied]) -> None:
    """Raise MigrationRefused unless all files are applied unchanged."""
    missing = pending(scripts, applied)
    if missing:
        raise MigrationRefused(f"not applied yet: {', '.join(script.name for script in missing)}")


async def baseline(settings: DatabaseSettings, version: str, scripts: Sequence[Script]) -> None:
    """Record for a database without a history that it has all migrations up to `version`.

    Raises MigrationRefused if it has a history or no file has this version, MigrationFailed,
    Unavailable.
    """
    versions = [script.version for script in scripts if script.version is not None]
    if order(version) not in map(order, versions):
        raise MigrationRefused(
            f"no migration has the version {version}; there are {', '.join(versions)}"
        )
    async with _locked_session(settings) as session:
        await make_history(session, settings.schema)
        if await applied_rows(session, settings.schema):
            raise MigrationRefused(f"{settings.schema} has a history already: nothing was changed")
        await record_baseline(session, settings.schema, version)


def accepted(scripts: Sequence[Script], applied: Sequence[Applied]) -> list[tuple[Applied, Script]]:
    """The rows that succeeded and differ from the file of their version, with that file."""
    known = {order(script.version): script for script in scripts if script.version is not None}
    rows = (row for row in applied if row.version is not None and row.success)
    pairs = ((row, known.get(order(row.version))) for row in rows if row.kind != BASELINE)
    return [
        (row, script)
        for row, script in pairs
        if script is not None and (row.checksum, row.script) != (script.checksum, script.name)
    ]


async def repair(
    settings: DatabaseSettings, scripts: Sequence[Script], show: Callable[[str], None], *, dry: bool
) -> int:
    """Accept the files as what was applied, and forget migrations that failed, as Flyway's `repair`.

    Shows the changes first; with `dry` it only shows them. Returns their number. Raises
    MigrationFailed, Unavailable.
    """
    async with _locked_session(settings) as session, session.transaction():
        if not await has_history(session, settings.schema):
            return 0
        rows = await applied_rows(session, settings.schema)
        changes, failed = accepted(scripts, rows), [row for row in rows if not row.success]
        for row, script in changes:
            show(
                f"version {row.version}: {row.script} with checksum {row.checksum}"
                f" becomes {script.name} with checksum {script.checksum}"
            )
        for row in failed:
            show(f"the row of {row.script}, which failed, is deleted")
        if not dry:
            for row, script in changes:
                await accept(session, settings.schema, row, script)
            await remove_failed(session, settings.schema)
    return len(changes) + len(failed)


async def clean(settings: DatabaseSettings) -> None:
    """Drop the schema with its contents. Raises MigrationFailed, Unavailable."""
    async with _locked_session(settings) as session:
        await session.execute(f'DROP SCHEMA IF EXISTS "{settings.schema}" CASCADE')


async def seed(settings: DatabaseSettings) -> None:
    """Renew the expired samples. Raises MigrationFailed, Unavailable."""
    text = (files(__package__) / "seed.sql").read_text()
    samples = Script(None, "samples", "samples.sql", 0, text)
    async with _session(settings) as session, session.transaction():
        await session.execute(samples.sql(settings.schema))


@asynccontextmanager
async def _session(settings: DatabaseSettings) -> AsyncIterator[Session]:
    """A connection for the block, which is limited to `migration_wait_s`."""
    session = await connect(settings)
    try:
        with translated():
            async with asyncio.timeout(settings.migration_wait_s):
                yield session
    except asyncpg.PostgresError as error:
        raise MigrationFailed(f"PostgreSQL refused: {error}") from error
    finally:
        session.terminate()


@asynccontextmanager
async def _locked_session(settings: DatabaseSettings) -> AsyncIterator[Session]:
    """A connection that holds the lock of the schema."""
    async with _session(settings) as session, locked(session, settings):
        yield session


def _line(script: Script, row: Applied | None, absent: str) -> Line:
    version = script.version or ""
    if row is None:
        return Line(version, script.name, absent)
    if row.kind == BASELINE:
        state = "baseline"
    elif not row.success:
        state = "failed"
    elif row.checksum is not None and row.checksum != script.checksum:
        state = "changed" if script.version else "pending"
    else:
        state = "applied"
    return Line(version, script.name, state, row.installed_on)
