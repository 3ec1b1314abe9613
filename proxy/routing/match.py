"""Finds the route for the facts of a request. Pure.

Theory of operation. The total order of rule 2 gives each match of a route a rank for each of its hosts (`precedence`).
The result is the match of lowest rank whose predicates all hold. Five things make the search fast without changing
the result:

1. Matches are stored in trees: one for each exact host, one for each wildcard host, and one for any host. Trees are
   searched in the order of precedence, and a tree whose first match cannot win is left out.
2. A tree is a trie over path segments; a template parameter is the child `star`. The search visits every node that
   matches the path, with backtracking over parameters: at most as many steps as the trie has nodes.
3. Each node has its matches in order of rank, so the search stops at the first one that cannot win.
4. Regexes and matches without a path are stored beside the trie, in order of rank: a regex is evaluated only if no
   match of the trie has taken the request.
5. Matches that ignore case have trees of their own, in which all literal segments are without case.
"""

from collections.abc import Iterator, Sequence

from proxy.errors import AmbiguousPath
from proxy.model import Facts, Match, MatchedRoute, Route
from proxy.routing.hosts import host_matches, host_name
from proxy.routing.path_shape import fits
from proxy.routing.path_tree import Entry, PathTree
from proxy.routing.paths import path_variants, without_case
from proxy.routing.precedence import ANY_HOST, ranked
from proxy.routing.predicates import describe_path, predicates_of, text


class HostTrees:
    """The trees of each host. All of them heed case, or all ignore it."""

    __slots__ = ("any_host", "hosts", "wildcards")

    def __init__(self) -> None:
        self.any_host: PathTree | None = None
        self.hosts: dict[str, PathTree] = {}
        self.wildcards: dict[str, PathTree] = {}

    def tree_for(self, host: str, place: int) -> PathTree:
        """The tree of one host. `place` is the rank of the match that is added next."""
        if host == ANY_HOST:
            self.any_host = self.any_host or PathTree(place)
            return self.any_host
        is_wildcard = host.startswith("*.")
        trees, name = (self.wildcards, host[2:]) if is_wildcard else (self.hosts, host)
        tree = trees.get(name)
        if tree is None:
            tree = trees[name] = PathTree(place)
        return tree

    def of(self, host: str) -> Iterator[PathTree]:
        """The trees for the host of a request, in order of precedence."""
        exact = self.hosts.get(host)
        if exact is not None:
            yield exact
        if self.wildcards:
            # `*.example.com` matches one or more labels in front.
            _, _, parent = host.partition(".")
            while parent:
                tree = self.wildcards.get(parent)
                if tree is not None:
                    yield tree
                _, _, parent = parent.partition(".")
        if self.any_host is not None:
            yield self.any_host


class Index:
    """The routes of a table, indexed for matching. Immutable."""

    __slots__ = ("_heeding", "_ignoring", "_only", "size")

    def __init__(self, routes: Sequence[Route]) -> None:
        self._heeding = HostTrees()
        ignoring = HostTrees()
        self.size = len(routes)
        prepared = [
            [
                (MatchedRoute(route, each, number), predicates_of(each))
                for number, each in enumerate(route.matches, 1)
            ]
            for route in routes
        ]
        has_hosts = has_ignoring = False
        for place, (_, position, number, host) in enumerate(sorted(ranked(routes))):
            matched, predicates = prepared[position][number]
            path = matched.match.path
            ignores = path is not None and path.ignore_case
            trees = ignoring if ignores else self._heeding
            trees.tree_for(host, place).add(Entry(place, matched, predicates))
            has_hosts, has_ignoring = has_hosts or host != ANY_HOST, has_ignoring or ignores
        self._ignoring = ignoring if has_ignoring else None
        self._only = None if has_hosts or has_ignoring else self._heeding.any_host
        """The tree for any host that heeds case, if there is no other one."""

    def find(self, facts: Facts, path: bytes) -> MatchedRoute | None:
        """The route for one variant of the path, and its match; or None."""
        segments = path.split(b"/")
        del segments[0]
        if self._only is not None:
            best = self._only.best(segments, facts, path, None)
        else:
            best = self._best(segments, facts, path)
        return None if best is None else best.matched

    def _best(self, segments: Sequence[bytes], facts: Facts, path: bytes) -> Entry | None:
        host, best = host_name(facts.host), None
        for tree in self._heeding.of(host):
            if best is None or tree.first < best.rank:
                best = tree.best(segments, facts, path, best)
        if self._ignoring is not None:
            segments = without_case(path).split(b"/")[1:]
            for tree in self._ignoring.of(host):
                if best is None or tree.first < best.rank:
                    best = tree.best(segments, facts, path, best)
        return best


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
    if match_.path is not None and not fits(match_.path, path):
        return f"path {text(path)} is not {describe_path(match_.path)}"
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
