"""Separates the text of a table into its routes and the rest, without parsing it. Pure.

Theory of operation (ADR 26). The scanner of libyaml is at the start of a line, outside quotes and flow collections,
when an item of a block list begins there. So the events of an item depend on its own lines alone, if it has no aliases:
the lines from its dash to the next dash in the same column, or to the first line that is indented less.

A text shows neither whether a line is inside a quoted text, nor where an alias refers to. So `separate` only suggests:
its caller compares the suggestion with a parsed tree (`known_routes.remember`), or parses the outline and each route
that it does not know by itself (`changed_routes`). A route that begins or ends elsewhere is no complete list of
one item then, and the text is parsed as a whole.
"""

import re
from collections.abc import Container
from typing import Any

from msgspec import Struct

from proxy.config.reader import read_tree
from proxy.config.tree import Items, Tree

# The possessive `*+` keeps no positions to go back to, which would take a lot of memory for a flood of empty lines.
_ROUTES = re.compile(
    rb"^routes:[ ]*(?:#[^\n]*)?\r?\n(?:[ ]*(?:#[^\n]*)?\r?\n)*+([ ]*)- ", re.MULTILINE
)
# NEL, LS and PS: line ends for libyaml, and for nobody else.
_OTHER_LINE_ENDS = ("\x85".encode(), "\u2028".encode(), "\u2029".encode())


class NotCertain(Exception):
    """The text has to be parsed as a whole."""


class Separated(Struct, frozen=True):
    """A text in parts: the outline, which has an empty line for each line of a route, and the routes."""

    outline: bytes
    start: int
    """The first byte of the first route."""
    routes: tuple[bytes, ...]
    lines: tuple[int, ...]
    """The first line of each route, from 0."""
    key_line: int
    """The line of `routes:`, from 0."""
    end_line: int
    """The first line behind the routes, from 0."""
    has_end: bool
    """Whether there is such a line."""


def separate(text: bytes, known: Container[bytes]) -> Separated | None:
    """The parts of `text`; None if its routes are no block list. `known` has routes that were separate before."""
    start = None if _has_other_line_ends(text) else _ROUTES.search(text)
    if start is None:
        return None
    first, dash = start.start(1), start.group(1) + b"- "
    routes, end = _pieces(text, first, dash, known)
    lines, line = [], text.count(b"\n", 0, first)
    for route in routes:
        lines.append(line)
        line += route.count(b"\n")
    outline = b"".join((text[:first], b"\n" * (line - lines[0]), text[end:]))
    key_line = text.count(b"\n", 0, start.start())
    return Separated(outline, first, tuple(routes), tuple(lines), key_line, line, end < len(text))


def read_route(lines: bytes, file: str) -> tuple[Tree, Any]:
    """The tree of the lines of one route, and the route in it. Raises NotCertain or TableError for other lines."""
    tree = read_tree(lines, file, depth=1)
    if not tree.separable or not isinstance(tree.root, Items) or len(tree.root) != 1:
        raise NotCertain
    return tree, tree.root[0]


def is_separate(lines: bytes) -> bool:
    """Whether the lines of a route hold no line that would begin the next one, or end the routes."""
    dash = lines[: lines.index(b"-")] + b"- "
    return _pieces(lines, 0, dash, ()) == ([lines], len(lines))


def _has_other_line_ends(text: bytes) -> bool:
    if b"\r" in text and text.count(b"\r") != text.count(b"\r\n"):
        return True
    return any(each in text for each in _OTHER_LINE_ENDS)


def _pieces(text: bytes, at: int, dash: bytes, known: Container[bytes]) -> tuple[list[bytes], int]:
    """The routes from `at` on, and the end of the last one."""
    end_of = re.compile(_no_line_of_a_route(dash), re.MULTILINE)
    between = b"\n" + dash
    routes: list[bytes] = []
    while True:
        # One call for each route, not one for all: the event loop runs between two calls.
        following = text.find(between, at) + 1
        end = following or len(text)
        piece = text[at:end]
        if piece not in known and (last := end_of.search(piece)) is not None:
            return [*routes, piece[: last.start()]], at + last.start()
        routes.append(piece)
        if not following:
            return routes, end
        at = following


def _no_line_of_a_route(dash: bytes) -> bytes:
    """A line that does not belong to a route: neither its first one, nor indented more, nor empty, nor a comment."""
    more = b" " * (len(dash) - 1)
    return rb"^(?!%b|%b|[ ]*(?:#|\r?$))" % (re.escape(dash), more)
