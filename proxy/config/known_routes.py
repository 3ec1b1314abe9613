"""The routes of a loaded table, by the lines they are written with, for the load of the next one (ADR 26). Pure."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from proxy.config.route_reader import ReadRoute, RouteContext
from proxy.config.separate import Separated, separate
from proxy.config.tree import Block, Tree


class KnownRoute(Struct, frozen=True):
    """A route, and the first of its lines, from 0."""

    read: ReadRoute
    line: int

    def moved_to(self, line: int) -> "KnownRoute":
        """The same route, if its lines begin at `line`."""
        by = line - self.line
        if by == 0:
            return self
        read = self.read
        route = replace(
            read.route,
            line=read.route.line + by,
            match_positions=tuple((at + by, column) for at, column in read.route.match_positions),
        )
        warnings = tuple(replace(each, line=each.line + by) for each in read.warnings)
        moved = replace(
            read,
            route=route,
            warnings=warnings,
            error_files=tuple(replace(each, line=each.line + by) for each in read.error_files),
            key_files=tuple(replace(each, line=each.line + by) for each in read.key_files),
        )
        return KnownRoute(moved, line)


class KnownRoutes(Struct, frozen=True):
    """The routes of a valid table by their text. They mean the same wherever the context is the same."""

    context: RouteContext
    by_text: dict[bytes, KnownRoute]
    nodes: int
    """The number of keys and values of the whole table."""


def remember(
    text: bytes, tree: Tree, routes: Sequence[ReadRoute], context: RouteContext | None
) -> KnownRoutes | None:
    """The routes of a text that was parsed into `tree`; None if they cannot be read one by one.

    Every item of the list begins where a route of `parts` does, or ends the routes of `parts`. So if there are as many
    of both, and the parser has the next key where `parts` ends, each route of `parts` is an item.
    """
    parts = separate(text, ()) if tree.separable else None
    if parts is None or context is None or len(parts.routes) != len(routes):
        return None
    if not keys_agree(parts, tree):
        return None
    known = map(KnownRoute, routes, parts.lines)
    return KnownRoutes(context, dict(zip(parts.routes, known, strict=True)), tree.root.size)


def keys_agree(parts: Separated, tree: Tree) -> bool:
    """Whether the parser has `routes:`, and the key behind the routes, where `parts` has them."""
    root = tree.root
    if not isinstance(root, Block) or "routes" not in root:
        return False
    keys = list(root)
    following = keys[keys.index("routes") + 1 :]
    if bool(following) != parts.has_end:
        return False
    expected = [("routes", parts.key_line)] + [(key, parts.end_line) for key in following[:1]]
    positions = [(tree.key_position((key,)), line) for key, line in expected]
    return all((at.line, at.column) == (line + 1, 1) for at, line in positions)
