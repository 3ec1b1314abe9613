"""The files of keys that sign tokens and cookies: read with the table, and checked for changes while it serves."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from proxy.control.tls_files import signature_of
from proxy.errors import FacadeError, Problem, TableError
from proxy.model import FileSignatures, KeyFile, SigningKey, SigningKeys

MAX_FILE_BYTES = 4096
MIN_KEY_BYTES = 32
"""The size of a digest of SHA-256 (RFC 2104 3)."""
_HINT = "write 32 random bytes or more into it, as `openssl rand -hex 32` prints them"


class LoadedKeys(Struct, frozen=True):
    """The keys, by the paths of their files in the table."""

    keys: SigningKeys
    files: FileSignatures


def load_key_files(files: Sequence[KeyFile], table: Path) -> LoadedKeys:
    """Read all files. Relative paths start at the folder of the table.

    Blocks. Raises TableError with a problem for every file that cannot be used.
    """
    keys: dict[str, SigningKey] = {}
    signatures: dict[str, tuple[int, ...]] = {}
    problems: list[Problem] = []
    for file in files:
        path = table.absolute().parent / file.path
        signatures[str(path)] = signature_of(path)
        try:
            keys[file.path] = read_key(path)
        except FacadeError as error:
            problems.append(Problem(file.line, file.column, str(error), _HINT))
    if problems:
        raise TableError(str(table), tuple(sorted(problems)))
    return LoadedKeys(keys, signatures)


def read_key(path: Path) -> SigningKey:
    """The key in a file; a line end behind it does not belong to it. Raises FacadeError with one sentence."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FacadeError(f"{path} is no file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise FacadeError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(content) > MAX_FILE_BYTES:
        raise FacadeError(f"the key in {path} is longer than 4 KiB")
    secret = content.removesuffix(b"\n").removesuffix(b"\r")
    if len(secret) < MIN_KEY_BYTES:
        raise FacadeError(f"the key in {path} is shorter than {MIN_KEY_BYTES} bytes")
    return SigningKey(secret)
