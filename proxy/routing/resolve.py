"""Finds the route of a request, or the refusal. Pure.

Then `decide` chooses its backend. Live traffic, `check`, `plan` and `explain` call `resolve`.
"""

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import BadRequest, NoRoute, RequestError
from proxy.model import Facts, MatchedRoute, Route
from proxy.routing.direct_response import is_for_facade
from proxy.routing.facts import check_limits, fields_size
from proxy.routing.match import Index, match, ruling_for
from proxy.routing.paths import is_plain
from proxy.routing.transforms.cors import requested_method


class Resolution(Struct, frozen=True):
    """Exactly one of `matched`, `error` and `for_facade` is set. An exception: `matched` may have an `error`."""

    matched: MatchedRoute | None = None
    error: RequestError | None = None
    """The refusal: no route, an ambiguous path, no Host, or limits of the route."""
    path_policy: tuple[str, ...] = ()
    """The fields of the route's path policy that let the path pass, as `field: value`."""
    for_facade: bool = False
    """An OPTIONS request for the facade itself, which gets a local reply (RFC 9110 7.6.2)."""

    @property
    def route(self) -> Route | None:
        return None if self.matched is None else self.matched.route


def resolve(index: Index, facts: Facts, header_bytes: int | None = None) -> Resolution:
    """`index` is the index of the table. `header_bytes` is the `fields_size` of the headers, if it is known."""
    if header_bytes is None:
        header_bytes = fields_size(facts.headers)
    if not facts.host and facts.minor:
        return Resolution(error=BadRequest("the request has no Host header (RFC 9112 3.2)"))
    if facts.method == "OPTIONS" and is_for_facade(facts):
        return Resolution(for_facade=True)
    policy: tuple[str, ...] = ()
    try:
        matched = _preflight_route(index, facts)
        if matched is None and is_plain(facts.path):
            matched = index.find(facts, facts.path)
        elif matched is None:
            ruling = ruling_for(index, facts)
            if ruling.error is not None:
                return Resolution(error=ruling.error)
            matched, policy = ruling.matched, ruling.policy
    except RequestError as error:
        return Resolution(error=error)
    if matched is None:
        text = f"no route takes {facts.method} {facts.path.decode('latin-1')}"
        return Resolution(error=NoRoute(text))
    try:
        check_limits(facts, matched.route.limits, header_bytes)
    except RequestError as error:
        return Resolution(matched, error, policy)
    return Resolution(matched, path_policy=policy)


def _preflight_route(index: Index, facts: Facts) -> MatchedRoute | None:
    """The route with a CORS policy that takes the request which a preflight announces.

    None for other requests, and if that route has no policy: then the route that takes OPTIONS counts.
    """
    method = requested_method(facts)
    if method is None:
        return None
    try:
        matched = match(index, replace(facts, method=method))
    except RequestError:
        return None
    return matched if matched is not None and matched.route.cors is not None else None
