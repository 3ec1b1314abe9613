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
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_BOM = b"\xef\xbb\xbf"


class Script(Struct, frozen=True):
    """One versioned migration file. `version` is dotted text, `checksum` a signed 32-bit number."""

    version: str
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
    """A row of the history table that has a version."""

    version: str
    script: str
    checksum: int | None
    success: bool


def checksum(content: bytes) -> int:
    """Flyway's: the signed CRC-32 of all lines without their ends and a byte order mark."""
    unsigned = crc32(content.removeprefix(_BOM).replace(b"\r", b"").replace(b"\n", b""))
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def read_scripts(folder: Traversable) -> tuple[Script, ...]:
    """All migrations of a folder, in order of version.

    Raises MigrationRefused at a name of another form, and at a version that comes twice.
    """
    found = [_script(file) for file in folder.iterdir() if file.name.endswith(".sql")]
    found.sort(key=lambda script: _order(script.version))
    for one, next_ in pairwise(found):
        if _order(one.version) == _order(next_.version):
            raise MigrationRefused(f"{one.name} and {next_.name} have the same version")
    return tuple(found)


def pending(scripts: Sequence[Script], applied: Sequence[Applied]) -> tuple[Script, ...]:
    """What is still to be applied.

    Raises MigrationRefused, naming the file, when the history does not fit the files.
    """
    known = {_order(script.version): script for script in scripts}
    for row in applied:
        _check(row, known)
    done = {_order(row.version) for row in applied}
    open_ = tuple(script for script in scripts if _order(script.version) not in done)
    if open_ and done and _order(open_[0].version) < max(done):
        raise MigrationRefused(
            f"{open_[0].name} was never applied, but later migrations were:"
            " give it a version above the newest one"
        )
    return open_


def _check(row: Applied, known: dict[tuple[int, ...], Script]) -> None:
    """Hold one row of the history against the files."""
    order = _order(row.version)
    script = known.get(order)
    if not row.success:
        raise MigrationRefused(
            f"{row.script} failed when it was applied: mend the database, then delete its row"
            " from flyway_schema_history"
        )
    if script is None and order > max(known, default=()):
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
    if name is None:
        raise MigrationRefused(f"{file.name} is not named like V1__what_it_does.sql")
    content = file.read_bytes()
    return Script(
        version=name[1].replace("_", "."),
        description=name[2].replace("_", " "),
        name=file.name,
        checksum=checksum(content),
        text=content.removeprefix(_BOM).decode(),
    )


def _order(version: str) -> tuple[int, ...]:
    """Versions compare part by part as numbers; 1 and 1.0 are the same."""
    parts = [int(part) for part in version.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
