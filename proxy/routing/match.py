"""Finds the route for the facts of a request. Pure.

Theory of operation. The total order of rule 2 gives each match of a route a rank for each of its hosts (`precedence`).
The result is the match of lowest rank whose predicates all hold. Four things make the search fast without changing
the result:

1. Matches are stored in trees: one for each exact host, one for each wildcard host, and one for any host. Trees are
   searched in the order of precedence, and a tree whose first match cannot win is left out.
2. A tree is a trie over path segments; a template parameter is the child `star`. The search visits every node that
   matches the path, with backtracking over parameters: at most as many steps as the trie has nodes.
3. Each node has its matches in order of rank, so the search stops at the first one that cannot win.
4. Regexes and matches without a path are stored beside the trie, in order of rank: a regex is evaluated only if no
   match of the trie has taken the request.
"""

from collections.abc import Iterator, Sequence

from proxy.errors import AmbiguousPath
from proxy.model import Facts, Match, MatchedRoute, Route
from proxy.routing.hosts import host_matches, host_name
from proxy.routing.path_tree import Entry, PathTree
from proxy.routing.paths import path_variants
from proxy.routing.precedence import ANY_HOST, ranked
from proxy.routing.predicates import predicates_of, text


class Index:
    """The routes of a table, indexed for matching. Immutable."""

    __slots__ = ("_any", "_hosts", "_only", "_wildcards", "size")

    def __init__(self, routes: Sequence[Route]) -> None:
        self._any: PathTree | None = None
        self._hosts: dict[str, PathTree] = {}
        self._wildcards: dict[str, PathTree] = {}
        self.size = len(routes)
        prepared = [
            [
                (MatchedRoute(route, each, number), predicates_of(each))
                for number, each in enumerate(route.matches, 1)
            ]
            for route in routes
        ]
        for place, (_, position, number, host) in enumerate(sorted(ranked(routes))):
            self._tree_for(host, place).add(Entry(place, *prepared[position][number]))
        self._only: PathTree | None = None if self._hosts or self._wildcards else self._any
        """The tree for any host, if there is no other one."""

    def _tree_for(self, host: str, place: int) -> PathTree:
        """The tree of one host. `place` is the rank of the match that is added next."""
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

    def find(self, facts: Facts, path: bytes) -> MatchedRoute | None:
        """The route for one variant of the path, and its match; or None."""
        segments = path.split(b"/")
        del segments[0]
        if self._only is not None:
            best = self._only.best(segments, facts, path, None)
        else:
            best = None
            for tree in self._trees(facts):
                if best is None or tree.first < best.rank:
                    best = tree.best(segments, facts, path, best)
        return None if best is None else best.matched


def match(index: Index, facts: Facts) -> MatchedRoute | None:
    """The route that takes the request, and its match; or None.

    Raises BadRequest for a path that must not be forwarded, and AmbiguousPath if its variants lead to different
    routes, or to different matches of a route that rewrites the path by what matched (rule 12).
    """
    variants = path_variants(facts.path)
    matched = index.find(facts, variants[0])
    for path in variants[1:]:
        other = index.find(facts, path)
        if other is not matched and not _is_same_way(matched, other):
            raise AmbiguousPath(
                "the path can be read in ways that lead to different routes "
                f"({name_of(matched)}, {name_of(other)}): "
                "send it without encoded slashes, dots, double slashes or path parameters"
            )
    return matched


def _is_same_way(one: MatchedRoute | None, other: MatchedRoute | None) -> bool:
    """Whether a backend is sent the same, whichever of the two takes the request."""
    if one is None or other is None or one.route is not other.route:
        return False
    return not _rewrites_by_match(one.route)


def _rewrites_by_match(route: Route) -> bool:
    rewrites = [ref.rewrite for ref in route.backend_refs if ref.rewrite is not None]
    return (route.redirect is not None and route.redirect.prefix is not None) or any(
        rewrite.prefix is not None or rewrite.template is not None for rewrite in rewrites
    )


def first_failures(route: Route, facts: Facts, path: bytes) -> str | None:
    """For each match of `route` the first predicate that fails, as text; None if one of the matches holds."""
    failures = [first_failure(each, facts, path) for each in route.matches]
    if None in failures:
        return None
    if len(failures) == 1:
        return failures[0]
    return "; ".join(f"match {number}: {failure}" for number, failure in enumerate(failures, 1))


def first_failure(match_: Match, facts: Facts, path: bytes) -> str | None:
    """The first predicate of a match that fails for this variant of the path, as text; None if all hold."""
    host = host_name(facts.host)
    if match_.hosts and not any(host_matches(each, host) for each in match_.hosts):
        return f"host {host or '(none)'} is none of {', '.join(match_.hosts)}"
    if match_.path is not None and match_.path.kind != "regex":
        tree = PathTree()
        tree.add(Entry(0, MatchedRoute(Route("", (match_,)), match_), ()))
        if not any(tree.candidates(path.split(b"/")[1:])):
            return f"path {text(path)} is not {match_.path.kind} {match_.path.value}"
    for predicate in predicates_of(match_):
        if not predicate.holds(facts, path):
            return predicate.failure(facts, path)
    return None


def name_of(matched: MatchedRoute | None) -> str:
    """The name of the route, with the number of the match if it has several."""
    if matched is None:
        return "none"
    several = len(matched.route.matches) > 1
    return f"{matched.route.name} match {matched.number}" if several else matched.route.name
