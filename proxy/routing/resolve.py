"""(table, facts) -> the route that takes a request, and what is fixed of its decision; or the refusal.

`decide` completes it with the draw. Live traffic, `check`, `plan` and `explain` call `resolve`.
"""

from msgspec import Struct

from proxy.errors import BadRequest, NoRoute, RequestError
from proxy.model import Facts, Route, RouteTable
from proxy.routing.decide import Choice, fixed_choice
from proxy.routing.direct_response import asks_the_facade
from proxy.routing.facts import check_limits, fields_size
from proxy.routing.match import Index, match


class Resolution(Struct, frozen=True):
    """Exactly one of `route`, `error` and `for_facade` says what happens; `route` may come with an `error`."""

    route: Route | None = None
    fixed_choice: Choice | None = None
    """The choice for every request that the route takes. None where the draw decides."""
    error: RequestError | None = None
    """The refusal: no route, an ambiguous path, no Host, or limits of the route."""
    for_facade: bool = False
    """An OPTIONS request that the facade itself answers (RFC 9110 7.6.2)."""


def resolve(
    table: RouteTable, index: Index, facts: Facts, header_bytes: int | None = None
) -> Resolution:
    """`index` is of `table`. `header_bytes` is `facts.fields_size` of the request's fields, if that is known."""
    if header_bytes is None:
        header_bytes = fields_size(facts.headers)
    if not facts.host and facts.minor:
        return Resolution(error=BadRequest("the request has no Host header (RFC 9112 3.2)"))
    if facts.method == "OPTIONS" and asks_the_facade(facts):
        return Resolution(for_facade=True)
    try:
        route = match(index, facts)
    except RequestError as refused:
        return Resolution(error=refused)
    if route is None:
        text = f"no route takes {facts.method} {facts.path.decode('latin-1')}"
        return Resolution(error=NoRoute(text))
    try:
        check_limits(facts, route.limits, header_bytes)
    except RequestError as refused:
        return Resolution(route, error=refused)
    return Resolution(route, fixed_choice(table, route))
