"""Warns where two requests that belong together take different routes by mistake.

Two habits of other proxies lead to this. A route that lists GET and not OPTIONS leaves the CORS preflights of its
clients to another backend. A regex that ignores case ranks behind each prefix that heeds it, so one spelling of a path
goes to the regex and another one to the prefix. Each warning is true: its example was looked up in the index of the
table. Only the matches, the backends and `cors` of the routes matter.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import re2
from msgspec import Struct
from msgspec.structs import replace

from proxy.config.checks.examples import host_of, path_of, request_of
from proxy.errors import Problem
from proxy.model import Facts, Route
from proxy.model.match import Match
from proxy.routing.match import Index
from proxy.routing.paths import segments_of

_MAX_WARNINGS = 100
_IGNORES_CASE = re.compile(r"\^?\(\?[a-zA-Z]*i[a-zA-Z]*\)\^?(?P<literal>/[^\\.\[\](){}*+?|^$]*)")
_TAILS = ("", "/", "/x", "/1")


class Misdirected(Struct, frozen=True):
    """A match by the position of its route and its number from 0, and another route that takes a part of it."""

    kind: Literal["preflight", "case"]
    route: int
    match: int
    other: int
    taken: str = ""
    """For `case`: a path that the other route takes, and a spelling of it that this one takes."""
    spelling: str = ""


def misdirected(routes: Sequence[Route], index: Index) -> tuple[Misdirected, ...]:
    """What is found, at most 100. `index` is that of `routes`."""
    search = _Search(routes, index)
    found: list[Misdirected] = []
    for position, route in enumerate(routes):
        for number, match in enumerate(route.matches):
            each = search.preflight(position, number) if _lacks_options(route, match) else None
            if each is None and match.path is not None and match.path.kind == "regex":
                each = search.case(position, number)
            if each is not None:
                found.append(each)
                break
        if len(found) == _MAX_WARNINGS:
            break
    return tuple(found)


def warning_of(found: Misdirected, routes: Sequence[Route]) -> Problem:
    """The warning for what was found in `routes`."""
    route, other = routes[found.route], routes[found.other]
    match = route.matches[found.match]
    several = route.match_positions
    line, column = several[found.match] if several else (route.line, 1)
    if found.kind == "preflight":
        shown = path_of(match) or "/"
        text = (
            f"a CORS preflight (OPTIONS {shown}) goes to the backends of `{other.name}`, "
            f"and its GET to those of `{route.name}`"
        )
        hint = "add OPTIONS to `methods`, or let the facade respond to preflights with `cors`"
        return Problem(line, column, text, hint, "warning")
    text = (
        f"`{other.name}` takes {found.taken} and `{route.name}` takes {found.spelling}: "
        "a regex ranks behind it"
    )
    hint = "write `prefix`, `exact` or `template` with `ignore_case: true` in place of the regex"
    return Problem(line, column, text, hint, "warning")


def _lacks_options(route: Route, match: Match) -> bool:
    """Whether preflights of GET may go elsewhere. A preflight has no cookies, and no fields of its request."""
    return (
        "GET" in match.methods
        and "OPTIONS" not in match.methods
        and route.cors is None
        and bool(route.backend_refs)
        and not (match.headers or match.cookies)
    )


class _Search:
    def __init__(self, routes: Sequence[Route], index: Index) -> None:
        self._routes = routes
        self._index = index
        self._positions = {route.name: position for position, route in enumerate(routes)}
        self._literals: dict[str, set[str]] | None = None

    def preflight(self, position: int, number: int) -> Misdirected | None:
        route = self._routes[position]
        match = route.matches[number]
        path = path_of(match)
        if path is None:
            return None
        request = replace(request_of(match, match, host_of(match), path), method="GET")
        other = self._taker(replace(request, method="OPTIONS"))
        if self._taker(request) is not route or other is None or other is route:
            return None
        mine, theirs = ({ref.backend for ref in each.backend_refs} for each in (route, other))
        if not theirs or mine <= theirs:
            return None
        return Misdirected("preflight", position, number, self._positions[other.name])

    def case(self, position: int, number: int) -> Misdirected | None:
        route = self._routes[position]
        match = route.matches[number]
        regex = "" if match.path is None else match.path.value
        literal = _IGNORES_CASE.match(regex)
        if literal is None:
            return None
        paths = [
            path
            for tail in _TAILS
            for path in self._spellings(literal["literal"].rstrip("/") + tail)
            if re2.fullmatch(regex, path)
        ]
        takers = [(path, self._taker(self._request(match, path))) for path in paths]
        mine = [path for path, taker in takers if taker is route]
        for path, taker in takers if mine else ():
            spelling = next((each for each in mine if each.lower() == path.lower()), None)
            if spelling and taker is not None and taker is not route and not _is_regex(taker):
                other = self._positions[taker.name]
                return Misdirected("case", position, number, other, path, spelling)
        return None

    def _request(self, match: Match, path: str) -> Facts:
        return request_of(match, match, host_of(match), path)

    def _taker(self, request: Facts) -> Route | None:
        found = self._index.find(request, request.path)
        return None if found is None else found.route

    def _spellings(self, path: str) -> Iterator[str]:
        """`path` in several spellings, among them those of the paths of the table that are above it."""
        yield from dict.fromkeys((path, path.lower(), path.upper()))
        segments = path.split("/")
        for count in range(2, len(segments) + 1):
            above = "/".join(segments[:count])
            rest = path[len(above) :]
            for literal in sorted(self._written().get(above.lower(), ())):
                yield literal + rest

    def _written(self) -> dict[str, set[str]]:
        """The paths of the table, by their lower case."""
        if self._literals is None:
            self._literals = {}
            for route in self._routes:
                for match in route.matches:
                    if match.path is not None and match.path.kind in ("exact", "prefix"):
                        value = "/" + "/".join(segments_of(match.path.value))
                        self._literals.setdefault(value.lower(), set()).add(value)
        return self._literals


def _is_regex(route: Route) -> bool:
    return all(each.path is not None and each.path.kind == "regex" for each in route.matches)
