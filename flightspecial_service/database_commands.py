"""Commands about the database: `flightspecials migrate|info|validate|baseline|repair|seed|clean`."""

import argparse
import asyncio
import re
import sys
from typing import Any

from flightspecial_service.errors import MigrationError, Unavailable
from flightspecial_service.infrastructure.aws.client import credentials_for
from flightspecial_service.infrastructure.aws.credentials import resolved
from flightspecial_service.infrastructure.migrations import history
from flightspecial_service.infrastructure.migrations.migrator import (
    migrate,
    own_scripts,
    report_newer,
)
from flightspecial_service.infrastructure.migrations.scripts import newer
from flightspecial_service.infrastructure.postgres.outages import reason
from flightspecial_service.settings import DatabaseSettings

_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}")


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the commands to the parser."""
    commands.add_parser("migrate", help="bring the database to this version, then end")
    commands.add_parser("info", help="list the migrations and whether each is applied")
    commands.add_parser("validate", help="end with 1 unless all migrations are applied as they are")
    base = commands.add_parser("baseline", help="say of a database what it has already")
    base.add_argument("version", type=_version, help="the newest migration that it has")
    repair = commands.add_parser(
        "repair", help="accept the files as the migrations that were applied"
    )
    repair.add_argument("--dry-run", action="store_true", help="show the changes, make none")
    commands.add_parser("seed", help="put expired samples on sale again, add a flight to rename")
    clean = commands.add_parser("clean", help="drop the schema and all that is in it")
    clean.add_argument("--drop-schema", metavar="NAME", help="its name: without it nothing is done")


def run(arguments: argparse.Namespace, settings: DatabaseSettings) -> int:
    """Run one of the commands; return the exit status."""
    try:
        return asyncio.run(_run(arguments, settings))
    except MigrationError as error:
        print(f"flightspecials: {error}", file=sys.stderr)
    except Unavailable as error:
        print(f"flightspecials: {error} ({reason(error)})", file=sys.stderr)
    return 1


async def _run(arguments: argparse.Namespace, settings: DatabaseSettings) -> int:
    settings = await resolved(settings, credentials_for(settings))
    scripts, schema = own_scripts(), settings.schema
    match arguments.command:
        case "migrate":
            done = await migrate(settings, scripts)
            print(f"applied {len(done)} of {len(scripts)} migrations to {schema}")
        case "info":
            _print(history.info(scripts, await history.history(settings)))
        case "validate":
            applied = await history.history(settings)
            history.validate(scripts, applied)
            report_newer(settings, newer(scripts, applied))
            print(f"{schema} is as the {len(scripts)} migrations make it")
        case "baseline":
            await history.baseline(settings, arguments.version, scripts)
            print(f"{schema} begins at version {arguments.version}")
        case "repair":
            dry = arguments.dry_run
            changes = await history.repair(settings, scripts, print, dry=dry)
            print(f"{'would change' if dry else 'changed'} {changes} rows of {schema}")
        case "seed":
            await history.seed(settings)
            print(f"seeded {schema}")
        case _:
            return await _clean(arguments.drop_schema, settings)
    return 0


async def _clean(named: str | None, settings: DatabaseSettings) -> int:
    if named != settings.schema:
        sentence = f"to drop everything, say so: clean --drop-schema {settings.schema}"
        print(f"flightspecials: {sentence}", file=sys.stderr)
        return 2
    await history.clean(settings)
    print(f"dropped {settings.schema}")
    return 0


def _print(lines: list[history.Line]) -> None:
    rows = [("version", "state", "installed on (UTC)", "script")]
    rows += [(line.version, line.state, line.installed_on, line.script) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[3]]))


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!a} is not a version like 3 or 3.1")
    return text
