"""Log files of the parts: a new one at each start, the last one kept beside it, bounded in size."""

import contextlib
import os
import shutil
from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 16 * 1024


class PartLog:
    """`NAME.log`, written by the part itself, and `NAME.log.1`, the log before it."""

    def __init__(self, folder: Path, name: str, max_bytes: int = MAX_BYTES) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{name}.log"
        self._before = folder / f"{name}.log.1"
        self._max_bytes = max_bytes
        if self.path.exists():
            self.path.replace(self._before)
        self.path.touch(mode=0o600)

    def open(self) -> int:
        """A descriptor for the part's output. It appends, so it continues at the start of a truncated file."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def trim(self) -> None:
        """Set a file that has grown too long aside; lines written meanwhile may be lost.

        The part keeps its descriptor, so the file is copied and cut, not renamed.
        """
        if self.path.exists() and self.path.stat().st_size > self._max_bytes:
            with contextlib.suppress(OSError):  # also on a full disk: cut it
                shutil.copyfile(self.path, self._before)
            os.truncate(self.path, 0)

    def tail(self, lines: int = 12) -> tuple[str, ...]:
        """The last lines, at most 16 KiB of them."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return tuple(file.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ()
