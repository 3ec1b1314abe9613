"""Migration files, and which of them are pending. Pure except for reading the files.

Names and checksums follow Flyway, so that its tools can read our history table:
`V2__create_tables.sql` is version 2, "create tables". As with Flyway, `V2__create_tables.sql.conf`
with the line `executeInTransaction=false` runs that file outside a transaction.
"""

import re
from collections.abc import Iterable, Sequence
from importlib.resources.abc import Traversable
from itertools import pairwise
from zlib import crc32

from msgspec import Struct

from flightspecial_service.errors import MigrationRefused

_NAME = re.compile(r"V([0-9]+(?:[._][0-9]+)*)__(\S+)\.sql")
_REPEATABLE = re.compile(r"R__(\S+)\.sql")
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_CONF = ".conf"
_CONF_LINES = re.compile(rb"(?:[#!][^\n]*|executeInTransaction=(true|false)|)")
BASELINE = "BASELINE"
"""The type of a row that stands for all migrations up to its version."""
DELETED = "DELETE"
"""The type of a row with which Flyway's `repair` revokes the earlier rows of its version."""
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
    in_transaction: bool = True

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

    Raises MigrationRefused at a malformed name or `.conf` file, and at a duplicate version.
    """
    files = {file.name: file for file in folder.iterdir()}
    scripts = []
    for name, file in files.items():
        if name.endswith(".sql"):
            conf = files.get(name + _CONF)
            scripts.append(_script(file, in_transaction=conf is None or _in_transaction(conf)))
        elif name.endswith(".sql" + _CONF) and name.removesuffix(_CONF) not in files:
            raise MigrationRefused(f"{name} belongs to no file")
    scripts.sort(key=lambda script: (script.version is None, order(script.version), script.name))
    for script, following in pairwise(scripts):
        if script.version is not None and order(script.version) == order(following.version):
            raise MigrationRefused(f"{script.name} and {following.name} have the same version")
    return tuple(scripts)


def effective(rows: Iterable[Applied]) -> list[Applied]:
    """The history, oldest first, without rows that Flyway's `repair` revoked."""
    kept: list[Applied] = []
    for row in rows:
        if row.kind == DELETED:
            kept = [each for each in kept if _key(each) != _key(row)]
        else:
            kept.append(row)
    return kept


def unapplied(scripts: Sequence[Script], applied: Sequence[Applied]) -> tuple[Script, ...]:
    """The versions that the history has not: neither a row that succeeded, nor a baseline above.

    The one rule for readiness, `pending` and `info`.
    """
    rows = [row for row in applied if row.version is not None and row.success]
    base = max((order(row.version) for row in rows if row.kind == BASELINE), default=())
    done = {order(row.version) for row in rows}
    return tuple(
        script
        for script in scripts
        if script.version is not None
        and order(script.version) not in done
        and order(script.version) > base
    )


def newer(scripts: Sequence[Script], applied: Sequence[Applied]) -> tuple[str, ...]:
    """The names of applied migrations that are above every file: a newer version of the service ran."""
    newest = max((order(script.version) for script in scripts), default=())
    return tuple(
        row.script for row in applied if row.kind != BASELINE and order(row.version) > newest
    )


def pending(scripts: Sequence[Script], applied: Sequence[Applied]) -> tuple[Script, ...]:
    """The migrations to apply. `applied` is the effective history, oldest first.

    On a schema that a newer version has migrated, the repeatable ones are left to that version.
    Raises MigrationRefused, with the name of the file, if the history does not fit the files.
    """
    known = {order(script.version): script for script in scripts if script.version is not None}
    versioned = [row for row in applied if row.version is not None]
    for row in versioned:
        if row.kind != BASELINE:
            _check(row, known)
    todo = unapplied(scripts, applied)
    if todo and order(todo[0].version) < max((order(r.version) for r in versioned), default=()):
        raise MigrationRefused(
            f"{todo[0].name} was never applied, but later migrations were:"
            " give it a version above the newest one"
        )
    if newer(scripts, applied):
        return todo
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
            f"{row.script} failed when it was applied: mend the database,"
            " then run `flightspecials repair`"
        )
    if script is None and number <= max(known, default=()):
        raise MigrationRefused(f"{row.script} was applied, but the file is missing")
    if script is not None and row.checksum is not None and row.checksum != script.checksum:
        raise MigrationRefused(
            f"{script.name} was changed after it was applied (checksum {row.checksum} then,"
            f" {script.checksum} now): restore the file and put the change into a new one,"
            " or accept the file as it is with `flightspecials repair`"
        )


def _script(file: Traversable, *, in_transaction: bool) -> Script:
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
        in_transaction=in_transaction,
    )


def _in_transaction(conf: Traversable) -> bool:
    """What a `.sql.conf` file says. Raises MigrationRefused at a line that is not understood."""
    answer = True
    for line in conf.read_bytes().splitlines():
        match = _CONF_LINES.fullmatch(line.strip().replace(b" ", b""))
        if match is None:
            raise MigrationRefused(
                f"{conf.name} may say executeInTransaction=true or executeInTransaction=false,"
                f" not {line.decode(errors='replace')[:80]!a}"
            )
        answer = match[1] != b"false" if match[1] is not None else answer
    return answer


def _key(row: Applied) -> tuple[int, ...] | str:
    return row.script if row.version is None else order(row.version)


def order(version: str | None) -> tuple[int, ...]:
    """Sort key: versions compare part by part as numbers; 1 equals 1.0; None comes first."""
    parts = [] if version is None else [int(part) for part in version.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
