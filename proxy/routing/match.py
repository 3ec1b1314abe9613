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

from proxy.model import Facts, Match, MatchedRoute, Route
from proxy.routing.hosts import host_matches, host_name
from proxy.routing.path_ruling import Ruling, policies_of, rule
from proxy.routing.path_shape import fits
from proxy.routing.path_tree import Entry, Node, PathTree
from proxy.routing.paths import is_plain, without_case
from proxy.routing.precedence import ANY_HOST, in_order
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

    def all(self) -> Iterator[PathTree]:
        """The trees of every host."""
        yield from self.hosts.values()
        yield from self.wildcards.values()
        if self.any_host is not None:
            yield self.any_host


class Index:
    """The routes of a table, indexed for matching. Immutable."""

    __slots__ = ("_heeding", "_ignoring", "_only", "policies", "size")

    def __init__(self, routes: Sequence[Route]) -> None:
        self._heeding = HostTrees()
        ignoring = HostTrees()
        self.size = len(routes)
        self.policies = policies_of(routes)
        prepared = [
            [
                (MatchedRoute(route, each, number), predicates_of(each))
                for number, each in enumerate(route.matches, 1)
            ]
            for route in routes
        ]
        has_hosts = has_ignoring = False
        for place, (_, position, number, host) in enumerate(in_order(routes)):
            matched, predicates = prepared[position][number]
            path = matched.match.path
            ignores = path is not None and path.ignore_case
            trees = ignoring if ignores else self._heeding
            trees.tree_for(host, place).add(Entry(place, matched, predicates))
            has_hosts, has_ignoring = has_hosts or host != ANY_HOST, has_ignoring or ignores
        self._ignoring = ignoring if has_ignoring else None
        self._only = None if has_hosts or has_ignoring else self._heeding.any_host
        """The tree for any host that heeds case, if there is no other one."""

    def nodes(self) -> Iterator[Node]:
        """The nodes of all trees, each before those below it."""
        for trees in (self._heeding, self._ignoring):
            for tree in trees.all() if trees is not None else ():
                yield from tree.nodes()

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
    routes, or to different matches of a route that rewrites the path by what matched, and no policy settles which of
    them holds (rule 12).
    """
    if is_plain(facts.path):
        return index.find(facts, facts.path)
    ruling = ruling_for(index, facts)
    if ruling.error is not None:
        raise ruling.error
    return ruling.matched


def ruling_for(index: Index, facts: Facts) -> Ruling:
    """The ruling on the path of a request. Raises BadRequest for a path that must not be forwarded."""
    if is_plain(facts.path):
        return Ruling(index.find(facts, facts.path), facts.path)
    return rule(
        facts.path,
        index.policies,
        lambda path: index.find(facts, path),
        lambda matched, path: first_failure(matched.match, facts, path) is None,
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
