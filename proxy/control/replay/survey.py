"""Recorded traffic, counted by path: where a monolith has its seams, and how much each carries.

Theory of operation. Requests are counted in a trie over path segments. What looks like an identifier (a
number, a UUID, hexadecimal) shares one child; so do the many of a node with too many children, and whatever
could not stand in a table. So memory is bounded, whatever the log holds. The seams are then the children of
the node below which the application begins: of the root, or of a context path or API root that stands alone.
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
"""Of a node with too many children, those with less of its requests are taken together."""
_SEAM_SHARE = 0.01
_MAX_SEAMS = 20

_LITERAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~-]{0,62}")
_KINDS = (
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
"""Stands for every method that is none of the common ones."""
Path = tuple[str, ...]
"""Segments: literal, or one of the kinds."""


class _Node:
    """A place in the trie: what ends here, by method, and what goes on."""

    __slots__ = ("children", "ends", "errors", "full", "requests")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.full = False
        """Had too many children: new names count for the one that stands for them all."""
        self.requests = 0
        """Here and below."""
        self.errors = 0
        """Here and below, answered 5xx."""
        self.ends: Counter[str] = Counter()

    def absorb(self, other: "_Node") -> None:
        """Take the counts of `other`, and of all below it."""
        self.requests += other.requests
        self.errors += other.errors
        self.ends.update(other.ends)
        for name, child in other.children.items():
            self.children.setdefault(name, _Node()).absorb(child)


class Shape(Struct, frozen=True):
    """Requests with one method and, identifiers apart, one path."""

    method: str
    path: Path
    requests: int


class Seam(Struct, frozen=True):
    """A part of the application, by its path prefix."""

    path: Path
    requests: int
    errors: int
    """Answered 5xx."""
    shapes: tuple[Shape, ...]
    """The busiest first."""

    def of(self, *, reads: bool) -> tuple[Shape, ...]:
        """Its safe requests, or the others."""
        return tuple(each for each in self.shapes if (each.method in SAFE_METHODS) == reads)


class Survey:
    """Counts lines of a log. Edited as it goes."""

    def __init__(self) -> None:
        self._root = _Node()
        self._nodes = 1
        self.lines = 0
        self.requests = 0
        """Those that count: not answered 404."""
        self.not_found = 0
        self.refused_unread = 0
        self.without_status = 0
        self.hosts: Counter[str] = Counter()
        self.bad_lines = 0
        self.first_bad: list[tuple[int, str]] = []

    def feed(self, line: bytes) -> None:
        """One line of the log. Never raises for what is in it."""
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
            # Scanners and stale links ask for what is no part of the application.
            self.not_found += 1
        else:
            self._count(logged)

    def feed_cut(self) -> None:
        """A line that is too long to be a request's."""
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
            below = self._below(node, segment)
            if below is None:
                break
            node = below
            node.requests += 1
            node.errors += failed
        node.ends[method if method in _METHODS else OTHER] += 1

    def _below(self, node: _Node, segment: str) -> _Node | None:
        found = node.children.get(segment)
        if found is not None:
            return found
        if not node.full and len(node.children) >= _MAX_CHILDREN:
            _take_together(node)
        if node.full:
            return node.children[_TEXT]
        if self._nodes >= _MAX_NODES:
            return None
        self._nodes += 1
        return node.children.setdefault(segment, _Node())

    def seams(self) -> list[Seam]:
        """The busiest first, each with at least a hundredth of the requests."""
        least = max(_SEAM_SHARE * self.requests, 1)
        found = [
            Seam(path, node.requests, node.errors, _shapes(node, path))
            for path, node in _seam_nodes(self._root, ())
            if node.requests >= least
        ]
        return sorted(found, key=lambda seam: (-seam.requests, seam.path))[:_MAX_SEAMS]


def _take_together(node: _Node) -> None:
    least = _KEPT_SHARE * node.requests
    others = node.children.setdefault(_TEXT, _Node())
    for name, child in list(node.children.items()):
        if not name.startswith("{") and child.requests < least:
            others.absorb(node.children.pop(name))
    node.full = True


def _segments(target: str) -> Iterator[str]:
    """The segments of a path, identifiers as their kind; the deepest are left out."""
    path = target.partition("?")[0]
    parts = [part.partition(";")[0] for part in path.split("/")[1:]]
    if parts and not parts[-1]:
        parts.pop()
    for part in parts[:_MAX_DEPTH]:
        for kind, looks in _KINDS:
            if looks.fullmatch(part):
                yield kind
                break
        else:
            yield part if _LITERAL.fullmatch(part) else _TEXT


def _walk(node: _Node, path: Path) -> Iterator[tuple[Path, _Node]]:
    yield path, node
    for name, child in node.children.items():
        yield from _walk(child, (*path, name))


def _shapes(node: _Node, path: Path) -> tuple[Shape, ...]:
    found = [
        Shape(method, below, requests)
        for below, each in _walk(node, path)
        for method, requests in each.ends.items()
        if requests
    ]
    return tuple(sorted(found, key=lambda shape: (-shape.requests, shape.path, shape.method)))


def _seam_nodes(node: _Node, path: Path) -> Iterator[tuple[Path, _Node]]:
    """The literal children, with those of a context path or API root in its place."""
    literal = {name: child for name, child in node.children.items() if not name.startswith("{")}
    branching = [name for name, child in literal.items() if child.children]
    for name, child in literal.items():
        below = (*path, name)
        # A context path; further down, what stands alone is the seam.
        alone = not path and branching == [name] and child.requests >= node.requests / 2
        leads_on = any(not each.startswith("{") for each in child.children)
        if leads_on and (alone or _API_ROOT.fullmatch(name)):
            yield from _seam_nodes(child, below)
        elif child.children or not _FILE.fullmatch(name):
            yield below, child
