"""The file beside the table that keeps the parity of routes across restarts, `routes.yaml.parity.json`.

It has examples of differences, so only its owner may read it. It is bounded, and a file that cannot be read or written
costs no more than the counts in it.
"""

import contextlib
import os
from pathlib import Path

from proxy.control.atomic_file import resolve_links
from proxy.errors import EditError

MAX_BYTES = 32 * 1024 * 1024


def parity_path(table: Path) -> Path:
    """The file for a table. `table` has no links."""
    return table.with_name(f"{table.name}.parity.json")


def read_parity(table: Path) -> bytes:
    """The content of the file; empty if there is none that can be read."""
    try:
        with parity_path(resolve_links(table)).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EditError):
        return b""
    return text if len(text) <= MAX_BYTES else b""


def write_parity(table: Path, text: bytes) -> str:
    """Replace the file. Returns why that failed; empty if it did not."""
    if len(text) > MAX_BYTES:
        return f"the parity of all routes is larger than {MAX_BYTES:,} bytes"
    try:
        path = parity_path(resolve_links(table))
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
