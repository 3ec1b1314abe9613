"""Counts recorded traffic by path, and finds the seams of a monolith.

The seams are the children of the node where the application begins: of the root, or of a context path or an API root.

Below a seam, a segment is a parameter if it looks like an identifier, or if there are many values in its place. There,
only the most frequent values keep their names: `/products/search` beside `/products/{name}`.
"""

import re
from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from proxy.control.replay.path_tree import Node, Path, PathTree, segments_of_shape, shape_of
from proxy.control.replay.recorded_requests import LoggedRequest
from proxy.model import SAFE_METHODS

_MAX_PENDING = 20_000
_MAX_HOSTS = 100
_SEAM_SHARE = 0.01
_MAX_SEAMS = 20
_MANY_VALUES = 24
"""If there are more names in a place, it is a parameter."""
_KEPT_SHARE = 0.1
"""A name with this share of the requests to the place of a parameter keeps its name."""
_MIN_CONTEXT_SHARE = 0.5
_MIN_NAMED_SHARE = 0.75
_METHODS = frozenset((*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE"))
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::[0-9]{1,5})?")
_FILE = re.compile(r".+\.[A-Za-z0-9]{1,5}")
# Pages that a monolith makes: PHP, Struts, JSP and JSF, ASP and ASP.NET, CGI, ColdFusion.
_PAGE = re.compile(r".+\.(?:php|action|do|jspx?|jsf|faces|aspx?|as[mh]x|svc|cgi|pl|cfm)")
_API_ROOT = re.compile(r"api|rest|services?|v[0-9]{1,3}")
OTHER = "OTHER"
"""Stands for all uncommon methods."""


class Shape(Struct, frozen=True):
    """Requests with the same method and, except for parameters, the same path."""

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
    """Counts the requests of a log. Memory does not grow with the log."""

    def __init__(self) -> None:
        self._tree = PathTree()
        # Requests by method, shape and failure: cheaper to count than in the tree.
        self._pending: dict[tuple[str, str, bool], int] = {}
        self.requests = 0
        """Without those that got a 404."""
        self.not_found = 0
        self.without_status = 0
        self.hosts: Counter[str] = Counter()

    def count(self, logged: LoggedRequest, _line: int) -> None:
        """Count one request."""
        status = logged.status
        if status == 404:
            # Scanners and stale links request paths that the application does not have.
            self.not_found += 1
            return
        self.requests += 1
        if not status:
            self.without_status += 1
        if logged.host:
            self._count_host(str(logged.host))
        key = (str(logged.method), shape_of(str(logged.target).partition("?")[0]), status >= 500)
        pending = self._pending
        pending[key] = pending.get(key, 0) + 1
        if len(pending) >= _MAX_PENDING:
            self._flush()

    def _count_host(self, host: str) -> None:
        if host not in self.hosts:
            host = host.lower()
            is_new = host not in self.hosts
            if not _HOST.fullmatch(host) or (is_new and len(self.hosts) >= _MAX_HOSTS):
                return
        self.hosts[host] += 1

    def _flush(self) -> None:
        for (method, shape, failed), requests in self._pending.items():
            counted = method if method in _METHODS else OTHER
            self._tree.add(segments_of_shape(shape), counted, requests, requests * failed)
        self._pending.clear()

    def seams(self) -> list[Seam]:
        """The seams with at least one per cent of the requests, those with the most requests first."""
        self._flush()
        min_requests = max(_SEAM_SHARE * self.requests, 1)
        nodes = [
            (path, node)
            for path, node in _seam_nodes(self._tree.root, (), min_requests)
            if node.requests >= min_requests
        ]
        nodes.sort(key=lambda each: (-each[1].requests, each[0]))
        return [_seam(path, node) for path, node in nodes[:_MAX_SEAMS]]


def _seam_nodes(node: Node, path: Path, min_requests: float) -> Iterator[tuple[Path, Node]]:
    """The literal children. A context path or an API root is replaced by its own children."""
    for name in node.names():
        child, child_path = node.children[name], (*path, name)
        is_context_path = not path and _is_context_path(child, node, min_requests)
        if child.names() and (is_context_path or _API_ROOT.fullmatch(name)):
            yield from _seam_nodes(child, child_path, min_requests)
        elif child.children or not _FILE.fullmatch(name) or _PAGE.fullmatch(name.lower()):
            yield child_path, child


def _is_context_path(node: Node, root: Node, min_requests: float) -> bool:
    """Whether at least half of all requests go below `node`, and most of them to parts that could be seams.

    Not so if they go to `node` itself or to parameters. Pages alone are no parts, except if there is nothing else.
    """
    children = [node.children[name] for name in node.names()]
    parts = [child for child in children if child.requests >= min_requests]
    named_requests = sum(part.requests for part in parts)
    return (
        node.requests >= _MIN_CONTEXT_SHARE * root.requests
        and named_requests >= _MIN_NAMED_SHARE * node.requests
        and (
            any(part.children for part in parts)
            or sum(1 for name in root.names() if root.children[name].children) == 1
        )
    )


def _seam(path: Path, node: Node) -> Seam:
    _merge_values(node)
    shapes = [
        Shape(method, below, requests)
        for below, each in node.walk(path)
        for method, requests in each.ends.items()
    ]
    shapes.sort(key=lambda shape: (-shape.requests, shape.path, shape.method))
    return Seam(path, node.requests, node.errors, tuple(shapes))


def _merge_values(node: Node) -> None:
    """Where there are many names, they are the values of a parameter: merge all but the most frequent ones."""
    names = node.names()
    if len(names) > _MANY_VALUES:
        fewest = _KEPT_SHARE * node.requests
        node.merge([name for name in names if node.children[name].requests < fewest])
    for child in node.children.values():
        _merge_values(child)
