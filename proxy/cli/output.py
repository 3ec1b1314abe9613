"""What commands print: plain text, tables, JSON.

Colour and fitted tables are for terminals alone, and NO_COLOR is obeyed. Nothing that came from a file or a
log can draw on the terminal: whatever is not printable is escaped.
"""

import json
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
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
