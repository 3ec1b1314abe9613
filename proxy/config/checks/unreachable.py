"""Finds matches that no request can reach, because one match with higher precedence covers them.

Theory of operation. Matches are visited in order of precedence (rule 2), each once for each of its hosts. A match that
covers another one has the same host or a wider one, the same first path segments (or no path), and no header, query
or cookie match that the other lacks. These three parts form a key, by which the few candidates are found without
comparing all pairs.

`covers` then decides. It is true only where that is certain, so no reachable match is refused. Not detected are
matches that several others cover together under one host, and a regex that covers another regex; a regex that is
written as "everything" is detected.
"""

from collections.abc import Iterator, Sequence

from proxy.config.checks.covers import (
    covers,
    hosts_above,
    literal_without_case,
    matches_every_path,
    takes_all,
    value_matches,
)
from proxy.errors import Problem
from proxy.model import MatchedRoute, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.path_ruling import name_of
from proxy.routing.paths import is_parameter, segments_of
from proxy.routing.precedence import ANY_HOST, in_order

_MAX_CANDIDATES = 200
"""Candidates that are compared for one key. Only generated tables have more."""

_Key = tuple[str, object, object]


def unreachable(routes: Sequence[Route]) -> list[Problem]:
    """One error for each unreachable match, in file order."""
    earlier: dict[_Key, list[MatchedRoute]] = {}
    hidden: dict[tuple[int, int], MatchedRoute] = {}
    reached: set[tuple[int, int]] = set()
    for _, position, number, host in in_order(routes):
        route = routes[position]
        match = route.matches[number]
        cover = _own_exclusion(route, number) or _cover_of(match, host, earlier)
        if cover is not None:
            hidden.setdefault((position, number), cover)
            continue
        reached.add((position, number))
        key = _key_of_cover(match, host)
        earlier.setdefault(key, []).append(MatchedRoute(route, match, number + 1))
    while earlier:
        earlier.popitem()  # See `freeing`.
    return list(_problems(routes, {at: hidden[at] for at in sorted(hidden.keys() - reached)}))


def _problems(
    routes: Sequence[Route], hidden: dict[tuple[int, int], MatchedRoute]
) -> Iterator[Problem]:
    """`hidden` are the unreachable matches, by position of the route and index of the match."""
    for (position, number), cover in hidden.items():
        route = routes[position]
        if len(route.matches) == 1:
            yield _problem(route, cover)
        else:
            yield _problem_of_match(route, number, cover)


def _own_exclusion(route: Route, number: int) -> MatchedRoute | None:
    """The match itself, if its `not` leaves nothing of it."""
    match = route.matches[number]
    if match.excluded and any(takes_all(each, match) for each in match.excluded):
        return MatchedRoute(route, match, number + 1)
    return None


def _problem(route: Route, cover: MatchedRoute) -> Problem:
    if cover.route is route:
        text = f"no request reaches the route `{route.name}`: its `not` leaves nothing of it"
        return Problem(route.line, 1, text, "narrow `not`")
    where = _where(cover)
    if cover.match == route.matches[0]:
        text = f"the route `{route.name}` takes exactly what {where} takes"
        return Problem(route.line, 1, text, "join the two, or tell them apart by more than order")
    text = f"no request reaches the route `{route.name}`: {where} takes all of it"
    hint = f"narrow `{cover.route.name}`, or give `{route.name}` a higher `priority`"
    return Problem(route.line, 1, text, hint)


def _problem_of_match(route: Route, number: int, cover: MatchedRoute) -> Problem:
    line, column = route.match_positions[number] if route.match_positions else (route.line, 1)
    if cover.match is route.matches[number]:
        text = f"no request reaches match {number + 1} of `{route.name}`"
        text += ": its `not` leaves nothing of it"
        return Problem(line, column, text, "narrow `not`")
    within = cover.route is route
    other = f"match {cover.number}" if within else _where(cover)
    text = f"no request reaches match {number + 1} of `{route.name}`: {other} takes all of it"
    hint = "leave it out" if within else f"leave it out, or narrow `{cover.route.name}`"
    return Problem(line, column, text, hint)


def _where(cover: MatchedRoute) -> str:
    line = f" (line {cover.route.line})" if cover.route.line else ""
    return f"`{name_of(cover)}`{line}"


def _cover_of(
    match: Match, host: str, earlier: dict[_Key, list[MatchedRoute]]
) -> MatchedRoute | None:
    """What takes everything that `match` takes of `host`, which is one of its hosts."""
    for key in _keys_of_covered(match, host):
        for candidate in earlier.get(key, ())[:_MAX_CANDIDATES]:
            if candidate.match is not match and covers(candidate.match, match):
                return candidate
    return None


# --- keys for storing and finding covering routes ---------------------------------------------


def _key_of_cover(match: Match, host: str) -> _Key:
    """The key under which a match is stored as a candidate for covering others."""
    return host, _path_key(match.path), _value_key(match)


def _keys_of_covered(match: Match, host: str) -> Iterator[_Key]:
    """The keys under which everything that covers `match` for `host` is stored."""
    hosts = [ANY_HOST, *(hosts_above(host) if host else ())]
    values = [None, *(key for each in value_matches(match) for key in _value_keys(*each))]
    for path in _paths_above(match.path):
        for above in hosts:
            for value in values:
                yield above, path, value


def _path_key(path: PathMatch | None) -> object:
    if path is None or matches_every_path(path):
        return ("prefix",)
    segments = _segments(path)
    if path.kind == "prefix":
        return ("prefix", *segments)
    if path.kind == "exact":
        return ("exact", *segments)
    if path.kind == "template":
        count = None if path.tail else len(segments)
        return ("template", count, *_literal_head(segments))
    return "regex"


def _paths_above(path: PathMatch | None) -> Iterator[object]:
    segments = _segments(path) if path is not None and path.kind != "regex" else []
    head = _literal_head(segments)
    for count in range(len(head) + 1):
        yield ("prefix", *head[:count])
        yield ("template", None, *head[:count])
    if path is None:
        return
    if path.kind == "exact":
        yield ("exact", *segments)
    if path.kind in ("exact", "template"):
        for count in range(len(head) + 1):
            yield ("template", len(segments), *head[:count])
    if path.kind in ("exact", "regex"):
        yield "regex"


def _segments(path: PathMatch) -> list[str]:
    """The segments without case: paths that heed it and paths that ignore it have the same keys."""
    return [literal_without_case(segment) for segment in segments_of(path.value)]


def _literal_head(segments: Sequence[str]) -> list[str]:
    head = []
    for segment in segments:
        if is_parameter(segment):
            break
        head.append(segment)
    return head


def _value_key(match: Match) -> object:
    values = sorted(value_matches(match), key=lambda each: each[1].kind != "exact")
    return next(_value_keys(*values[0])) if values else None


def _value_keys(what: str, value: StringMatch) -> Iterator[object]:
    if value.kind == "exact":
        yield what, value.name, value.value
    yield what, value.name
