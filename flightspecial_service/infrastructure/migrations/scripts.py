"""Migration files, and which of them are pending. Pure except for reading the files.

Names and checksums follow Flyway, so that its tools can read our history table:
`V2__create_tables.sql` is version 2, "create tables".
"""

import re
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from itertools import pairwise
from zlib import crc32

from msgspec import Struct

from flightspecial_service.errors import MigrationRefused

_NAME = re.compile(r"V([0-9]+(?:[._][0-9]+)*)__(\S+)\.sql")
_REPEATABLE = re.compile(r"R__(\S+)\.sql")
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
BASELINE = "BASELINE"
"""The type of a row that stands for all migrations up to its version."""
_BOM = b"\xef\xbb\xbf"


class Script(Struct, frozen=True):
    """One migration file. `version` is dotted text, None for a repeatable migration.

    `checksum` is a signed 32-bit integer.
    """

    version: str | None
    description: str
    name: str
    checksum: int
    text: str

    def sql(self, schema: str) -> str:
        """The statements for this schema. Raises MigrationRefused at an unknown placeholder."""
        values = {"flyway:defaultSchema": schema}

        def value(placeholder: re.Match[str]) -> str:
            if placeholder[1] not in values:
                raise MigrationRefused(f"{self.name} has the unknown placeholder {placeholder[0]}")
            return values[placeholder[1]]

        return _PLACEHOLDER.sub(value, self.text)


class Applied(Struct, frozen=True):
    """A row of the history table. A baseline stands for all versions up to its own."""

    version: str | None
    script: str
    checksum: int | None
    success: bool
    kind: str = "SQL"
    installed_on: str = ""


def checksum(content: bytes) -> int:
    """Flyway's checksum: the signed CRC-32 of all lines without line ends and byte order mark."""
    unsigned = crc32(content.removeprefix(_BOM).replace(b"\r", b"").replace(b"\n", b""))
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def read_scripts(folder: Traversable) -> tuple[Script, ...]:
    """All migrations of a folder: versions in order, then repeatable ones by name.

    Raises MigrationRefused at a malformed name and at a duplicate version.
    """
    scripts = [_script(file) for file in folder.iterdir() if file.name.endswith(".sql")]
    scripts.sort(key=lambda script: (script.version is None, order(script.version), script.name))
    for script, following in pairwise(scripts):
        if script.version is not None and order(script.version) == order(following.version):
            raise MigrationRefused(f"{script.name} and {following.name} have the same version")
    return tuple(scripts)


def pending(scripts: Sequence[Script], applied: Sequence[Applied]) -> tuple[Script, ...]:
    """The migrations to apply. `applied` is the history, oldest first.

    Raises MigrationRefused, with the name of the file, if the history does not fit the files.
    """
    known = {order(script.version): script for script in scripts if script.version is not None}
    versioned = [row for row in applied if row.version is not None]
    base = max((order(row.version) for row in versioned if row.kind == BASELINE), default=())
    for row in versioned:
        if row.kind != BASELINE:
            _check(row, known)
    done = {order(row.version) for row in versioned}
    todo = [
        script for number, script in sorted(known.items()) if number not in done and number > base
    ]
    if todo and done and order(todo[0].version) < max(done):
        raise MigrationRefused(
            f"{todo[0].name} was never applied, but later migrations were:"
            " give it a version above the newest one"
        )
    latest = {row.script: row.checksum for row in applied if row.version is None and row.success}
    again = (
        script
        for script in scripts
        if script.version is None and latest.get(script.name) != script.checksum
    )
    return (*todo, *again)


def _check(row: Applied, known: dict[tuple[int, ...], Script]) -> None:
    """Compare one row of the history with the files."""
    number = order(row.version)
    script = known.get(number)
    if not row.success:
        raise MigrationRefused(
            f"{row.script} failed when it was applied: mend the database, then delete its row"
            " from flyway_schema_history"
        )
    if script is None and number > max(known, default=()):
        raise MigrationRefused(
            f"the database is newer than this service, which does not know {row.script}"
        )
    if script is None:
        raise MigrationRefused(f"{row.script} was applied, but the file is missing")
    if row.checksum is not None and row.checksum != script.checksum:
        raise MigrationRefused(
            f"{script.name} was changed after it was applied (checksum {row.checksum} then,"
            f" {script.checksum} now): restore the file and put the change into a new one"
        )


def _script(file: Traversable) -> Script:
    name = _NAME.fullmatch(file.name)
    repeatable = _REPEATABLE.fullmatch(file.name)
    if name is None and repeatable is None:
        raise MigrationRefused(
            f"{file.name} is not named like V1__what_it_does.sql or R__what_it_does.sql"
        )
    content = file.read_bytes()
    what = name[2] if name is not None else repeatable[1] if repeatable is not None else ""
    return Script(
        version=None if name is None else name[1].replace("_", "."),
        description=what.replace("_", " "),
        name=file.name,
        checksum=checksum(content),
        text=content.removeprefix(_BOM).decode(),
    )


def order(version: str | None) -> tuple[int, ...]:
    """Sort key: versions compare part by part as numbers; 1 equals 1.0; None comes first."""
    parts = [] if version is None else [int(part) for part in version.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
