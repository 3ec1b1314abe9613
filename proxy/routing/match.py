"""Finds the route for the facts of a request. Pure.

Theory of operation. The total order of rule 2 gives each route a rank. The result is the route of lowest rank whose
predicates all hold. Three things make the search fast without changing the result:

1. Routes are stored in trees: one for each exact host, one for each wildcard host, and one for any host.
2. A tree is a trie over path segments; a template parameter is the child `star`. The search visits every node that
   matches the path, with backtracking over parameters: at most as many steps as the trie has nodes.
3. Each node has its routes in order of rank, so the search stops at the first one that cannot win.

Regex routes and routes without a path are stored beside the trie, in order of rank: a regex is evaluated only if no
route of the trie has taken the request.
"""

from collections.abc import Iterator, Sequence

from proxy.errors import AmbiguousPath
from proxy.model import Facts, Route
from proxy.model.match import PathMatch
from proxy.routing.paths import is_parameter, path_variants, segments_of
from proxy.routing.predicates import Predicate, predicates_of, text

Rank = tuple[int, ...]


def precedence(route: Route, position: int) -> Rank:
    """The rank of a route; the lowest comes first (rule 2). `position` is its index in the file."""
    match_ = route.match
    count = len(match_.headers) + len(match_.query) + len(match_.cookies)
    hosts = 2 if not match_.hosts else min(int(host.startswith("*")) for host in match_.hosts)
    return (
        -route.priority,
        *_path_precedence(match_.path),
        hosts,
        0 if match_.methods else 1,
        -count,
        position,
    )


def _path_precedence(path: PathMatch | None) -> tuple[int, int]:
    match path:
        case None:
            return (3, 0)
        case PathMatch(kind="exact"):
            return (0, 0)
        case PathMatch(kind="regex"):
            return (2, 0)
        case _:
            return (1, -sum(not is_parameter(segment) for segment in segments_of(path.value)))


class _Entry:
    """A route in the index, with its rank and predicates."""

    __slots__ = ("predicates", "rank", "route")

    def __init__(self, rank: int, route: Route) -> None:
        self.rank = rank
        self.route = route
        self.predicates: tuple[Predicate, ...] = predicates_of(route)


class _Node:
    """A node of the trie: the routes whose path ends here, and the prefixes that match everything below."""

    __slots__ = ("children", "ends", "prefixes", "star")

    def __init__(self) -> None:
        # Empty containers are not created: in a large table each object that is touched is a cache miss.
        self.children: dict[bytes, _Node] | None = None
        self.star: _Node | None = None
        self.ends: list[_Entry] | None = None
        self.prefixes: list[_Entry] | None = None

    def child(self, segment: str) -> "_Node":
        if is_parameter(segment):
            self.star = self.star or _Node()
            return self.star
        return self.literal(segment)

    def literal(self, segment: str) -> "_Node":
        if self.children is None:
            self.children = {}
        return self.children.setdefault(segment.encode(), _Node())

    def add_prefix(self, entry: _Entry) -> None:
        if self.prefixes is None:
            self.prefixes = []
        self.prefixes.append(entry)

    def add_end(self, entry: _Entry) -> None:
        if self.ends is None:
            self.ends = []
        self.ends.append(entry)


class _Tree:
    """The routes of one host."""

    __slots__ = ("mixed", "root", "without_path")

    def __init__(self) -> None:
        self.root = _Node()
        self.without_path: list[_Entry] = []
        self.mixed = False
        """An entry of `without_path` has a lower rank than one of the trie: only `priority` causes that."""

    def add(self, entry: _Entry) -> None:
        """Entries have to be added in order of rank."""
        path = entry.route.match.path
        if path is None or path.kind == "regex":
            self.without_path.append(entry)
            return
        self.mixed = bool(self.without_path)
        node = self.root
        if path.kind == "prefix":
            for segment in segments_of(path.value):
                node = node.child(segment)
            node.add_prefix(entry)
            return
        # An exact path has its trailing slash as an empty last segment: `/a/` is not `/a`.
        written = path.value.rstrip("/") if path.ignore_trailing_slash else path.value
        literal = path.kind == "exact"
        for segment in written.split("/")[1:]:
            node = node.literal(segment) if literal else node.child(segment)
        node.add_end(entry)
        if path.ignore_trailing_slash:
            node.literal("").add_end(entry)

    def best(
        self, segments: Sequence[bytes], facts: Facts, path: bytes, best: _Entry | None
    ) -> _Entry | None:
        """The entry of lowest rank that matches, or `best` of another tree if that has a lower rank."""
        result = _best(self.candidates(segments), facts, path, best)
        if self.without_path and (result is None or result is best or self.mixed):
            result = _best([self.without_path], facts, path, result)
        return result

    def candidates(self, segments: Sequence[bytes]) -> list[list[_Entry]]:
        """The entries of every node that matches the path, the deepest nodes last."""
        groups: list[list[_Entry]] = []
        waiting: list[tuple[_Node, int]] = []
        node: _Node | None = self.root
        depth, last = 0, len(segments)
        while True:
            while node is not None:
                if node.prefixes:
                    groups.append(node.prefixes)
                if depth == last:
                    if node.ends:
                        groups.append(node.ends)
                    break
                segment = segments[depth]
                depth += 1
                star, children = node.star, node.children
                node = None if children is None else children.get(segment)
                if star is not None and segment:
                    if node is None:
                        node = star
                    else:
                        waiting.append((star, depth))
            if not waiting:
                return groups
            node, depth = waiting.pop()


class Index:
    """The routes of a table, indexed for matching. Immutable."""

    __slots__ = ("_any", "_hosts", "_wildcards", "size")

    def __init__(self, routes: Sequence[Route]) -> None:
        self._any = _Tree()
        self._hosts: dict[str, _Tree] = {}
        self._wildcards: dict[str, _Tree] = {}
        self.size = len(routes)
        order = sorted(
            range(len(routes)), key=lambda position: precedence(routes[position], position)
        )
        for rank, position in enumerate(order):
            entry = _Entry(rank, routes[position])
            for tree in self._trees_for(entry.route.match.hosts):
                tree.add(entry)

    def _trees_for(self, hosts: Sequence[str]) -> Iterator[_Tree]:
        if not hosts:
            yield self._any
        for host in hosts:
            if host.startswith("*."):
                yield self._wildcards.setdefault(host[2:], _Tree())
            else:
                yield self._hosts.setdefault(host, _Tree())

    def _trees(self, facts: Facts) -> Iterator[_Tree]:
        yield self._any
        host = host_name(facts.host)
        exact = self._hosts.get(host)
        if exact is not None:
            yield exact
        if self._wildcards:
            # `*.example.com` matches one or more labels in front.
            _, _, parent = host.partition(".")
            while parent:
                tree = self._wildcards.get(parent)
                if tree is not None:
                    yield tree
                _, _, parent = parent.partition(".")

    def find(self, facts: Facts, path: bytes) -> Route | None:
        """The route for one variant of the path, or None."""
        segments = path.split(b"/")
        del segments[0]
        if not self._hosts and not self._wildcards:
            best = self._any.best(segments, facts, path, None)
        else:
            best = None
            for tree in self._trees(facts):
                best = tree.best(segments, facts, path, best)
        return None if best is None else best.route


def _best(
    groups: list[list[_Entry]], facts: Facts, path: bytes, best: _Entry | None
) -> _Entry | None:
    """The entry of lowest rank whose predicates all hold. The deepest nodes, the most likely ones, come first."""
    for group in reversed(groups):
        for entry in group:
            if best is not None and entry.rank >= best.rank:
                break
            if not entry.predicates or all(each.holds(facts, path) for each in entry.predicates):
                best = entry
                break
    return best


def match(index: Index, facts: Facts) -> Route | None:
    """The route that takes the request, or None.

    Raises BadRequest for a path that must not be forwarded, and AmbiguousPath if its variants lead to different
    routes (rule 12).
    """
    variants = path_variants(facts.path)
    route = index.find(facts, variants[0])
    for path in variants[1:]:
        other = index.find(facts, path)
        if other is not route:
            raise AmbiguousPath(
                f"the path can be read in ways that lead to different routes ({_name(route)}, {_name(other)}): "
                "send it without encoded slashes, dots, double slashes or path parameters"
            )
    return route


def first_failure(route: Route, facts: Facts, path: bytes) -> str | None:
    """The first predicate of `route` that fails for this variant of the path, as text; None if all hold."""
    match_ = route.match
    host = host_name(facts.host)
    if match_.hosts and not any(_host_matches(each, host) for each in match_.hosts):
        return f"host {host or '(none)'} is none of {', '.join(match_.hosts)}"
    if match_.path is not None and match_.path.kind != "regex":
        tree = _Tree()
        tree.add(_Entry(0, route))
        if not any(tree.candidates(path.split(b"/")[1:])):
            return f"path {text(path)} is not {match_.path.kind} {match_.path.value}"
    for predicate in predicates_of(route):
        if not predicate.holds(facts, path):
            return predicate.failure(facts, path)
    return None


def _host_matches(pattern: str, host: str) -> bool:
    if pattern[0] == "*":
        return host.endswith(pattern[1:]) and host != pattern[2:]
    return host == pattern


def _name(route: Route | None) -> str:
    return "none" if route is None else route.name


def host_name(host: bytes) -> str:
    """The Host header without its port, in lower case, without a trailing dot."""
    name = host.decode("latin-1").lower()
    if not name.endswith("]"):
        head, colon, port = name.rpartition(":")
        if colon and (port.isdigit() or not port):
            name = head
    return name.rstrip(".")
