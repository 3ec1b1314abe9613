"""Finds matches that no request can reach, because one match with higher precedence covers them.

Theory of operation. Matches are visited in order of precedence (rule 2), each once for each of its hosts. A match that
covers another one has the same host or a wider one, the same first path segments (or no path), and no header, query
or cookie match that the other lacks. These three parts form a key, by which the few candidates are found without
comparing all pairs.

`_covers` then decides. It is true only where that is certain, so no reachable match is refused. Not detected are
matches that several others cover together under one host, and a regex that covers another regex; a regex that is
written as "everything" is detected.
"""

from collections.abc import Iterator, Sequence

import re2

from proxy.errors import Problem
from proxy.model import MatchedRoute, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.match import name_of
from proxy.routing.paths import is_parameter, segments_of, without_case
from proxy.routing.precedence import ANY_HOST, ranked

_MAX_CANDIDATES = 200
"""Candidates that are compared for one key. Only generated tables have more."""

_ValueMatch = tuple[str, StringMatch]
_Key = tuple[str, object, object]
# Each matches every path: a path starts with a slash and has no control characters, which a dot does not match.
_ANY_PATH = frozenset((".*", "/.*", ".+", "/?.*", "(.*)", "/(.*)"))


def unreachable(routes: Sequence[Route]) -> list[Problem]:
    """One error for each unreachable match, in file order."""
    earlier: dict[_Key, list[MatchedRoute]] = {}
    covers: dict[tuple[int, int], MatchedRoute] = {}
    reached: set[tuple[int, int]] = set()
    for _, position, number, host in sorted(ranked(routes)):
        route = routes[position]
        match = route.matches[number]
        cover = _own_exclusion(route, number) or _cover_of(match, host, earlier)
        if cover is not None:
            covers.setdefault((position, number), cover)
            continue
        reached.add((position, number))
        key = _key_of_cover(match, host)
        earlier.setdefault(key, []).append(MatchedRoute(route, match, number + 1))
    return list(_problems(routes, {at: covers[at] for at in sorted(covers.keys() - reached)}))


def _problems(
    routes: Sequence[Route], covers: dict[tuple[int, int], MatchedRoute]
) -> Iterator[Problem]:
    """`covers` are the unreachable matches, by position of the route and index of the match."""
    for (position, number), cover in covers.items():
        route = routes[position]
        if len(route.matches) == 1:
            yield _problem(route, cover)
        else:
            yield _problem_of_match(route, number, cover)


def _own_exclusion(route: Route, number: int) -> MatchedRoute | None:
    """The match itself, if its `not` leaves nothing of it."""
    match = route.matches[number]
    if match.excluded and any(_takes_all(each, match) for each in match.excluded):
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
            if candidate.match is not match and _covers(candidate.match, match):
                return candidate
    return None


# --- keys for storing and finding covering routes ---------------------------------------------


def _key_of_cover(match: Match, host: str) -> _Key:
    """The key under which a match is stored as a candidate for covering others."""
    return host, _path_key(match.path), _value_key(match)


def _keys_of_covered(match: Match, host: str) -> Iterator[_Key]:
    """The keys under which everything that covers `match` for `host` is stored."""
    hosts = [ANY_HOST, *(_hosts_above(host) if host else ())]
    values = [None, *(key for each in _value_matches(match) for key in _value_keys(*each))]
    for path in _paths_above(match.path):
        for above in hosts:
            for value in values:
                yield above, path, value


def _path_key(path: PathMatch | None) -> object:
    if path is None or _matches_every_path(path):
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
    return [_without_case(segment) for segment in segments_of(path.value)]


def _without_case(segment: str) -> str:
    return segment if is_parameter(segment) else without_case(segment.encode()).decode()


def _literal_head(segments: Sequence[str]) -> list[str]:
    head = []
    for segment in segments:
        if is_parameter(segment):
            break
        head.append(segment)
    return head


def _hosts_above(host: str) -> Iterator[str]:
    yield host
    labels = host.removeprefix("*.")
    while "." in labels:
        labels = labels.partition(".")[2]
        yield f"*.{labels}"


def _value_matches(match: Match) -> Iterator[_ValueMatch]:
    for what, values in (
        ("header", match.headers),
        ("query", match.query),
        ("cookie", match.cookies),
    ):
        for value in values:
            yield what, value


def _value_key(match: Match) -> object:
    values = sorted(_value_matches(match), key=lambda each: each[1].kind != "exact")
    return next(_value_keys(*values[0])) if values else None


def _value_keys(what: str, value: StringMatch) -> Iterator[object]:
    if value.kind == "exact":
        yield what, value.name, value.value
    yield what, value.name


# --- whether one match covers another ---------------------------------------------------------


def _covers(upper: Match, lower: Match) -> bool:
    """Whether `upper` takes everything that `lower` takes, hosts aside: the keys have them."""
    return (
        _methods_cover(upper.methods, lower.methods)
        and upper.scheme in (None, lower.scheme)
        and _path_covers(upper.path, lower.path)
        and _values_cover(upper, lower)
        and all(any(_takes_all(mine, other) for mine in lower.excluded) for other in upper.excluded)
    )


def _takes_all(upper: Match, lower: Match) -> bool:
    """Whether `upper` takes everything that `lower` takes, hosts included."""
    hosts = not upper.hosts or (
        bool(lower.hosts)
        and all(any(each in upper.hosts for each in _hosts_above(host)) for host in lower.hosts)
    )
    return hosts and _covers(upper, lower)


def _methods_cover(upper: Sequence[str], lower: Sequence[str]) -> bool:
    return not upper or (bool(lower) and set(upper) >= set(lower))


def _values_cover(upper: Match, lower: Match) -> bool:
    given = list(_value_matches(lower))
    return all(any(_implies(each, match) for each in given) for match in _value_matches(upper))


def _implies(given: _ValueMatch, implied: _ValueMatch) -> bool:
    """Whether every request that matches `given` matches `implied`."""
    if given == implied:
        return True
    (kind, lower), (other_kind, upper) = given, implied
    if kind != other_kind or lower.name != upper.name or lower.kind == "present":
        return False
    if upper.kind == "present":
        return upper.value == "true"
    if upper.members != lower.members:
        return False
    if upper.kind == "prefix":
        return lower.kind in ("exact", "prefix") and lower.value.startswith(upper.value)
    if upper.kind != "regex" or lower.kind != "exact":
        return False
    return _regex_matches(upper.value, lower.value)


def _path_covers(upper: PathMatch | None, lower: PathMatch | None) -> bool:
    if upper is None or _matches_every_path(upper):
        return True
    if lower is None or lower.kind == "regex" or upper.kind == "regex":
        return upper == lower or (
            upper.kind == "regex"
            and lower is not None
            and lower.kind == "exact"
            and not _has_variants(lower, lower.value)
            and all(_regex_matches(upper.value, path) for path in _paths_of(lower))
        )
    above, below = segments_of(upper.value), segments_of(lower.value)
    if upper.is_open:
        below = below[: len(above)]
    elif lower.is_open or not _slash_covers(upper, lower):
        return False
    return len(above) == len(below) and all(
        _segment_covers(upper, lower, one, other) for one, other in zip(above, below, strict=True)
    )


def _matches_every_path(path: PathMatch) -> bool:
    """Whether this is written as a match for every path. Other regexes are not analysed."""
    if path.kind == "regex":
        return path.value.removeprefix("^").removesuffix("$") in _ANY_PATH
    return path.kind == "prefix" and not segments_of(path.value)


def _paths_of(exact: PathMatch) -> tuple[str, ...]:
    if not exact.ignore_trailing_slash:
        return (exact.value,)
    bare = exact.value.rstrip("/")
    return (bare, f"{bare}/") if bare else ("/",)


def _slash_covers(upper: PathMatch, lower: PathMatch) -> bool:
    """Whether the trailing slashes that `lower` takes are those that `upper` takes. Neither is open."""
    if upper.ignore_trailing_slash:
        return True
    slashes = (upper.value.endswith("/"), lower.value.endswith("/"))
    return slashes[0] == slashes[1] and not (
        lower.ignore_trailing_slash and len(_paths_of(lower)) > 1
    )


def _segment_covers(upper: PathMatch, lower: PathMatch, one: str, other: str) -> bool:
    """Whether the segment `one` of `upper` takes all that the segment `other` of `lower` takes."""
    if not is_parameter(one):
        if upper.ignore_case:
            return _without_case(one) == _without_case(other)
        return one == other and not _has_variants(lower, other)
    rule = dict(upper.params).get(one[1:-1])
    if rule is None:
        return True
    if is_parameter(other):
        return rule == dict(lower.params).get(other[1:-1])
    return not _has_variants(lower, other) and _regex_matches(rule, other)


def _has_variants(path: PathMatch, text: str) -> bool:
    """Whether a literal of a path stands for other spellings, too."""
    return path.ignore_case and text.lower() != text.upper()


def _regex_matches(regex: str, value: str) -> bool:
    return bool(re2.fullmatch(regex.encode(), value.encode()))
