"""The files beside the table that keep what mirrors show: `routes.yaml.parity.json`, and `routes.yaml.cases.N.json`.

The first one has the parity of routes across restarts, the others the cases that each worker has recorded. They have
examples of responses, so only their owner may read them. They are bounded, and a file that cannot be read or written
costs no more than what is in it.
"""

import contextlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from proxy.control.atomic_file import resolve_links
from proxy.errors import EditError

MAX_BYTES = 32 * 1024 * 1024


def parity_path(table: Path) -> Path:
    """The file for a table. `table` has no links."""
    return table.with_name(f"{table.name}.parity.json")


def read_parity(table: Path) -> bytes:
    """The content of the file; empty if there is none that can be read."""
    return _content(table, parity_path)


def write_parity(table: Path, text: bytes) -> str:
    """Replace the file. Returns why that failed; empty if it did not."""
    if len(text) > MAX_BYTES:
        return f"the parity of all routes is larger than {MAX_BYTES:,} bytes"
    return _replaced(table, parity_path, text)


def cases_path(table: Path, worker: int) -> Path:
    """The file with the cases that a worker has recorded. `table` has no links."""
    return table.with_name(f"{table.name}.cases.{worker}.json")


def read_cases(table: Path, worker: int) -> bytes:
    """The content of a worker's file of cases; empty if there is none that can be read."""
    return _content(table, partial(cases_path, worker=worker))


def write_cases(table: Path, worker: int, text: bytes) -> str:
    """Replace a worker's file of cases. Returns why that failed; empty if it did not."""
    if len(text) > MAX_BYTES:
        return f"the recorded cases are larger than {MAX_BYTES:,} bytes"
    return _replaced(table, partial(cases_path, worker=worker), text)


def _content(table: Path, path_of: Callable[[Path], Path]) -> bytes:
    try:
        with path_of(resolve_links(table)).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EditError):
        return b""
    return text if len(text) <= MAX_BYTES else b""


def _replaced(table: Path, path_of: Callable[[Path], Path], text: bytes) -> str:
    try:
        path = path_of(resolve_links(table))
        pending = path.with_name(f".{path.name}.new")
        with contextlib.suppress(FileNotFoundError):
            pending.unlink()
        # O_EXCL does not follow links, so a planted link cannot redirect this write.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        with open(os.open(pending, flags, 0o600), "wb") as file:
            file.write(text)
        os.replace(pending, path)
    except EditError as error:
        return str(error)
    except OSError as error:
        return f"{table}: {error.strerror or error}"
    return ""
