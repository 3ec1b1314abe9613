"""Reads YAML text into a `Tree`, from the events of the parser.

The events are read one by one: only then can nodes be counted before they cost memory. Composing nodes in C is
six times slower, and holds the interpreter lock for the whole document.
"""

from array import array
from collections.abc import Callable
from typing import Any

from yaml import CSafeLoader, MarkedYAMLError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.reader import ReaderError

from proxy.config.scalars import scalar_value
from proxy.config.tree import COLUMN_BITS, Block, Items, Position, Tree, one_line, shorten, unpack
from proxy.errors import Problem, TableError

MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 1_250_000
"""Keys and values, aliases expanded: with these and MAX_BYTES a load stays below 256 MiB."""
MAX_BLOCK = 20_000
"""Keys and values of one route, backend, cohort or test."""
MAX_DEPTH = 32
MAX_ANCHORS = 1000
MAX_SCALAR = 1024 * 1024
_MEMO_LENGTH = 64
_MEMO_SIZE = 50_000
_KEY_HINT = "a key is text"
_MISSING = object()
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

_HINTS = {
    "did not find expected alphabetic or numeric character": (
        "YAML reads a value that starts with `*` or `&` as an alias or an anchor",
        'put it in quotes: "*.example.com"',
    ),
    "mapping values are not allowed in this context": (
        "a key stands where none can be",
        "check the indentation, and write a value that holds a colon in quotes",
    ),
    "did not find expected key": (
        "the indentation fits no key above",
        "indent the keys of one block alike, and close what was opened",
    ),
    "did not find expected '-' indicator": (
        "the indentation fits no item of the list above",
        "start each item with `- ` in the same column",
    ),
    "could not find expected ':'": ("a key without a colon", "write `key: value`"),
    "found unexpected end of stream": (
        "the file ends inside a quoted text",
        "close the quotation mark",
    ),
    "did not find expected node content": (
        "a value is missing here",
        "write one, in quotes if it starts with a sign",
    ),
    "did not find expected ',' or ']'": ("a list is not closed", "write `]` or `,` here"),
    "did not find expected ',' or '}'": ("a mapping is not closed", "write `}` or `,` here"),
    "found character that cannot start any token": (
        "no value can start with this character",
        "indent with blanks, not tabs, and write a text that starts with @, ` or % in quotes",
    ),
    "found a tab character that violates indentation": (
        "a tab in the indentation",
        "indent with blanks",
    ),
}


def read_tree(text: bytes, file: str, depth: int = 0) -> Tree:
    """The document in `text`. Raises TableError for invalid YAML, and for YAML beyond the limits above."""
    text = text.removeprefix(b"\xef\xbb\xbf")
    if len(text) > MAX_BYTES:
        size = f"the file has {len(text):,} bytes, more than {MAX_BYTES:,}"
        raise _refused(file, Position(1, 1), size, "split the table")
    if text.startswith(_UTF16) or b"\x00" in text[:4]:
        raise _refused(file, Position(1, 1), "the file is not UTF-8", "save it as UTF-8")
    try:
        # Of the C loader only the parser is used: none of its constructors runs.
        return _Builder(file, CSafeLoader(text), depth).build()
    except MarkedYAMLError as error:
        raise _translated(file, error) from None
    except ReaderError as error:
        raise _unreadable(file, text, error) from None


class _Builder:
    """Builds the tree of one document from its events, by recursive descent. Used once."""

    def __init__(self, file: str, loader: CSafeLoader, depth: int) -> None:
        self._file = file
        self._next: Callable[[], Any] = loader.get_event
        self._positions: array[int] = array("Q")
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._memo: dict[str, Any] = {}
        self._count = 0
        self._depth = depth

    def build(self) -> Tree:
        """The tree of the only document."""
        self._next()
        event = self._next()
        if type(event) is StreamEndEvent:
            hint = "write `version: 1`, `backends:` and `routes:`"
            raise _refused(self._file, Position(1, 1), "the file is empty", hint)
        if event.tags:
            raise self._refuse(event, "a %TAG directive", "leave it out: tags are not read")
        first = self._next()
        root = self._scalar(first) if type(first) is ScalarEvent else self._container(first)
        self._next()
        event = self._next()
        if type(event) is not StreamEndEvent:
            raise self._refuse(event, "a second document starts here", "leave out the `---`")
        separable = not self._anchors and not getattr(first, "flow_style", True)
        return Tree(root, _position(first), self._positions, separable=separable)

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if event.tag is not None:
            raise self._tagged(event)
        if event.style:
            value = text
        else:
            # Most scalars of a table repeat: each is resolved once and shared.
            value = self._memo.get(text, _MISSING)
            if value is _MISSING:
                value = scalar_value(text)
                if len(text) <= _MEMO_LENGTH and len(self._memo) < _MEMO_SIZE:
                    self._memo[text] = value
        if len(text) > MAX_SCALAR:
            raise self._refuse(event, f"a text of {len(text):,} characters", "shorten it")
        if event.anchor is not None:
            self._anchor(event.anchor, value, 1, event)
        self._count += 1
        if self._count > MAX_NODES:
            raise self._too_many(event)
        return value

    def _container(self, event: Any) -> Any:
        """A mapping, a list, or the value of an alias."""
        if type(event) is AliasEvent:
            return self._alias(event)
        anchor = event.anchor
        if event.tag is not None:
            raise self._tagged(event)
        if self._depth == MAX_DEPTH:
            hint = "no table needs that"
            raise self._refuse(event, f"more than {MAX_DEPTH} levels inside each other", hint)
        if anchor is not None:
            self._open.add(anchor)
        before = self._count
        self._depth += 1
        value = self._mapping() if type(event) is MappingStartEvent else self._list()
        self._depth -= 1
        self._count += 1
        value.size = self._count - before
        if self._count > MAX_NODES:
            raise self._too_many(event)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchor(anchor, value, value.size, event)
        return value

    def _mapping(self) -> Block:
        next_event, block = self._next, Block()
        positions: list[int] = []
        while True:
            event = next_event()
            if type(event) is MappingEndEvent:
                break
            key = self._scalar(event) if type(event) is ScalarEvent else self._container(event)
            if type(key) is int and 100 <= key < 600:
                key = event.value  # A status, in `errors`: all YAML readers agree about it.
            if type(key) is not str or key in block:
                raise self._bad_key(event, key, block, positions)
            mark = event.start_mark
            positions.append(mark.line << COLUMN_BITS | mark.column)
            event = next_event()
            mark = event.start_mark
            positions.append(mark.line << COLUMN_BITS | mark.column)
            block[key] = (
                self._scalar(event) if type(event) is ScalarEvent else self._container(event)
            )
        block.at = len(self._positions)
        self._positions.extend(positions)
        return block

    def _list(self) -> Items:
        next_event, items = self._next, Items()
        positions: array[int] = array("Q")
        while True:
            event = next_event()
            if type(event) is SequenceEndEvent:
                break
            mark = event.start_mark
            positions.append(mark.line << COLUMN_BITS | mark.column)
            items.append(
                self._scalar(event) if type(event) is ScalarEvent else self._container(event)
            )
        items.at = len(self._positions)
        self._positions.extend(positions)
        return items

    def _anchor(self, name: str, value: Any, size: int, event: Any) -> None:
        self._anchors[name] = (value, size)
        if len(self._anchors) > MAX_ANCHORS:
            hint = "an anchor is for what repeats"
            raise self._refuse(event, f"more than {MAX_ANCHORS:,} anchors", hint)

    def _alias(self, event: Any) -> Any:
        name = event.anchor
        if name in self._open:
            raise self._refuse(event, f"`*{name}` stands inside its own anchor", "write it out")
        if name not in self._anchors:
            hint = f"write `&{name}` in front of a value further up"
            raise self._refuse(event, f"`*{name}` has no anchor above it", hint)
        value, size = self._anchors[name]
        self._count += size
        if self._count > MAX_NODES:
            raise self._too_many(event)
        return value

    def _bad_key(self, event: Any, key: Any, block: Block, positions: list[int]) -> TableError:
        if isinstance(key, Block | Items):
            return self._refuse(event, "a list or mapping stands where a key is meant", _KEY_HINT)
        if event.value == "<<" and not event.style:
            return self._refuse(event, "merge keys (`<<`) are not read", "write the keys out")
        if type(key) is not str:
            shown = event.value or "null"
            return self._refuse(
                event, f"the key `{shown}` is no text", f'write "{shown}" in quotes'
            )
        first = unpack(positions[2 * list(block).index(key)])
        text = f"the key `{shorten(key)}` is given twice, first at {first}"
        return self._refuse(event, text, "keep one of the two")

    def _tagged(self, event: Any) -> TableError:
        hint = "leave it out: text goes in quotes, all else has no need of a tag"
        return self._refuse(event, f"the tag `{shorten(event.tag)}` is not read", hint)

    def _too_many(self, event: Any) -> TableError:
        text = f"more than {MAX_NODES:,} keys and values, aliases expanded"
        return self._refuse(event, text, "split the table")

    def _refuse(self, event: Any, text: str, hint: str) -> TableError:
        return _refused(self._file, unpack(_position(event)), text, hint)


def _position(event: Any) -> int:
    mark = event.start_mark
    return int(mark.line << COLUMN_BITS | mark.column)


def _refused(file: str, position: Position, text: str, hint: str) -> TableError:
    problem = Problem(position.line, position.column, one_line(text), one_line(hint))
    return TableError(file, (problem,))


def _translated(file: str, error: MarkedYAMLError) -> TableError:
    mark = error.problem_mark or error.context_mark
    position = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
    known = _HINTS.get(error.problem or "")
    text, hint = known or (f"this is no YAML: {error.problem}", "")
    if error.context and error.context_mark and error.context_mark.line + 1 != position.line:
        text += f" (begun at line {error.context_mark.line + 1})"
    return _refused(file, position, text, hint)


def _unreadable(file: str, text: bytes, error: ReaderError) -> TableError:
    before = text[: max(0, min(error.position, len(text)))]
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8", "replace")) + 1
    position = Position(before.count(b"\n") + 1, column)
    if "control characters" in str(error.reason):
        code = f"U+{int(error.character):04X}"
        return _refused(file, position, f"the control character {code}", "take it out")
    return _refused(file, position, "the file is not UTF-8 here", "save it as UTF-8")
