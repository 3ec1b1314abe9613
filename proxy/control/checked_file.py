"""A file beside the table that says which text was checked, and by which program, so an edit need not check it again.

It holds the SHA-256 of the whole text and of the program, so it cannot be about another text, nor about rules that an
upgrade changed. Without it, or with another content, everything is checked. It only saves time: no error of the file
system matters (ADR 26).
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct

import proxy

_CHECKING = ("config", "http1", "model", "routing")
"""The packages that decide whether a table loads."""
_LIBRARIES = ("google_re2", "msgspec", "pydantic", "pydantic_core", "pyyaml")
_MAX_BYTES = 4096


class CheckedText(Struct, frozen=True, forbid_unknown_fields=True):
    """A text that loads, and whose routes can be read one by one."""

    table: str
    program: str
    nodes: int
    """The number of its keys and values."""


def checked_path(table: Path) -> Path:
    """The file beside a table. `table` has no links."""
    return table.with_name(f".{table.name}.checked")


def checked_nodes(table: Path, text: bytes, program: str) -> int | None:
    """The number of keys and values of a text that this program has checked; None for another text."""
    try:
        with checked_path(table).open("rb") as file:
            checked = msgspec.json.decode(file.read(_MAX_BYTES), type=CheckedText)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    is_known = program != "" and (checked.table, checked.program) == (_hash(text), program)
    return checked.nodes if is_known else None


def remember_checked(table: Path, text: bytes, nodes: int | None, program: str) -> None:
    """Write down that `text` was checked. `nodes` is None if its routes cannot be read one by one.

    Never raises OSError.
    """
    if nodes is None or not program:
        return
    path = checked_path(table)
    content = msgspec.json.encode(CheckedText(_hash(text), program, nodes)) + b"\n"
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        # O_EXCL does not follow links, so a planted link cannot redirect this write.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(handle, content)
        finally:
            os.close(handle)


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def program_hash() -> str:
    """The hash of the source that checks tables, and of the versions of its libraries; empty if one is not found."""
    digest = hashlib.sha256(sys.version.encode())
    try:
        installed = _installed(Path(yaml.__file__).parents[1])
        for file in _sources(Path(proxy.__path__[0])):
            digest.update(file.encode() + b"\0" + Path(file).read_bytes())
    except OSError:
        return ""
    names = {name.partition("-")[0].lower() for name in installed}
    if not names.issuperset(_LIBRARIES):
        return ""
    digest.update("\n".join(installed).encode())
    return digest.hexdigest()


def _sources(package: Path) -> list[str]:
    folders = [package / name for name in _CHECKING]
    files = [str(package / "errors.py")]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(Path(entry.path))
                elif entry.name.endswith(".py"):
                    files.append(entry.path)
    return sorted(files)


def _installed(folder: Path) -> list[str]:
    """The names and versions of the distributions in a folder of packages, like `PyYAML-6.0.dist-info`."""
    return sorted(name for name in os.listdir(folder) if name.endswith(".dist-info"))
