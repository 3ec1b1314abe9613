"""What commands read: tables and logs. Each says in a sentence what is wrong with one that cannot be read."""

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
_TELL_EVERY = 20_000


def read_routes(file: str) -> bytes:
    """A table's bytes. Raises FacadeError with one sentence where there is no such file."""
    try:
        return read_table(Path(file))
    except OSError as error:
        raise unreadable(file, error, "name the route table's file") from None


def load_routes(file: str) -> Loaded:
    """A table that may serve. Raises FacadeError; TableError with every problem."""
    return load(read_routes(file), file)


def unreadable(file: str, error: OSError, hint: str) -> FacadeError:
    """One sentence about a file that cannot be read."""
    return FacadeError(f"facade: {safe(file)}: {error.strerror or error}: {hint}")


class Line(Struct, frozen=True):
    """A line of a log. `whole` is false for one that is longer than any request's; its text is cut."""

    text: bytes
    whole: bool


class AccessLogReader:
    """A log's lines, one at a time, each of bounded length. `-` is standard input.

    While it is read, a line on the terminal tells how far it is.
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
            found = os.fstat(self._stream.fileno())
        except OSError as error:
            raise unreadable(file, error, "name an access log of `facade serve`") from None
        self._size = found.st_size
        self._progress = Screen(sys.stderr)

    def __iter__(self) -> Iterator[Line]:
        try:
            while text := self._stream.readline(MAX_LINE_BYTES):
                self._told(len(text))
                whole = text.endswith(b"\n") or len(text) < MAX_LINE_BYTES
                if not whole:
                    self._skip()
                yield Line(text, whole)
        except OSError as error:
            raise unreadable(self._file, error, "name an access log of `facade serve`") from None
        finally:
            if self._progress.is_terminal and self._lines >= _TELL_EVERY:
                self._progress.write("\r\x1b[K")
            if self._stream is not sys.stdin.buffer:
                self._stream.close()

    def _skip(self) -> None:
        while (rest := self._stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
            self._read += len(rest)

    def _told(self, size: int) -> None:
        self._lines += 1
        self._read += size
        if self._lines % _TELL_EVERY or not self._progress.is_terminal:
            return
        part = f", {min(100 * self._read // self._size, 100)} %" if self._size else ""
        self._progress.write(f"\r\x1b[K{self._lines:,} lines{part}")
