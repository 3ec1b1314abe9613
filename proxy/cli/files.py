"""Reading tables and access logs, with a sentence for a file that cannot be read."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from msgspec import Struct

from proxy.cli.output import Screen, safe
from proxy.config.load import Loaded, load
from proxy.control.replay.recorded_requests import MAX_LINE_BYTES
from proxy.control.table_file import read_table
from proxy.errors import FacadeError

_CHUNK = 1024 * 1024
_LINES_PER_UPDATE = 20_000


def read_routes(file: str) -> bytes:
    """The bytes of a table. Raises FacadeError."""
    try:
        return read_table(Path(file))
    except OSError as error:
        raise unreadable(file, error, "name the route table's file") from None


def load_routes(file: str) -> Loaded:
    """A valid table. Raises FacadeError; TableError with every problem."""
    return load(read_routes(file), file)


def unreadable(file: str, error: OSError, hint: str) -> FacadeError:
    """The error for a file that cannot be read or written."""
    return FacadeError(f"facade: {safe(file)}: {error.strerror or error}: {hint}")


class Line(Struct, frozen=True):
    """A line of a log. `whole` is false for a line that is too long; its text is cut."""

    text: bytes
    whole: bool


class AccessLogReader:
    """Iterates over the lines of a log, each of bounded length. `-` stands for standard input.

    The progress is shown on standard error, if that is a terminal.
    """

    def __init__(self, file: str) -> None:
        """Raises FacadeError if the file cannot be opened."""
        self._file = file
        self._read = 0
        self._lines = 0
        try:
            # Closed at the end of `__iter__`.
            self._stream: IO[bytes] = (
                sys.stdin.buffer if file == "-" else open(file, "rb", buffering=_CHUNK)  # noqa: SIM115
            )
            size = os.fstat(self._stream.fileno()).st_size
        except OSError as error:
            raise unreadable(file, error, "name an access log of `facade serve`") from None
        self._size = size
        self._progress = Screen(sys.stderr)

    def __iter__(self) -> Iterator[Line]:
        try:
            while text := self._stream.readline(MAX_LINE_BYTES):
                self._show_progress(len(text))
                whole = text.endswith(b"\n") or len(text) < MAX_LINE_BYTES
                if not whole:
                    self._skip()
                yield Line(text, whole)
        except OSError as error:
            raise unreadable(self._file, error, "name an access log of `facade serve`") from None
        finally:
            if self._progress.is_terminal and self._lines >= _LINES_PER_UPDATE:
                self._progress.write("\r\x1b[K")
            if self._stream is not sys.stdin.buffer:
                self._stream.close()

    def _skip(self) -> None:
        while (rest := self._stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
            self._read += len(rest)

    def _show_progress(self, size: int) -> None:
        self._lines += 1
        self._read += size
        if self._lines % _LINES_PER_UPDATE or not self._progress.is_terminal:
            return
        part = f", {min(100 * self._read // self._size, 100)} %" if self._size else ""
        self._progress.write(f"\r\x1b[K{self._lines:,} lines{part}")
