"""A YAML document as plain values, with the place of each key and value beside them.

The places of the whole document stand in one array, because objects with a mark each would take
ten times the memory. A container knows where in the array its own places begin.
"""

from array import array
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

Loc = tuple[str | int, ...]
"""A way down from the top of a document: keys and positions."""

COLUMN_BITS = 25
"""A place is packed as `line << COLUMN_BITS | column`, both from 0 as libyaml counts."""
_COLUMN_MASK = (1 << COLUMN_BITS) - 1


class Position(Struct, frozen=True, order=True):
    """Line and column, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


def unpack(packed: int) -> Position:
    return Position((packed >> COLUMN_BITS) + 1, (packed & _COLUMN_MASK) + 1)


def shorten(text: str) -> str:
    """As much of `text` as fits into a sentence."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(text: str) -> str:
    """`text` as a line for a log or a terminal: bounded, and with nothing in it that could move a cursor."""
    bounded = text if len(text) <= 500 else f"{text[:497]}..."
    if bounded.isprintable():
        return bounded
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in bounded)


class Block(dict[str, Any]):
    """A mapping. The places of key and value of its entry i stand at `at + 2i` and `at + 2i + 1`."""

    __slots__ = ("at", "size")
    at: int
    size: int
    """How many nodes it holds, aliases expanded."""


class Items(list[Any]):
    """A list. The place of item i stands at `at + i`."""

    __slots__ = ("at", "size")
    at: int
    size: int


class Tree:
    """A document: its value and the places in it."""

    def __init__(self, root: Any, start: int, places: "array[int]") -> None:
        self.root = root
        self._start = start
        self._places = places

    def place(self, loc: Sequence[str | int]) -> Position:
        """Where the value at `loc` stands, or the nearest thing above it that is in the document."""
        return unpack(self._find(loc, of_key=False))

    def place_of_key(self, loc: Sequence[str | int]) -> Position:
        """Where the last key of `loc` stands, or the nearest thing above it."""
        return unpack(self._find(loc, of_key=True))

    def _find(self, loc: Sequence[str | int], *, of_key: bool) -> int:
        value, found = self.root, self._start
        for position, step in enumerate(loc):
            index = _index(value, step)
            if index is None:
                return found
            if isinstance(value, Block):
                last = position == len(loc) - 1
                # A short form `{legacy: 80}` stands for `[{name: legacy, weight: 80}]`.
                named = isinstance(step, int) and loc[position + 1 : position + 2] == ("name",)
                at = value.at + 2 * index + (0 if (last and of_key) or named else 1)
                value = list(value.values())[index]
            else:
                at = value.at + index
                value = value[index]
            found = self._places[at]
        return found


def _index(value: Any, step: str | int) -> int | None:
    """The position of an entry; a position in a mapping means its nth entry."""
    if isinstance(step, int):
        return step if isinstance(value, Block | Items) and step < len(value) else None
    if not isinstance(value, Block):
        return None
    if step in value:
        return list(value).index(step)
    # Header names are known in lower case, however they were written.
    folded = [key.lower() for key in value]
    return folded.index(step) if step in folded else None
