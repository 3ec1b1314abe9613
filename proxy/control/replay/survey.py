"""Counts recorded traffic by path, and finds the seams of a monolith.

Requests are counted in a trie of path segments. Segments that look like an identifier (a number, a UUID, hexadecimal)
share one child, as do segments that a table cannot have in a path, and the rare ones of a node with too many children.
So memory is bounded for any log. The seams are the children of the node where the application begins: of the root, or
of a context path or an API root.
"""

import re
from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from proxy.control.replay.recorded_requests import LoggedRequest, Unreadable, read_line
from proxy.model import SAFE_METHODS

_MAX_CHILDREN = 64
_MAX_NODES = 50_000
_MAX_DEPTH = 12
_MAX_HOSTS = 100
_KEPT_SHARE = 0.02
"""If a node has too many children, those with a smaller share of its requests are merged."""
_SEAM_SHARE = 0.01
_MAX_SEAMS = 20

_LITERAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~-]{0,62}")
_IDENTIFIERS = (
    ("{number}", re.compile(r"[0-9]+")),
    ("{uuid}", re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")),
    ("{hex}", re.compile(r"(?=[^0-9]*[0-9])[0-9A-Fa-f]{8,}")),
)
_TEXT = "{text}"
_METHODS = frozenset((*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE"))
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::[0-9]{1,5})?")
_FILE = re.compile(r".+\.[A-Za-z0-9]{1,5}")
_API_ROOT = re.compile(r"api|rest|services?|v[0-9]{1,3}")
OTHER = "OTHER"
"""Stands for all uncommon methods."""
Path = tuple[str, ...]
"""Segments: literal, or a placeholder like `{number}`."""


class _Node:
    """A node of the trie: the requests that end here, by method, and its children."""

    __slots__ = ("children", "ends", "errors", "full", "requests")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.full = False
        """It had too many children: new segments count for the child `{text}`."""
        self.requests = 0
        """In this node and below it."""
        self.errors = 0
        """In this node and below it, with status 5xx."""
        self.ends: Counter[str] = Counter()

    def absorb(self, other: "_Node") -> None:
        """Add the counts of `other` and of the nodes below it."""
        self.requests += other.requests
        self.errors += other.errors
        self.ends.update(other.ends)
        for name, child in other.children.items():
            self.children.setdefault(name, _Node()).absorb(child)


class Shape(Struct, frozen=True):
    """Requests with the same method and, except for identifiers, the same path."""

    method: str
    path: Path
    requests: int


class Seam(Struct, frozen=True):
    """A part of the application, with a path prefix of its own."""

    path: Path
    requests: int
    errors: int
    """Responses with status 5xx."""
    shapes: tuple[Shape, ...]
    """Those with the most requests first."""

    def of(self, *, reads: bool) -> tuple[Shape, ...]:
        """The shapes with safe methods, or the others."""
        return tuple(each for each in self.shapes if (each.method in SAFE_METHODS) == reads)


class Survey:
    """Counts the requests of a log, line by line."""

    def __init__(self) -> None:
        self._root = _Node()
        self._nodes = 1
        self.lines = 0
        self.requests = 0
        """Without those that got a 404."""
        self.not_found = 0
        self.refused_unread = 0
        self.without_status = 0
        self.hosts: Counter[str] = Counter()
        self.bad_lines = 0
        self.first_bad: list[tuple[int, str]] = []

    def feed(self, line: bytes) -> None:
        """Count one line of the log, whatever it contains."""
        self.lines += 1
        if not line.strip():
            return
        try:
            logged = read_line(line)
        except Unreadable as fault:
            self._reject(str(fault))
            return
        if logged is None:
            self.refused_unread += 1
        elif logged.status == 404:
            # Scanners and stale links request paths that the application does not have.
            self.not_found += 1
        else:
            self._count(logged)

    def feed_cut(self) -> None:
        """Count a line that is too long for a request."""
        self.lines += 1
        self._reject("it is longer than 1 MiB")

    def _reject(self, why: str) -> None:
        self.bad_lines += 1
        if len(self.first_bad) < 5:
            self.first_bad.append((self.lines, why))

    def _count(self, logged: LoggedRequest) -> None:
        self.requests += 1
        self.without_status += not logged.status
        method, host = str(logged.method), str(logged.host).lower()
        if _HOST.fullmatch(host) and (host in self.hosts or len(self.hosts) < _MAX_HOSTS):
            self.hosts[host] += 1
        failed = logged.status >= 500
        node = self._root
        node.requests += 1
        node.errors += failed
        for segment in _segments(str(logged.target)):
            child = self._child(node, segment)
            if child is None:
                break
            node = child
            node.requests += 1
            node.errors += failed
        node.ends[method if method in _METHODS else OTHER] += 1

    def _child(self, node: _Node, segment: str) -> _Node | None:
        child = node.children.get(segment)
        if child is not None:
            return child
        if not node.full and len(node.children) >= _MAX_CHILDREN:
            _merge_rare_children(node)
        if node.full:
            return node.children[_TEXT]
        if self._nodes >= _MAX_NODES:
            return None
        self._nodes += 1
        return node.children.setdefault(segment, _Node())

    def seams(self) -> list[Seam]:
        """The seams with at least one per cent of the requests, those with the most requests first."""
        min_requests = max(_SEAM_SHARE * self.requests, 1)
        seams = [
            Seam(path, node.requests, node.errors, _shapes(node, path))
            for path, node in _seam_nodes(self._root, ())
            if node.requests >= min_requests
        ]
        return sorted(seams, key=lambda seam: (-seam.requests, seam.path))[:_MAX_SEAMS]


def _merge_rare_children(node: _Node) -> None:
    min_requests = _KEPT_SHARE * node.requests
    merged = node.children.setdefault(_TEXT, _Node())
    for name, child in list(node.children.items()):
        if not name.startswith("{") and child.requests < min_requests:
            merged.absorb(node.children.pop(name))
    node.full = True


def _segments(target: str) -> Iterator[str]:
    """The segments of a path, identifiers as placeholders. Segments beyond the maximal depth are left out."""
    path = target.partition("?")[0]
    parts = [part.partition(";")[0] for part in path.split("/")[1:]]
    if parts and not parts[-1]:
        parts.pop()
    for part in parts[:_MAX_DEPTH]:
        for placeholder, pattern in _IDENTIFIERS:
            if pattern.fullmatch(part):
                yield placeholder
                break
        else:
            yield part if _LITERAL.fullmatch(part) else _TEXT


def _walk(node: _Node, path: Path) -> Iterator[tuple[Path, _Node]]:
    yield path, node
    for name, child in node.children.items():
        yield from _walk(child, (*path, name))


def _shapes(node: _Node, path: Path) -> tuple[Shape, ...]:
    shapes = [
        Shape(method, below, requests)
        for below, each in _walk(node, path)
        for method, requests in each.ends.items()
        if requests
    ]
    return tuple(sorted(shapes, key=lambda shape: (-shape.requests, shape.path, shape.method)))


def _seam_nodes(node: _Node, path: Path) -> Iterator[tuple[Path, _Node]]:
    """The literal children. A context path or an API root is replaced by its own children."""
    literal = {name: child for name, child in node.children.items() if not name.startswith("{")}
    with_children = [name for name, child in literal.items() if child.children]
    for name, child in literal.items():
        child_path = (*path, name)
        # Only the first segment can be a context path: deeper, an only child is the seam.
        is_context_path = (
            not path and with_children == [name] and child.requests >= node.requests / 2
        )
        has_literal_children = any(not each.startswith("{") for each in child.children)
        if has_literal_children and (is_context_path or _API_ROOT.fullmatch(name)):
            yield from _seam_nodes(child, child_path)
        elif child.children or not _FILE.fullmatch(name):
            yield child_path, child
