"""The files beside the table that keep what copies have shown across restarts: `routes.yaml.parity.json` and
`routes.yaml.cases.json`.

They have examples of differences, and responses, so only their owner may read them. They are bounded, and a file that
cannot be read or written costs no more than what is in it.
"""

import contextlib
import os
from pathlib import Path
from typing import Literal

from proxy.control.atomic_file import resolve_links
from proxy.errors import EditError

MAX_BYTES = 32 * 1024 * 1024
Kept = Literal["parity", "cases"]


def kept_path(table: Path, kept: Kept) -> Path:
    """The file for a table. `table` has no links."""
    return table.with_name(f"{table.name}.{kept}.json")


def read_kept(table: Path, kept: Kept) -> bytes:
    """The content of a file; empty if there is none that can be read."""
    try:
        with kept_path(resolve_links(table), kept).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EditError):
        return b""
    return text if len(text) <= MAX_BYTES else b""


def write_kept(table: Path, kept: Kept, text: bytes) -> str:
    """Replace a file. Returns why that failed; empty if it did not."""
    if len(text) > MAX_BYTES:
        return f"the {kept} of all routes is larger than {MAX_BYTES:,} bytes"
    try:
        path = kept_path(resolve_links(table), kept)
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
