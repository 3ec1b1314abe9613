"""Endpoints by method and template, with their use: counted in a tree of segments, in bounded memory."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from proxy.control.replay.path_tree import IDENTIFIERS, TEXT, segments_of_shape, shape_of
from proxy.control.replay.recorded_requests import LoggedRequest
from proxy.errors import FacadeError
from proxy.ledger.callers import Callers
from proxy.ledger.instants import Instants

MAX_NODES = 20_000
_MANY_VALUES = 24
"""If there are more names in a place, it is a parameter."""
_KEPT_SHARE = 0.1
_MAX_METHODS = 16
_OTHER = "OTHER"
_NOT_FOUND = 404
_MAX_NAME = 128
VERSION = 1


class Use(Struct):
    """The requests of one endpoint. Times are UTC, empty if there is none."""

    monolith: int = 0
    """Requests that the monolith served."""
    moved: int = 0
    """Requests that another backend, or the facade itself, served."""
    last_monolith: str = ""
    last_moved: str = ""
    route: str = ""
    """Of the last request in a log of the facade."""
    callers: dict[str, int] = {}
    """Requests to the monolith by the class of the caller."""

    def absorb(self, other: "Use") -> None:
        """Add the use of another endpoint."""
        self.monolith += other.monolith
        self.moved += other.moved
        self.last_monolith = max(self.last_monolith, other.last_monolith)
        self.last_moved = max(self.last_moved, other.last_moved)
        self.route = self.route or other.route
        for name, count in other.callers.items():
            self.callers[name] = self.callers.get(name, 0) + count


class Endpoint(Struct, frozen=True):
    """A method and the template of a path, with their use."""

    method: str
    path: str
    use: Use

    @property
    def segments(self) -> list[str]:
        return self.path.split("/")[1:] if self.path != "/" else []


class LedgerFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A ledger as it is stored."""

    version: int
    covers_from: str
    covers_to: str
    not_found: int
    endpoints: tuple[Endpoint, ...]


class _Node:
    __slots__ = ("children", "requests", "uses")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.uses: dict[str, Use] = {}
        self.requests = 0
        """In this node and below it."""

    def absorb(self, other: "_Node") -> None:
        self.requests += other.requests
        for method, use in other.uses.items():
            self.uses.setdefault(method, Use()).absorb(use)
        for name, child in other.children.items():
            self.children.setdefault(name, _Node()).absorb(child)

    def merge_below(self, fewest: float) -> None:
        """Make the names with fewer requests one, here and below."""
        for child in self.children.values():
            child.merge_below(fewest)
        self.merge([name for name in self.names() if self.children[name].requests < fewest])

    def merge(self, names: Sequence[str]) -> None:
        """Make the children of these names one, `{text}`."""
        if names:
            merged = self.children.setdefault(TEXT, _Node())
            for name in names:
                merged.absorb(self.children.pop(name))

    def names(self) -> list[str]:
        return [name for name in self.children if not name.startswith("{")]

    def count(self) -> int:
        return 1 + sum(child.count() for child in self.children.values())

    def walk(self, path: str) -> Iterator[tuple[str, "_Node"]]:
        yield path, self
        for name, child in self.children.items():
            yield from child.walk(f"{path}/{name}")


class Ledger:
    """Counts the requests of logs. `monolith` are the backends that are the monolith; empty: all requests went there.

    Requests at or before `covers_to` of a stored ledger are in it already: they are skipped.
    """

    def __init__(
        self, monolith: frozenset[str], callers: Callers, stored: LedgerFile | None = None
    ) -> None:
        self._monolith = monolith
        self._callers = callers
        self._instants = Instants()
        self._root = _Node()
        self._nodes = 1
        self._is_full = False
        self._since = stored.covers_to if stored is not None else ""
        self.covers_from = stored.covers_from if stored is not None else ""
        self.covers_to = self._since
        self.not_found = stored.not_found if stored is not None else 0
        self.requests = self.skipped = self.without_time = 0
        for endpoint in () if stored is None else stored.endpoints:
            self._add(endpoint.segments, endpoint.method, endpoint.use)

    def count(self, logged: LoggedRequest, _line: int) -> None:
        """Count one request."""
        instant = self._instants.read(logged.time)
        if not instant:
            self.without_time += 1
            return
        if instant <= self._since:
            self.skipped += 1
            return
        self.covers_from = min(self.covers_from or instant, instant)
        self.covers_to = max(self.covers_to, instant)
        self.requests += 1
        if logged.status == _NOT_FOUND:
            self.not_found += 1
            return
        at_monolith = logged.in_text or not self._monolith or logged.backend in self._monolith
        use = Use(route=(logged.route or "")[:_MAX_NAME])
        if at_monolith:
            use.monolith, use.last_monolith = 1, instant
            use.callers = {self._callers.class_of(logged.client): 1}
        else:
            use.moved, use.last_moved = 1, instant
        shape = shape_of(str(logged.target).partition("?")[0])
        self._add(segments_of_shape(shape), str(logged.method), use)

    def _add(self, segments: Sequence[str], method: str, use: Use) -> None:
        if self._nodes + len(segments) > MAX_NODES and not self._is_full:
            self._shrink()
        requests = use.monolith + use.moved
        node = self._root
        node.requests += requests
        for segment in segments:
            child = node.children.get(segment)
            if child is None:
                if self._is_full:
                    break
                child = node.children[segment] = _Node()
                self._nodes += 1
            node = child
            node.requests += requests
        if method not in node.uses and len(node.uses) >= _MAX_METHODS:
            method = _OTHER
        known = node.uses.get(method)
        if known is None:
            node.uses[method] = known = Use()
        last = use.last_monolith or use.last_moved
        if use.route and last >= max(known.last_monolith, known.last_moved):
            known.route = use.route
        known.absorb(use)

    def _shrink(self) -> None:
        """Merge the names with the fewest requests, until half of the nodes are free again."""
        fewest = 1
        while self._nodes > MAX_NODES // 2 and fewest <= self._root.requests:
            fewest *= 2
            self._root.merge_below(fewest)
            self._nodes = self._root.count()
        # Identifiers are not merged: a hostile log may nest their kinds in more ways than there is room for.
        self._is_full = self._nodes > MAX_NODES // 2

    def stored(self) -> LedgerFile:
        """The ledger, to be stored. Places with many names become parameters."""
        _merge_values(self._root)
        self._nodes = self._root.count()
        endpoints = [
            Endpoint(method, path or "/", use)
            for path, node in self._root.walk("")
            for method, use in node.uses.items()
        ]
        endpoints.sort(key=lambda each: (each.path, each.method))
        return LedgerFile(
            VERSION, self.covers_from, self.covers_to, self.not_found, tuple(endpoints)
        )


def _merge_values(node: _Node) -> None:
    names = node.names()
    if len(names) > _MANY_VALUES:
        fewest = _KEPT_SHARE * node.requests
        node.merge([name for name in names if node.children[name].requests < fewest])
    for child in node.children.values():
        _merge_values(child)


def read_ledger(text: bytes, file: str) -> LedgerFile:
    """A stored ledger. Raises FacadeError."""
    try:
        stored = msgspec.json.decode(text, type=LedgerFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise FacadeError(f"facade: {file} is no ledger: name another file") from None
    if stored.version != VERSION:
        raise FacadeError(
            f"facade: {file} is a ledger of another version of facade: begin a new one"
        )
    return stored


def is_parameter(segment: str) -> bool:
    """Whether a segment of an endpoint stands for many values."""
    return segment == TEXT or segment in IDENTIFIERS
