"""Routes that no request can reach, because one better-placed route takes all that they take.

Theory of operation. Routes are looked at in the order of rule 2, so that whatever was seen before a
route is better placed. A route that takes all of another one shares its host (or has none), begins
with the same path segments (or has no path) and asks for nothing that the other does not ask for:
three keys by which the few candidates are found without comparing all with all. `_covers` then
decides. It says yes only where that is certain, so no reachable route is ever refused; what several
routes take together, and what one regex takes of another, is not looked for; a regex that is written as
"everything" is known.
"""

from collections.abc import Iterator, Sequence

import re2

from proxy.errors import Problem
from proxy.model import Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.match import precedence
from proxy.routing.paths import is_parameter, segments_of

_MAX_CANDIDATES = 200
"""Looked at for one key. More share it only in tables that no person wrote."""

_Wanted = tuple[str, StringMatch]
_Key = tuple[str, object, object]
_ANY_HOST = ""
# A path begins with a slash, and control characters, which a dot does not take, are refused in it.
_ANY_PATH = frozenset((".*", "/.*", ".+", "/?.*", "(.*)", "/(.*)"))


def unreachable(routes: Sequence[Route]) -> list[Problem]:
    """One error for each route that another one hides, in file order."""
    order = sorted(range(len(routes)), key=lambda position: precedence(routes[position], position))
    seen: dict[_Key, list[Route]] = {}
    found: list[tuple[int, Problem]] = []
    for position in order:
        route = routes[position]
        cover = _cover_of(route, seen)
        if cover is not None:
            found.append((position, _problem(route, cover)))
            continue
        for key in _keys_of_cover(route.match):
            seen.setdefault(key, []).append(route)
    return [problem for _, problem in sorted(found, key=lambda each: each[0])]


def _problem(route: Route, cover: Route) -> Problem:
    where = f"`{cover.name}` (line {cover.line})" if cover.line else f"`{cover.name}`"
    if cover.match == route.match:
        text = f"the route `{route.name}` takes exactly what {where} takes"
        return Problem(route.line, 1, text, "join the two, or tell them apart by more than order")
    text = f"no request reaches the route `{route.name}`: {where} takes all of it"
    hint = f"narrow `{cover.name}`, or give `{route.name}` a higher `priority`"
    return Problem(route.line, 1, text, hint)


def _cover_of(route: Route, seen: dict[_Key, list[Route]]) -> Route | None:
    for key in _keys_of_covered(route.match):
        for candidate in seen.get(key, ())[:_MAX_CANDIDATES]:
            if _covers(candidate.match, route.match):
                return candidate
    return None


# --- the keys under which a route is filed, and looked for ------------------------------------


def _keys_of_cover(match: Match) -> Iterator[_Key]:
    """Where a route is filed as one that may take all of others."""
    path = _filed_path(match.path)
    wanted = _filed_value(match)
    for host in match.hosts or (_ANY_HOST,):
        yield host, path, wanted


def _keys_of_covered(match: Match) -> Iterator[_Key]:
    """Where to look for one that takes all of this: each key under which such a one is filed."""
    hosts = [_ANY_HOST, *(_hosts_above(match.hosts[0]) if match.hosts else ())]
    values = [None, *(key for each in _wanted(match) for key in _value_keys(*each))]
    for path in _paths_above(match.path):
        for host in hosts:
            for value in values:
                yield host, path, value


def _filed_path(path: PathMatch | None) -> object:
    if path is None or _takes_all(path):
        return ("prefix",)
    if path.kind == "prefix":
        return ("prefix", *segments_of(path.value))
    if path.kind == "exact":
        return ("exact", path.value.rstrip("/"))
    if path.kind == "template":
        segments = segments_of(path.value)
        return ("template", len(segments), *_literal_head(segments))
    return "regex"


def _paths_above(path: PathMatch | None) -> Iterator[object]:
    segments = segments_of(path.value) if path is not None and path.kind != "regex" else []
    head = _literal_head(segments)
    for count in range(len(head) + 1):
        yield ("prefix", *head[:count])
    if path is None:
        return
    if path.kind == "exact":
        yield ("exact", path.value.rstrip("/"))
    if path.kind in ("exact", "template"):
        for count in range(len(head) + 1):
            yield ("template", len(segments), *head[:count])
    if path.kind in ("exact", "regex"):
        yield "regex"


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


def _wanted(match: Match) -> Iterator[_Wanted]:
    for what, values in (
        ("header", match.headers),
        ("query", match.query),
        ("cookie", match.cookies),
    ):
        for value in values:
            yield what, value


def _filed_value(match: Match) -> object:
    wanted = sorted(_wanted(match), key=lambda each: each[1].kind != "exact")
    return next(_value_keys(*wanted[0])) if wanted else None


def _value_keys(what: str, value: StringMatch) -> Iterator[object]:
    if value.kind == "exact":
        yield what, value.name, value.value
    yield what, value.name


# --- whether one match takes all that another takes -------------------------------------------


def _covers(upper: Match, lower: Match) -> bool:
    return (
        _methods_cover(upper.methods, lower.methods)
        and _hosts_cover(upper.hosts, lower.hosts)
        and _path_covers(upper.path, lower.path)
        and _values_cover(upper, lower)
    )


def _methods_cover(upper: Sequence[str], lower: Sequence[str]) -> bool:
    return not upper or (bool(lower) and set(upper) >= set(lower))


def _hosts_cover(upper: Sequence[str], lower: Sequence[str]) -> bool:
    if not upper:
        return True
    names = set(upper)
    return bool(lower) and all(any(host in names for host in _hosts_above(each)) for each in lower)


def _values_cover(upper: Match, lower: Match) -> bool:
    given = list(_wanted(lower))
    return all(any(_implies(each, wanted) for each in given) for wanted in _wanted(upper))


def _implies(given: _Wanted, wanted: _Wanted) -> bool:
    """Whether a request that has `given` always has `wanted`."""
    if given == wanted:
        return True
    (what, have), (other, want) = given, wanted
    if what != other or have.name != want.name or have.kind == "present":
        return False
    if want.kind == "present":
        return want.value == "true"
    if want.kind == "prefix":
        return have.kind in ("exact", "prefix") and have.value.startswith(want.value)
    return want.kind == "regex" and have.kind == "exact" and _fits(want.value, have.value)


def _path_covers(upper: PathMatch | None, lower: PathMatch | None) -> bool:
    if upper is None or _takes_all(upper):
        return True
    if lower is None or lower.kind == "regex":
        return upper == lower
    if lower.kind == "exact":
        return all(_takes(upper, path) for path in _paths_of(lower))
    if upper.kind == "prefix":
        wanted = segments_of(upper.value)
        return _literal_head(segments_of(lower.value))[: len(wanted)] == wanted
    return upper.kind == lower.kind == "template" and _template_covers(upper, lower)


def _takes_all(path: PathMatch) -> bool:
    """Whether it is written so that every path fits. What other regexes come to is not looked into."""
    if path.kind == "regex":
        return path.value.removeprefix("^").removesuffix("$") in _ANY_PATH
    return path.kind == "prefix" and not segments_of(path.value)


def _paths_of(exact: PathMatch) -> tuple[str, ...]:
    if not exact.ignore_trailing_slash:
        return (exact.value,)
    bare = exact.value.rstrip("/")
    return (bare, f"{bare}/") if bare else ("/",)


def _takes(upper: PathMatch, path: str) -> bool:
    """Whether `upper` takes this one path."""
    match upper.kind:
        case "exact":
            return path in _paths_of(upper)
        case "prefix":
            wanted = segments_of(upper.value)
            return path.split("/")[1 : len(wanted) + 1] == wanted
        case "regex":
            return _fits(upper.value, path)
        case _:
            return _template_covers(upper, PathMatch("exact", path))


def _template_covers(upper: PathMatch, lower: PathMatch) -> bool:
    """`lower` is a template, or an exact path taken as one without parameters."""
    slashes = (upper.value.endswith("/"), lower.value.endswith("/"))
    if not upper.ignore_trailing_slash and (
        slashes[0] != slashes[1] or lower.ignore_trailing_slash
    ):
        return False
    above, below = segments_of(upper.value), segments_of(lower.value)
    rules, others = dict(upper.params), dict(lower.params)
    return len(above) == len(below) and all(
        _segment_covers(one, other, rules, others) for one, other in zip(above, below, strict=True)
    )


def _segment_covers(upper: str, lower: str, rules: dict[str, str], others: dict[str, str]) -> bool:
    if not is_parameter(upper):
        return upper == lower
    rule = rules.get(upper[1:-1])
    if rule is None:
        return True
    if is_parameter(lower):
        return rule == others.get(lower[1:-1])
    return _fits(rule, lower)


def _fits(regex: str, value: str) -> bool:
    return bool(re2.fullmatch(regex.encode(), value.encode()))
