"""The output of commands: text, tables, JSON.

Only terminals get colours and fitted tables; NO_COLOR turns colours off. Text from a file or a log cannot manipulate
the terminal: characters that are not printable are escaped.
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
_MAX_UNFOLDED_WIDTH = 24
"""Narrower columns are not folded."""


def safe(text: str) -> str:
    """`text` with all characters escaped that are not printable: controls, line ends, marks of direction."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


class Screen:
    """An output stream. If it is a terminal, its text may have colours."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_terminal = stream.isatty()
        self.has_colour = (
            self.is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "") not in ("", "dumb")
        )

    def line(self, text: str = "", *styles: str) -> None:
        """Write one line. The text is already safe."""
        self.write(self.styled(text, *styles) + "\n")

    def styled(self, text: str, *styles: str) -> str:
        """`text` in these styles, if there are colours."""
        if not (styles and self.has_colour):
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def write(self, text: str) -> None:
        """Write text unchanged. A closed pipe is no error. Characters that the encoding does not have are escaped."""
        encoding = self._stream.encoding or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # For example `facade routes | head`: discard further output, and what is flushed at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def fact(self, name: str, text: str, *styles: str) -> None:
        """Write a name in a column of its own, and its value. The value is made safe; on a terminal it is wrapped."""
        for number, line in enumerate(self.wrapped(safe(text), _FACT_WIDTH)):
            label = self.styled(f"{'' if number else name:<{_FACT_WIDTH}}", "dim")
            self.line(f"{label}{self.styled(line, *styles)}")

    def note(self, text: str) -> None:
        """Write a note. It is made safe."""
        for line in self.wrapped(safe(f"note: {text}")):
            self.line(line)

    def wrapped(self, text: str, used: int = 0) -> list[str]:
        """The lines of `text` for a terminal of which `used` columns are taken. One line, if it is no terminal."""
        if not self.is_terminal:
            return [text]
        width = max(self._columns() - used, 20)
        # Names and URLs stay whole, so that they can be copied.
        lines = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
        return lines or [""]

    def _columns(self) -> int:
        """The width of the terminal of this stream. `shutil.get_terminal_size` looks at standard output only."""
        columns = os.environ.get("COLUMNS", "")
        return (
            int(columns) if columns.isdecimal() else os.get_terminal_size(self._stream.fileno())[0]
        )

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table. On a terminal its columns are fitted to the width. Cells are made safe."""
        cells = [[safe(cell) for cell in row] for row in rows]
        if self.is_terminal:
            self._fitted(headings, cells)
        else:
            for row in _aligned([list(headings), *cells]):
                self.line(row)

    def _fitted(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich.console import Console  # Takes 60 ms, and only a terminal needs it.
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
                no_wrap=widest <= _MAX_UNFOLDED_WIDTH,
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
    """Print one JSON document. It is ASCII, so it cannot manipulate a terminal."""
    out().line(json.dumps(value, indent=2, ensure_ascii=True))


def add_json(command: Any) -> None:
    """Add the option of every command."""
    command.add_argument("--json", action="store_true", help="print JSON")
