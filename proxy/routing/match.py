"""Finds the route for the facts of a request. Pure.

Theory of operation. The total order of rule 2 gives each route a rank for each of its hosts (`precedence`). The result
is the route of lowest rank whose predicates all hold. Four things make the search fast without changing the result:

1. Routes are stored in trees: one for each exact host, one for each wildcard host, and one for any host. Trees are
   searched in the order of precedence, and a tree whose first route cannot win is left out.
2. A tree is a trie over path segments; a template parameter is the child `star`. The search visits every node that
   matches the path, with backtracking over parameters: at most as many steps as the trie has nodes.
3. Each node has its routes in order of rank, so the search stops at the first one that cannot win.
4. Regex routes and routes without a path are stored beside the trie, in order of rank: a regex is evaluated only if no
   route of the trie has taken the request.
"""

from collections.abc import Iterator, Sequence

from proxy.model import Facts, Route
from proxy.routing.hosts import host_matches, host_name
from proxy.routing.path_ruling import Ruling, policies_of, rule
from proxy.routing.path_tree import Entry, PathTree
from proxy.routing.paths import is_plain
from proxy.routing.precedence import ANY_HOST, ranked
from proxy.routing.predicates import predicates_of, text


class Index:
    """The routes of a table, indexed for matching. Immutable."""

    __slots__ = ("_any", "_hosts", "_only", "_wildcards", "policies", "size")

    def __init__(self, routes: Sequence[Route]) -> None:
        self._any: PathTree | None = None
        self._hosts: dict[str, PathTree] = {}
        self._wildcards: dict[str, PathTree] = {}
        self.size = len(routes)
        self.policies = policies_of(routes)
        predicates = [predicates_of(route) for route in routes]
        for place, (_, position, host) in enumerate(sorted(ranked(routes))):
            self._tree_for(host, place).add(Entry(place, routes[position], predicates[position]))
        self._only: PathTree | None = None if self._hosts or self._wildcards else self._any
        """The tree for any host, if there is no other one."""

    def _tree_for(self, host: str, place: int) -> PathTree:
        """The tree of one host. `place` is the rank of the route that is added next."""
        if host == ANY_HOST:
            self._any = self._any or PathTree(place)
            return self._any
        trees, name = (self._wildcards, host[2:]) if host.startswith("*.") else (self._hosts, host)
        tree = trees.get(name)
        if tree is None:
            tree = trees[name] = PathTree(place)
        return tree

    def _trees(self, facts: Facts) -> Iterator[PathTree]:
        """The trees for the host of a request, in order of precedence."""
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
        if self._any is not None:
            yield self._any

    def find(self, facts: Facts, path: bytes) -> Route | None:
        """The route for one variant of the path, or None."""
        segments = path.split(b"/")
        del segments[0]
        if self._only is not None:
            best = self._only.best(segments, facts, path, None)
        else:
            best = None
            for tree in self._trees(facts):
                if best is None or tree.first < best.rank:
                    best = tree.best(segments, facts, path, best)
        return None if best is None else best.route


def match(index: Index, facts: Facts) -> Route | None:
    """The route that takes the request, or None.

    Raises BadRequest for a path that must not be forwarded, and AmbiguousPath if its variants lead to different
    routes and no policy settles which of them holds (rule 12).
    """
    if is_plain(facts.path):
        return index.find(facts, facts.path)
    ruling = ruling_for(index, facts)
    if ruling.error is not None:
        raise ruling.error
    return ruling.route


def ruling_for(index: Index, facts: Facts) -> Ruling:
    """The ruling on the path of a request. Raises BadRequest for a path that must not be forwarded."""
    if is_plain(facts.path):
        return Ruling(index.find(facts, facts.path), facts.path)
    return rule(
        facts.path,
        index.policies,
        lambda path: index.find(facts, path),
        lambda route, path: first_failure(route, facts, path) is None,
    )


def first_failure(route: Route, facts: Facts, path: bytes) -> str | None:
    """The first predicate of `route` that fails for this variant of the path, as text; None if all hold."""
    match_ = route.match
    host = host_name(facts.host)
    if match_.hosts and not any(host_matches(each, host) for each in match_.hosts):
        return f"host {host or '(none)'} is none of {', '.join(match_.hosts)}"
    if match_.path is not None and match_.path.kind != "regex":
        tree = PathTree()
        tree.add(Entry(0, route, ()))
        if not any(tree.candidates(path.split(b"/")[1:])):
            return f"path {text(path)} is not {match_.path.kind} {match_.path.value}"
    for predicate in predicates_of(route):
        if not predicate.holds(facts, path):
            return predicate.failure(facts, path)
    return None
