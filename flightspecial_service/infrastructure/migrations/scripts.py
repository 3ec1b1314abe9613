"""Migration files, and what must still be applied. Pure but for reading the files.

Names and checksums are Flyway's, so that its tools understand our history table:
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
"""The kind of a row that says: the database already had all up to this version."""
_BOM = b"\xef\xbb\xbf"


class Script(Struct, frozen=True):
    """One migration file. `version` is dotted text, None if it is repeatable.

    `checksum` is a signed 32-bit number.
    """

    version: str | None
    description: str
    name: str
    checksum: int
    text: str

    def sql(self, schema: str) -> str:
        """The statements for this schema. Raises MigrationRefused at an unknown placeholder."""
        values = {"flyway:defaultSchema": schema}

        def value(found: re.Match[str]) -> str:
            if found[1] not in values:
                raise MigrationRefused(f"{self.name} has the unknown placeholder {found[0]}")
            return values[found[1]]

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
    """Flyway's: the signed CRC-32 of all lines without their ends and a byte order mark."""
    unsigned = crc32(content.removeprefix(_BOM).replace(b"\r", b"").replace(b"\n", b""))
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def read_scripts(folder: Traversable) -> tuple[Script, ...]:
    """All migrations of a folder: in order of version, then the repeatable ones by name.

    Raises MigrationRefused at a name of another form, and at a version that comes twice.
    """
    found = [_script(file) for file in folder.iterdir() if file.name.endswith(".sql")]
    found.sort(key=lambda script: (script.version is None, order(script.version), script.name))
    for one, next_ in pairwise(found):
        if one.version is not None and order(one.version) == order(next_.version):
            raise MigrationRefused(f"{one.name} and {next_.name} have the same version")
    return tuple(found)


def pending(scripts: Sequence[Script], applied: Sequence[Applied]) -> tuple[Script, ...]:
    """What is still to be applied. `applied` is the history, oldest first.

    Raises MigrationRefused, naming the file, when the history does not fit the files.
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
    """Hold one row of the history against the files."""
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
    """Versions compare part by part as numbers; 1 and 1.0 are the same. None comes before all."""
    parts = [] if version is None else [int(part) for part in version.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
