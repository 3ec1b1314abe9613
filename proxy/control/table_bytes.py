"""The bytes of a table."""

import os
from pathlib import Path

from proxy.config.reader import MAX_BYTES
from proxy.errors import Problem, TableError

_SETTLED_S = 0.04
"""A file that was written less than this ago may be half-written: an editor writes in place, and in several writes."""


def read_table(path: Path) -> bytes:
    """The bytes of the file. Raises OSError, or TableError for a file that is too large."""
    with path.open("rb") as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise TableError(
            str(path), (Problem(0, 0, "the file is larger than 16 MiB", "a table has less"),)
        )
    return text


def unsettled_s(path: Path, now: float) -> float:
    """How long to wait for a write of the file to end, in seconds; 0 for a missing file. `now` is `time.time()`."""
    try:
        age_s = now - os.stat(path).st_mtime
    except OSError:
        return 0.0
    # A time in the future says nothing: a clock was set.
    return _SETTLED_S - age_s if 0 <= age_s < _SETTLED_S else 0.0
