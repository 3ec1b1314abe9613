"""Warns where a table decides otherwise than before the host came first (ADR 23).

Theory of operation. For each route, a tree of all paths gives the routes whose paths overlap with its own. Of a pair
whose order has changed, a request is made that both may take. If the first of all routes that take it is another one by
the old order than by rule 2, this is a warning, with the request as its example. So each warning is true. Not all
changes are found: a regex that no other route's path fits is not compared, and of a large table only some pairs are.
Routes that use what 0.1 did not have are written for today's order: they are not compared.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from msgspec import Struct

from proxy.config.checks.examples import request_of, segment_choices, with_label
from proxy.errors import Problem
from proxy.freeing import free_in_parts
from proxy.model import Facts, MatchedRoute, Route
from proxy.model.match import Match
from proxy.routing.hosts import host_matches, host_name, matching_host
from proxy.routing.match import Index
from proxy.routing.path_tree import Entry, Node, PathTree
from proxy.routing.paths import is_parameter, segments_of
from proxy.routing.precedence import ANY_HOST, Rank, ranked
from proxy.routing.predicates import predicates_of

_MAX_STEPS = 200_000
"""Nodes and routes that are looked at. It takes less than a second."""
_MAX_CHILDREN = 100
"""Literal segments that are tried for a parameter."""
_MAX_WARNINGS = 100
_HINT = "give the one that has to go first a higher `priority`"


class ChangedPair(Struct, frozen=True):
    """Two routes by their positions in the file, and a request that the one takes and the other one took."""

    now: int
    before: int
    request: str


def changed_pairs(routes: Sequence[Route], index: Index) -> tuple[ChangedPair, ...]:
    """Every pair that is found, once. Only the matches of the routes matter. `index` is that of `routes`."""
    if not any(_may_differ(match) for route in routes for match in route.matches):
        return ()
    search = _Search(routes)
    positions = {route.name: position for position, route in enumerate(routes)}
    pairs: dict[tuple[int, int], ChangedPair] = {}
    for request in search.requests():
        before, now = search.old_route(request), index.find(request, request.path)
        if before is None or now is None or now.route is before or not _is_old(now):
            continue
        pair = (positions[now.route.name], positions[before.name])
        pairs.setdefault(pair, ChangedPair(*pair, _shown(request)))
        if len(pairs) >= _MAX_WARNINGS:
            break
    parts = search.parts()
    del search
    free_in_parts(parts)
    return tuple(pairs[pair] for pair in sorted(pairs))


def _may_differ(match: Match) -> bool:
    """Whether the two orders may rank this match differently."""
    has_template = match.path is not None and match.path.kind == "template"
    return bool(match.hosts or match.headers or match.query or match.cookies or has_template)


def _old_rank(matched: MatchedRoute, position: int) -> Rank:
    """The order before ADR 23: the path before the host, all conditions counted together."""
    match, literals = matched.match, 0
    if match.path is not None and match.path.kind in ("prefix", "template"):
        literals = sum(not is_parameter(segment) for segment in segments_of(match.path.value))
    kinds = {"exact": 0, "prefix": 1, "template": 1, "regex": 2}
    kind = 3 if match.path is None else kinds[match.path.kind]
    hosts = 2 if not match.hosts else min(int(host.startswith("*")) for host in match.hosts)
    count = len(match.headers) + len(match.query) + len(match.cookies)
    priority = matched.route.priority
    return (-priority, kind, -literals, hosts, int(not match.methods), -count, position)


def warning_of(pair: ChangedPair, routes: Sequence[Route]) -> Problem:
    """The warning for a pair of `routes`."""
    now, before = routes[pair.now], routes[pair.before]
    line = f" (line {before.line})" if before.line else ""
    text = (
        f"`{now.name}` now goes before `{before.name}`{line}, which took {pair.request} "
        "until 0.1: precedence has changed (rule 2)"
    )
    return Problem(now.line, 1, text, _HINT, "warning")


def _shown(request: Facts) -> str:
    query = b"?" + request.query if request.query else b""
    target = (request.host + request.path + query).decode()
    fields = ", ".join(f"{name.decode()}: {value.decode()}" for name, value in request.headers)
    return f"{request.method} {target}{f' with {fields}' if fields else ''}"


class _Search:
    """Finds requests that two routes take whose order has changed. An entry's rank is its place in the file."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._steps = 0
        self._tree = PathTree()
        self._entries: list[Entry] = []
        self._new: list[dict[str, Rank]] = []
        for rank, position, number, host in ranked(routes):
            matched = MatchedRoute(routes[position], routes[position].matches[number])
            if not _is_old(matched):
                continue
            if not self._entries or self._entries[-1].matched.match is not matched.match:
                entry = Entry(len(self._entries), matched, predicates_of(matched.match))
                self._entries.append(entry)
                self._new.append({})
                self._tree.add(entry)
            self._new[-1][host] = rank
        self._old = [_old_rank(entry.matched, entry.rank) for entry in self._entries]

    def parts(self) -> list[Any]:
        """What it refers to, for `free_in_parts`."""
        return [*self._entries, *self._new, *self._old, *reversed([*self._tree.nodes()])]

    def old_route(self, request: Facts) -> Route | None:
        """The route that took the request by the old order."""
        first: Entry | None = None
        groups = self._tree.candidates(request.path.split(b"/")[1:])
        host = host_name(request.host)
        for entry in chain(*groups, self._tree.without_path):
            self._steps += 1
            hosts = entry.matched.match.hosts
            if (
                (first is None or self._old[entry.rank] < self._old[first.rank])
                and (not hosts or matching_host(hosts, host) is not None)
                and all(each.holds(request, request.path) for each in entry.predicates)
            ):
                first = entry
        return None if first is None else first.matched.route

    def requests(self) -> Iterator[Facts]:
        """Requests that two routes may take whose order has changed."""
        # Those with a path first: they have the fewest candidates.
        for entry in sorted(self._entries, key=lambda entry: entry.matched.match.path is None):
            for group, path in self._overlapping(entry.matched.match):
                for other in group:
                    self._steps += 1
                    for host in self._changed(entry, other):
                        yield request_of(entry.matched.match, other.matched.match, host, path)
                    if self._steps > _MAX_STEPS:
                        return

    def _changed(self, one: Entry, other: Entry) -> Iterator[str]:
        """A host for each two hosts of the routes that overlap and rank the two in another order than before."""
        old = self._old[one.rank] < self._old[other.rank]
        for mine, rank in self._new[one.rank].items():
            for others, other_rank in self._new[other.rank].items():
                if old != (rank < other_rank) and (host := _common_host(mine, others)):
                    yield host

    def _overlapping(self, match: Match) -> Iterator[tuple[list[Entry], str]]:
        """Entries whose paths overlap with that of `match`, each group with a path that both match."""
        choices = segment_choices(match)
        if choices is None:
            return
        yield self._tree.without_path, "/" + "/".join(options[0] for options in choices)
        waiting: list[tuple[Node, str, int]] = [(self._tree.root, "", 0)]
        while waiting and self._steps <= _MAX_STEPS:
            node, before, depth = waiting.pop()
            self._steps += 1
            if node.prefixes:
                rest = "".join(f"/{options[0]}" for options in choices[depth:])
                yield node.prefixes, (before + rest) or "/"
            if depth < len(choices):
                waiting += _below(node, choices[depth], before, depth + 1)
            elif node.ends:
                yield node.ends, before


def _is_old(matched: MatchedRoute) -> bool:
    """Whether 0.1 could have had the route."""
    path = matched.match.path
    is_new = (path is not None and (path.ignore_case or path.tail)) or (
        matched.match.scheme is not None
        or matched.match.excluded != ()
        or any(each.members for each in matched.match.headers)
    )
    return len(matched.route.matches) == 1 and not is_new


def _below(
    node: Node, choices: tuple[str, ...], before: str, depth: int
) -> Iterator[tuple[Node, str, int]]:
    if node.star is not None:
        yield node.star, f"{before}/{choices[0]}", depth
    children = node.children or {}
    if len(choices) == 1:
        child = children.get(choices[0].encode())
        if child is not None:
            yield child, f"{before}/{choices[0]}", depth
        return
    for key in islice(children, _MAX_CHILDREN):
        if key:
            yield children[key], f"{before}/{key.decode()}", depth


def _common_host(one: str, other: str) -> str | None:
    """A host that both match; `ANY_HOST` matches every host. None if there is none."""
    if ANY_HOST in (one, other):
        return with_label(one or other or "www.example")
    wide, narrow = sorted((one, other), key=lambda each: (not each.startswith("*"), len(each)))
    host = with_label(narrow)
    return host if wide == narrow or host_matches(wide, host) else None
