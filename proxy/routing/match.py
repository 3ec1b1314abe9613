"""(compiled table, facts) -> route.

Theory of operation. The total order of rule 2 gives each route a rank. A request's answer is the route of
lowest rank of which every predicate holds. Three things make that quick without changing it:

1. Routes are hung into trees, one for each exact host, each wildcard host, and one for "any host".
2. A tree is a trie over path segments; a template parameter is the child `star`. Walking it yields every
   node whose path holds, backtracking over parameters: at most as many steps as the trie has nodes.
3. Each node keeps its routes by rank, so the walk over candidates stops at the first that cannot win.

Regex routes and routes without a path hang beside the trie, again by rank: the cost of a regex is paid
only by requests that nothing better has taken.
"""

from collections.abc import Iterator, Sequence

from proxy.errors import AmbiguousPath
from proxy.model import Facts, Route
from proxy.model.match import PathMatch
from proxy.routing.paths import is_parameter, path_variants, segments_of
from proxy.routing.predicates import Predicate, predicates_of, text

Rank = tuple[int, ...]


def precedence(route: Route, position: int) -> Rank:
    """Where `route`, written at `position` of its file, stands among all: smaller goes first (rule 2)."""
    wanted = route.match
    count = len(wanted.headers) + len(wanted.query) + len(wanted.cookies)
    hosts = 2 if not wanted.hosts else min(int(host.startswith("*")) for host in wanted.hosts)
    return (
        -route.priority,
        *_path_precedence(wanted.path),
        hosts,
        0 if wanted.methods else 1,
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
    """A route at one place of the index."""

    __slots__ = ("predicates", "rank", "route")

    def __init__(self, rank: int, route: Route) -> None:
        self.rank = rank
        self.route = route
        self.predicates: tuple[Predicate, ...] = predicates_of(route)


class _Node:
    """A place in the trie: what ends here, and what begins here and takes all below."""

    __slots__ = ("children", "ends", "prefixes", "star")

    def __init__(self) -> None:
        # Nothing is made that stays empty: in a large table each object touched is a cache miss.
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

    def begin_here(self, entry: _Entry) -> None:
        if self.prefixes is None:
            self.prefixes = []
        self.prefixes.append(entry)

    def end_here(self, entry: _Entry) -> None:
        if self.ends is None:
            self.ends = []
        self.ends.append(entry)


class _Tree:
    """The routes of one host."""

    __slots__ = ("anywhere", "mixed", "root")

    def __init__(self) -> None:
        self.root = _Node()
        self.anywhere: list[_Entry] = []
        self.mixed = False
        """Some entry of `anywhere` goes before one of the trie: only `priority` can do that."""

    def add(self, entry: _Entry) -> None:
        """Entries have to come in order of rank."""
        path = entry.route.match.path
        if path is None or path.kind == "regex":
            self.anywhere.append(entry)
            return
        self.mixed = bool(self.anywhere)
        node = self.root
        if path.kind == "prefix":
            for segment in segments_of(path.value):
                node = node.child(segment)
            node.begin_here(entry)
            return
        # An exact path keeps its trailing slash as an empty last segment: `/a/` is not `/a`.
        written = path.value.rstrip("/") if path.ignore_trailing_slash else path.value
        literal = path.kind == "exact"
        for segment in written.split("/")[1:]:
            node = node.literal(segment) if literal else node.child(segment)
        node.end_here(entry)
        if path.ignore_trailing_slash:
            node.literal("").end_here(entry)

    def best(
        self, segments: Sequence[bytes], facts: Facts, path: bytes, best: _Entry | None
    ) -> _Entry | None:
        """The entry that goes first, of these and of `best` of another tree."""
        found = _best(self.candidates(segments), facts, path, best)
        if self.anywhere and (found is None or found is best or self.mixed):
            found = _best([self.anywhere], facts, path, found)
        return found

    def candidates(self, segments: Sequence[bytes]) -> list[list[_Entry]]:
        """The entries of every node of the trie whose path holds, the deepest nodes last."""
        found: list[list[_Entry]] = []
        waiting: list[tuple[_Node, int]] = []
        node: _Node | None = self.root
        depth, last = 0, len(segments)
        while True:
            while node is not None:
                if node.prefixes:
                    found.append(node.prefixes)
                if depth == last:
                    if node.ends:
                        found.append(node.ends)
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
                return found
            node, depth = waiting.pop()


class Index:
    """A table made ready for matching. Built once for a table; never changes."""

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
            for tree in self._trees_to_hang(entry.route.match.hosts):
                tree.add(entry)

    def _trees_to_hang(self, hosts: Sequence[str]) -> Iterator[_Tree]:
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
            # `*.example.com` takes any number of labels, but at least one.
            _, _, parent = host.partition(".")
            while parent:
                tree = self._wildcards.get(parent)
                if tree is not None:
                    yield tree
                _, _, parent = parent.partition(".")

    def find(self, facts: Facts, path: bytes) -> Route | None:
        """The route for one reading of the path, or None."""
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
    """The entry of lowest rank of which every predicate holds. Deep nodes are the likeliest: last first."""
    for group in reversed(groups):
        for entry in group:
            if best is not None and entry.rank >= best.rank:
                break
            if not entry.predicates or all(each.holds(facts, path) for each in entry.predicates):
                best = entry
                break
    return best


def match(index: Index, facts: Facts) -> Route | None:
    """The route that takes the request; None if there is none.

    Raises BadRequest for a path that no server should be shown, and AmbiguousPath where its plausible
    path_variants lead to different routes (rule 12).
    """
    found = path_variants(facts.path)
    route = index.find(facts, found[0])
    for reading in found[1:]:
        other = index.find(facts, reading)
        if other is not route:
            raise AmbiguousPath(
                f"the path can be read in ways that lead to different routes ({_name(route)}, {_name(other)}): "
                "send it without encoded slashes, dots, double slashes or path parameters"
            )
    return route


def first_failure(route: Route, facts: Facts, path: bytes) -> str | None:
    """The first thing about `route` that does not hold for this reading of the path; None if all does."""
    wanted = route.match
    host = host_name(facts.host)
    if wanted.hosts and not any(_host_holds(each, host) for each in wanted.hosts):
        return f"host {host or '(none)'} is none of {', '.join(wanted.hosts)}"
    if wanted.path is not None and wanted.path.kind != "regex":
        tree = _Tree()
        tree.add(_Entry(0, route))
        if not any(tree.candidates(path.split(b"/")[1:])):
            return f"path {text(path)} is not {wanted.path.kind} {wanted.path.value}"
    for predicate in predicates_of(route):
        if not predicate.holds(facts, path):
            return predicate.failure(facts, path)
    return None


def _host_holds(wanted: str, host: str) -> bool:
    return host.endswith(wanted[1:]) and host != wanted[2:] if wanted[0] == "*" else host == wanted


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
