"""The decision about a request: which reference of its route serves it, and why. Pure (ADR 1)."""

from proxy.model import (
    SAFE_METHODS,
    BackendRef,
    Decision,
    Facts,
    Match,
    MatchedRoute,
    Moment,
    Rewrite,
    Route,
    RouteTable,
)
from proxy.routing.cohort import place_of
from proxy.routing.override import overridden
from proxy.routing.paths import fill_template, replace_prefix, to_wire
from proxy.routing.read_your_writes import last_written

Choice = tuple[int, str]
"""The index of the chosen reference, -1 for a local reply; and the reason, in one word."""


def decide(table: RouteTable, matched: MatchedRoute, facts: Facts, moment: Moment) -> Decision:
    """The decision about a request that a route takes.

    In this order: kill switch, local reply, override, a single reference, stage, the client's last write, cohort, draw.
    Live traffic, `explain`, `check` and `plan` call this. The quick way calls `fixed_choice` and `weighted_choice`'s
    rule once for each prepared route (ADR 21).
    """
    route = matched.route
    fixed = fixed_choice(table, route)
    if fixed is None or fixed[0] >= 0:
        wanted = overridden(table, route, facts, moment)
        if wanted is not None:
            return decision_for(matched, facts, (wanted, "override"))
    if fixed is not None:
        return decision_for(matched, facts, fixed)
    written = last_written(table, route, facts, moment)
    if written is not None:
        return decision_for(matched, facts, (written, "read_your_writes"))
    return _decide_by_bucket(matched, facts, moment)


def _decide_by_bucket(matched: MatchedRoute, facts: Facts, moment: Moment) -> Decision:
    route = matched.route
    if route.cohort is None:
        known_bp = moment.known.bucket_bp
        bucket_bp = moment.draw_bp if known_bp is None else known_bp
        return decision_for(matched, facts, weighted_choice(route, bucket_bp, "draw"), bucket_bp)
    place = place_of(route.cohort, matched.match, facts, moment)
    choice = weighted_choice(route, place.bucket_bp, place.reason)
    return decision_for(matched, facts, choice, place.bucket_bp, place.new_id)


def fixed_choice(table: RouteTable, route: Route) -> Choice | None:
    """The choice for every request that `route` takes. None where the request's bucket decides.

    In this order: kill switch, local reply, a single reference, stage.
    """
    refs, stage = route.backend_refs, route.stage
    if stage is not None and table.kill_switch and refs:
        return 0, "kill_switch"
    if not refs or stage == "retired":
        return -1, _local_reply_reason(route)
    if len(refs) == 1:
        return 0, "only"
    if stage is None or stage == "canary":
        return None
    return 1 if stage == "live" else 0, "stage"


def weighted_choice(route: Route, bucket_bp: int, reason: str) -> Choice:
    """The choice by bucket.

    The last reference has the buckets from 0 up to its weight, the one before it the next ones, and so on (ADR 6).
    So a newcomer, which is written after its incumbent, has every bucket below its weight: raising the weight moves
    requests towards it only (rule 3).
    """
    refs, edge_bp = route.backend_refs, 0
    for at in range(len(refs) - 1, 0, -1):
        edge_bp += refs[at].weight_bp
        if bucket_bp < edge_bp:
            return at, reason
    return 0, reason


def decision_for(
    matched: MatchedRoute,
    facts: Facts,
    choice: Choice,
    bucket_bp: int | None = None,
    new_id: bytes = b"",
) -> Decision:
    """The decision for a request and a choice. `bucket_bp` and `new_id` as in `Decision`."""
    route, match = matched.route, matched.match
    at, reason = choice
    if at < 0:
        return Decision(route, reason, match=match)
    ref = route.backend_refs[at]
    may_mirror = route.stage is not None and reason != "kill_switch"
    return Decision(
        route,
        reason,
        ref,
        upstream_path(match, ref.rewrite, facts.path),
        _mirrored_to(route, facts.method, ref) if may_mirror else (),
        match,
        bucket_bp,
        new_id,
    )


def drains(table: RouteTable, before: Route, backend: str) -> bool:
    """Whether tunnels of the route `before`, of an earlier table, to `backend` end under `table`.

    They do if the route has `tunnels: drain`, and no longer sends requests to the backend.
    """
    route = next((each for each in table.routes if each.name == before.name), None)
    if route is None:
        return before.tunnels == "drain"
    return route.tunnels == "drain" and backend not in _reached(table, route)


def _reached(table: RouteTable, route: Route) -> set[str]:
    """The backends that requests of a route may go to."""
    choice = fixed_choice(table, route)
    if choice is None:
        return {ref.backend for ref in route.backend_refs if ref.weight_bp}
    return {route.backend_refs[choice[0]].backend} if choice[0] >= 0 else set()


def _local_reply_reason(route: Route) -> str:
    if route.redirect is not None:
        return "redirect"
    return "retired" if route.stage == "retired" else "direct_response"


def _mirrored_to(route: Route, method: str, chosen: BackendRef) -> tuple[str, ...]:
    """The backends that get a copy of the request, without the one that serves it. Writes are not copied (rule 5)."""
    if method not in SAFE_METHODS or len(route.backend_refs) != 2:
        return ()
    incumbent, newcomer = route.backend_refs
    match route.stage:
        case "shadow":
            return (newcomer.backend,)
        case "canary" if route.mirror is not None and chosen is incumbent:
            return (newcomer.backend,)
        case "live" if route.mirror is not None:
            return (incumbent.backend,)
        case _:
            return ()


def upstream_path(match: Match, rewrite: Rewrite | None, path: bytes) -> bytes:
    """The raw path of the upstream request. `match` is the one that took the request."""
    if rewrite is None:
        return path
    pattern = match.path.value if match.path is not None else "/"
    if rewrite.prefix is not None:
        return replace_prefix(path, pattern, rewrite.prefix)
    if rewrite.full_path is not None:
        return to_wire(rewrite.full_path)
    if rewrite.template is not None:
        return fill_template(path, rewrite.template, pattern)
    return path
