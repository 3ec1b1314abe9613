"""What the commands that read have in common: plain text, tables, JSON, and the files they read.

Colour and fitted tables are for terminals alone, and NO_COLOR is obeyed. Nothing that came from a file or a
log can draw on the terminal: whatever is not printable is escaped.
"""

import json
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

from msgspec import Struct

from proxy.errors import FacadeError
from proxy.load import Loaded, load
from proxy.table import read_table
from proxy.traffic import MAX_LINE_BYTES

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_CHUNK = 1024 * 1024
_TELL_EVERY = 20_000
_FACT_WIDTH = 9
_NUMBERS = ("requests", "share")
_WHOLE = 24
"""A column this narrow is not folded."""


def safe(said: str) -> str:
    """`said` with everything escaped that is not printable: controls, line ends, marks of direction."""
    if said.isprintable():
        return said
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in said
    )


class Screen:
    """Where a command's text goes. On a terminal it may have colour."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_terminal = stream.isatty()
        self.has_colour = (
            self.is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "") not in ("", "dumb")
        )

    def line(self, said: str = "", *styles: str) -> None:
        """One line; `said` is safe already."""
        self.write(self.styled(said, *styles) + "\n")

    def styled(self, said: str, *styles: str) -> str:
        """`said` in the given styles, where there is colour."""
        if not (styles and self.has_colour):
            return said
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{said}\x1b[0m"

    def write(self, said: str) -> None:
        """Text as it is. A reader that has left is no fault; an encoding without a character gets an escape."""
        encoding = self._stream.encoding or "utf-8"
        said = said.encode(encoding, "backslashreplace").decode(encoding)
        try:
            self._stream.write(said)
            self._stream.flush()
        except BrokenPipeError:
            # `facade routes | head`: what follows goes nowhere, also at the interpreter's end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def fact(self, name: str, said: str, *styles: str) -> None:
        """What `name` is, in a column of its own; made safe here, and wrapped on a terminal."""
        for number, line in enumerate(self.wrapped(safe(said), _FACT_WIDTH)):
            label = self.styled(f"{'' if number else name:<{_FACT_WIDTH}}", "dim")
            self.line(f"{label}{self.styled(line, *styles)}")

    def note(self, said: str) -> None:
        """Something that a person should know; made safe here."""
        for line in self.wrapped(safe(f"note: {said}")):
            self.line(line)

    def wrapped(self, said: str, taken: int = 0) -> list[str]:
        """`said` in lines that fit a terminal with `taken` columns in use; elsewhere, one line."""
        if not self.is_terminal:
            return [said]
        width = max(self._columns() - taken, 20)
        # Names and URLs stay whole, so that they can be copied.
        lines = textwrap.wrap(said, width, break_on_hyphens=False, break_long_words=False)
        return lines or [""]

    def _columns(self) -> int:
        """The terminal's width: of this stream, because the other may go to a file."""
        said = os.environ.get("COLUMNS", "")
        return int(said) if said.isdecimal() else os.get_terminal_size(self._stream.fileno())[0]

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns: fitted to a terminal's width, as wide as they need elsewhere. Cells are made safe here."""
        cells = [[safe(cell) for cell in row] for row in rows]
        if self.is_terminal:
            self._fitted(headings, cells)
        else:
            for row in _aligned([list(headings), *cells]):
                self.line(row)

    def _fitted(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich.console import Console  # 60 ms, and only on a terminal.
        from rich.table import Table
        from rich.text import Text

        console = Console(
            file=self._stream, no_color=not self.has_colour, highlight=False, emoji=False
        )
        table = Table(box=None, pad_edge=False, header_style="bold" if self.has_colour else "")
        for column, heading in enumerate(headings):
            widest = max((len(row[column]) for row in rows), default=0)
            table.add_column(
                heading,
                overflow="fold",
                justify="right" if heading in _NUMBERS else "left",
                no_wrap=widest <= _WHOLE,
            )
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def out() -> Screen:
    """Standard output."""
    return Screen(sys.stdout)


def err() -> Screen:
    """Standard error."""
    return Screen(sys.stderr)


def print_json(value: Any) -> None:
    """One JSON document on standard output. All in ASCII, so nothing in it can draw."""
    out().line(json.dumps(value, indent=2, ensure_ascii=True))


def add_json(command: Any) -> None:
    """The option that every command has."""
    command.add_argument("--json", action="store_true", help="print JSON")


# --- files ----------------------------------------------------------------------------------------


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


class Log:
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
