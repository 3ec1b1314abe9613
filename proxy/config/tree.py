"""A YAML document as plain values, with the position of each key and value.

The positions of the whole document are in one array, because one object for each would take ten times the
memory. A container holds the index of its first position in the array.
"""

from array import array
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

Loc = tuple[str | int, ...]
"""A path from the top of a document: keys and list indexes."""

COLUMN_BITS = 25
"""A position is packed as `line << COLUMN_BITS | column`, both counted from 0 as in libyaml."""
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
    """`text`, cut to a length that fits into a sentence."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(text: str) -> str:
    """`text` as a line for a log or a terminal: bounded, with control characters escaped."""
    bounded = text if len(text) <= 500 else f"{text[:497]}..."
    if bounded.isprintable():
        return bounded
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in bounded)


class Block(dict[str, Any]):
    """A mapping. The positions of key and value of entry i are at `at + 2i` and `at + 2i + 1`."""

    __slots__ = ("at", "size")
    at: int
    size: int
    """The number of nodes in it, aliases expanded."""


class Items(list[Any]):
    """A list. The position of item i is at `at + i`."""

    __slots__ = ("at", "size")
    at: int
    size: int


ONE_OR_SEVERAL = frozenset(("match", "not"))
"""Keys of lists that may be written as their only item."""


class Tree:
    """A document: its value and the positions of its parts."""

    def __init__(self, root: Any, start: int, positions: "array[int]", *, separable: bool) -> None:
        self.root = root
        self.separable = separable
        """Whether each part means the same in another place: a block at the top, no anchors and no aliases."""
        self._start = start
        self._positions = positions

    def position(self, loc: Sequence[str | int]) -> Position:
        """The position of the value at `loc`, or of the nearest parent that is in the document."""
        return unpack(self._find(loc, of_key=False))

    def key_position(self, loc: Sequence[str | int]) -> Position:
        """The position of the last key of `loc`, or of the nearest parent."""
        return unpack(self._find(loc, of_key=True))

    def free(self) -> None:
        """Empty the sections of the document, in parts. Positions are not known any more."""
        for section in self.root.values() if isinstance(self.root, Block) else ():
            while isinstance(section, Items) and section:
                section.pop()  # See `freeing`.
            while isinstance(section, Block) and section:
                section.popitem()

    def _find(self, loc: Sequence[str | int], *, of_key: bool) -> int:
        value, packed = self.root, self._start
        for position, step in enumerate(loc):
            index = _index(value, step)
            if isinstance(value, Block) and step == 0 and loc[position - 1] in ONE_OR_SEVERAL:
                continue
            if index is None:
                return packed
            if isinstance(value, Block):
                last = position == len(loc) - 1
                # `{legacy: 80}` is the short form of `[{name: legacy, weight: 80}]`.
                named = isinstance(step, int) and loc[position + 1 : position + 2] == ("name",)
                at = value.at + 2 * index + (0 if (last and of_key) or named else 1)
                value = list(value.values())[index]
            else:
                at = value.at + index
                value = value[index]
            packed = self._positions[at]
        return packed


def _index(value: Any, step: str | int) -> int | None:
    """The index of an entry. An index into a mapping means its nth entry."""
    if isinstance(step, int):
        return step if isinstance(value, Block | Items) and step < len(value) else None
    if not isinstance(value, Block):
        return None
    if step in value:
        return list(value).index(step)
    # The documents have header names in lower case; the file may have them in any case.
    folded = [key.lower() for key in value]
    return folded.index(step) if step in folded else None
