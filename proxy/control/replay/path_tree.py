"""Counts requests in a tree of path segments, in bounded memory.

Segments that look like an identifier (a number, a UUID, hexadecimal) share one child, as do segments that a table
cannot have in a path. If the tree becomes too large, the names with the fewest requests are merged into `{text}`.
"""

import re
from collections.abc import Iterator, Sequence

TEXT = "{text}"
IDENTIFIERS = ("{number}", "{uuid}", "{hex}")
Path = tuple[str, ...]
"""Segments: literal, or a placeholder like `{number}`."""

_MAX_NODES = 50_000
_MAX_DEPTH = 12
_MAX_KEPT = 1024
_LITERAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~-]{0,62}")
_PARAMETERS = re.compile(r";[^/]*")
_NUMBER = re.compile(r"/[0-9]++(?=/|\Z)")
_UUID = re.compile(r"/[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?=/|\Z)")
_HEX = re.compile(r"/(?=[a-fA-F]*+[0-9])[0-9A-Fa-f]{8,}+(?=/|\Z)")


def shape_of(path: str) -> str:
    """`path` with placeholders for its identifiers, and without path parameters. Many paths have one shape."""
    if "{" in path:
        path = path.replace("{", "%7B")
    if ";" in path:
        path = _PARAMETERS.sub("", path)
    path = _NUMBER.sub("/{number}", path)
    path = _HEX.sub("/{hex}", _UUID.sub("/{uuid}", path))
    if len(path) <= _MAX_KEPT:
        return path
    segments = path.split("/")[1 : _MAX_DEPTH + 2]
    return "/" + "/".join(each if len(each) <= 64 else "%" for each in segments)


def segments_of_shape(shape: str) -> list[str]:
    """The segments of a shape, as they are counted. Those beyond the maximal depth are left out."""
    return [
        part if part in IDENTIFIERS or _LITERAL.fullmatch(part) else TEXT
        for part in segments_of_path(shape)
    ]


def segments_of_path(path: str) -> list[str]:
    """As many segments as are counted. A slash at the end has none."""
    parts = path.split("/")[1:]
    if parts and not parts[-1]:
        parts.pop()
    return parts[:_MAX_DEPTH]


class Node:
    """A node of the tree: the requests that end here, by method, and its children."""

    __slots__ = ("children", "ends", "errors", "requests")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.requests = 0
        """In this node and below it."""
        self.errors = 0
        """In this node and below it, with status 5xx."""
        self.ends: dict[str, int] = {}

    def names(self) -> list[str]:
        """The children that are literal."""
        return [name for name in self.children if not name.startswith("{")]

    def absorb(self, other: "Node") -> None:
        """Add the counts of `other` and of the nodes below it."""
        self.requests += other.requests
        self.errors += other.errors
        for method, requests in other.ends.items():
            self.ends[method] = self.ends.get(method, 0) + requests
        for name, child in other.children.items():
            self.children.setdefault(name, Node()).absorb(child)

    def merge(self, names: Sequence[str]) -> None:
        """Make the children of these names one, `{text}`."""
        merged = self.children.setdefault(TEXT, Node())
        for name in names:
            merged.absorb(self.children.pop(name))

    def walk(self, path: Path) -> Iterator[tuple[Path, "Node"]]:
        """This node, which has this path, and all below it."""
        yield path, self
        for name, child in self.children.items():
            yield from child.walk((*path, name))


class PathTree:
    """All requests by path. It never has more than 50,000 nodes."""

    def __init__(self) -> None:
        self.root = Node()
        self._nodes = 1
        self._is_full = False

    def add(self, segments: Sequence[str], method: str, requests: int, errors: int) -> None:
        """Count requests with the same path and method."""
        if self._nodes + len(segments) > _MAX_NODES and not self._is_full:
            self._shrink()
        node = self.root
        node.requests += requests
        node.errors += errors
        for segment in segments:
            child = node.children.get(segment)
            if child is None:
                if self._is_full:
                    break
                self._nodes += 1
                child = node.children[segment] = Node()
            node = child
            node.requests += requests
            node.errors += errors
        node.ends[method] = node.ends.get(method, 0) + requests

    def _shrink(self) -> None:
        """Merge the names with the fewest requests, until half of the nodes are free again."""
        fewest = 1
        while self._nodes > _MAX_NODES // 2 and fewest <= self.root.requests:
            fewest *= 2
            merge_rare(self.root, fewest)
            self._nodes = sum(1 for _ in self.root.walk(()))
        # Identifiers are not merged: a hostile log may nest their kinds in more ways than there is room for.
        self._is_full = self._nodes > _MAX_NODES // 2


def merge_rare(node: Node, fewest: int) -> None:
    """Merge the names below `node` that have fewer requests than `fewest`."""
    for child in node.children.values():
        merge_rare(child, fewest)
    rare = [name for name in node.names() if node.children[name].requests < fewest]
    if rare:
        node.merge(rare)
