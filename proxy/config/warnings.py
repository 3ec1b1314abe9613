"""Warnings: valid values that are probably mistakes."""

from collections.abc import Iterator

from proxy.config.documents.matches import MatchDoc, MatchPartsDoc
from proxy.config.documents.routes import RouteDoc
from proxy.config.faults import Fault, nearest
from proxy.config.field_warnings import cors_fields, match_fields
from proxy.config.habits import ALL_METHODS, body_habits, match_habits, route_habits
from proxy.config.to_error_bodies import Docs
from proxy.config.tree import Loc
from proxy.config.value_rules import value_warnings
from proxy.errors import ClientGone, RequestError

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
    yield from route_habits(route)
    yield from cors_fields(route, allowed)
    yield from error_warnings(route.errors)
    yield from value_warnings(route, allowed)


def _match_warnings(match: MatchPartsDoc, at: Loc, allowed: frozenset[str]) -> Iterator[Fault]:
    yield from match_habits(match, at)
    yield from match_fields(match, at, allowed)
    for position, method in enumerate(match.methods):
        if method not in METHODS and method not in ALL_METHODS:
            yield from _unknown_method(method, (*at, "methods", position))


def error_warnings(errors: Docs, at: Loc = ("errors",)) -> Iterator[Fault]:
    """A warning for each status that the facade itself never sends: responses of backends pass as they are.

    And for variables of other proxies in the bodies.
    """
    if not errors:
        return
    yield from body_habits(errors, at)
    own = sorted(_own_statuses(RequestError))
    for key in errors:
        if key.isdigit() and int(key) not in own:
            text = f"the facade itself sends no {key}, and responses of backends are not changed"
            hint = f"leave it out: the facade sends {', '.join(map(str, own))}"
            yield Fault((*at, key), text, hint, "warning", on_key=True)


def _own_statuses(kind: type[RequestError]) -> set[int]:
    """The statuses of the errors below `kind`. No client gets a 499."""
    kinds = kind.__subclasses__()
    return {each.status for each in kinds if each is not ClientGone}.union(
        *(_own_statuses(each) for each in kinds)
    )


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
