"""Warnings: valid values that are probably mistakes."""

from collections.abc import Iterator

from proxy.config.documents.matches import MatchDoc, MatchPartsDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault, nearest
from proxy.config.tree import Loc

# RFC 9110, RFC 5789 and WebDAV (RFC 4918, RFC 3253, RFC 5323).
METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
)


def route_warnings(route: RouteDoc, allowed: frozenset[str]) -> Iterator[Fault]:
    """Warnings for one route. `allowed` are the names in `forwarded.allow_headers` (rule 14)."""
    for number, match in enumerate(route.match):
        yield from _match_warnings(match, ("match", number), allowed)
        yield from _excluded_warnings(match, ("match", number), allowed)


def _match_warnings(match: MatchPartsDoc, at: Loc, allowed: frozenset[str]) -> Iterator[Fault]:
    for position, method in enumerate(match.methods):
        if method not in METHODS:
            yield from _unknown_method(method, (*at, "methods", position))
    for name in match.headers:
        if "_" in name and name not in allowed:
            text = f"the header `{name}` has an underscore: such headers do not pass"
            hint = f"write {name.replace('_', '-')}, or add it to `forwarded.allow_headers`"
            yield Fault((*at, "headers", name), text, hint, "warning", on_key=True)


def _excluded_warnings(match: MatchDoc, at: Loc, allowed: frozenset[str]) -> Iterator[Fault]:
    for number, excluded in enumerate(match.not_ or ()):
        yield from _match_warnings(excluded, (*at, "not", number), allowed)


def _unknown_method(method: str, at: Loc) -> Iterator[Fault]:
    near = nearest(method, list(METHODS))
    same = near is not None and near == method.upper()
    hint = "" if near is None else f"did you mean {near}?"
    if same:
        hint += " Case counts in methods"
    yield Fault(at, f"the method `{method}` is not a registered one", hint, "warning")
