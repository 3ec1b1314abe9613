"""A short way to find a route, and the paths that tests of matches share."""

from typing import Literal

from proxy.model import Facts, Route
from proxy.model.match import PathMatch
from proxy.routing.match import Index, match


def taken(routes: list[Route], request: Facts) -> str | None:
    found = match(Index(routes), request)
    return None if found is None else found.route.name


def any_case(kind: Literal["exact", "prefix", "template"], value: str) -> PathMatch:
    return PathMatch(kind, value, ignore_case=True)


TENANT = PathMatch("template", "/api/{tenant}/orders", tail=True)
