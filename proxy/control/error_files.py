"""The files of error bodies: read with the table, and checked for changes while it serves."""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from proxy.control.tls_files import signature_of
from proxy.errors import Problem, TableError
from proxy.model import ErrorFile, FileSignatures

MAX_FILE_BYTES = 1024 * 1024
MAX_ALL_BYTES = 16 * 1024 * 1024
"""Every worker holds all of them, as long as the table is in effect."""
_HINT = "put it there, or write another path"


class LoadedErrorFiles(Struct, frozen=True):
    """The content of the files, by their paths in the table."""

    bodies: Mapping[str, bytes]
    files: FileSignatures


def load_error_files(files: Sequence[ErrorFile], table: Path) -> LoadedErrorFiles:
    """Read all files. Relative paths start at the folder of the table.

    Blocks. Raises TableError with a problem for every file that cannot be used.
    """
    folder = table.absolute().parent
    bodies: dict[str, bytes] = {}
    signatures: dict[str, tuple[int, ...]] = {}
    problems: list[Problem] = []
    for file in files:
        path = str(folder / file.path)
        signatures[path] = signature_of(path)
        left = MAX_ALL_BYTES - sum(map(len, bodies.values()))
        content = _read(path, left)
        if isinstance(content, bytes):
            bodies[file.path] = content
        else:
            problems.append(Problem(file.line, file.column, *content))
    if problems:
        raise TableError(str(table), tuple(sorted(problems)))
    return LoadedErrorFiles(bodies, signatures)


def _read(path: str, left: int) -> bytes | tuple[str, str]:
    """The content, or text and hint of a problem. `left` bytes are left for this file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return f"{path} is no file", "write the path of a file"
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror or error}", _HINT
    if len(content) > MAX_FILE_BYTES:
        return f"{path} is larger than 1 MiB", "shorten it"
    if len(content) > left:
        return "the files of `errors` have more than 16 MiB together", "shorten them"
    return content
