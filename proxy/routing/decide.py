"""The decision about a request: which reference of its route serves it, and why. Pure (ADR 1)."""

from msgspec import structs

from proxy.model import (
    SAFE_METHODS,
    BackendRef,
    Decision,
    Facts,
    MatchedRoute,
    Moment,
    Route,
    RouteTable,
)
from proxy.routing.cohort import place_of
from proxy.routing.dot_segments import check_dot_segments
from proxy.routing.next_step import is_circuit_open, other_backend
from proxy.routing.override import overridden
from proxy.routing.paths import NO_SEGMENTS, onward_path
from proxy.routing.read_your_writes import last_written
from proxy.routing.transforms.cors import is_answered
from proxy.routing.transforms.request_values import (
    UNKNOWN_ID,
    ValueSource,
    edited_query,
    segments_for,
)
from proxy.routing.upstream_path import upstream_path

PREFLIGHT = "preflight"
FALLBACK = "fallback:"
"""The beginning of the reason after a fallback; the failure follows."""
MIRROR = "mirror"
"""The reason of a copy."""
Choice = tuple[int, str]
"""The index of the chosen reference, -1 for a local reply; and the reason, in one word."""


def decide(
    table: RouteTable,
    matched: MatchedRoute,
    facts: Facts,
    moment: Moment,
    request_id: bytes = UNKNOWN_ID,
) -> Decision:
    """The decision about a request that a route takes.

    Live traffic, `explain`, `check` and `plan` call this. Raises BadRequest as `decision_for`.
    """
    choice, bucket_bp, new_id = choose(table, matched, facts, moment)
    decision = decision_for(matched, facts, choice, bucket_bp, new_id, request_id)
    fallback = matched.route.fallback
    if fallback is not None and is_circuit_open(table, decision, facts, moment.health):
        return fallback_decision(table, decision, facts, "circuit_open", request_id)
    return _without_parameters(table, decision)


def fallback_decision(
    table: RouteTable, decision: Decision, facts: Facts, word: str, request_id: bytes = UNKNOWN_ID
) -> Decision:
    """The decision for the other backend, after the failure `word` of the chosen one. It gets no copies.

    Raises BadRequest as `decision_for`. Call it only where `other_backend` has one.
    """
    choice = (other_backend(table, decision) or 0, f"{FALLBACK}{word}")
    other = decision_for(
        decision.matched, facts, choice, decision.bucket_bp, decision.new_id, request_id
    )
    first = decision.backend or ""
    other = structs.replace(other, first_backend=first, first_reason=decision.reason)
    return _without_parameters(table, other)


def decision_for_copy(
    table: RouteTable, served: Decision, at: int, facts: Facts, request_id: bytes
) -> Decision:
    """The decision by which a copy of a request goes to the reference `at`. The request was served by `served`.

    Raises BadRequest as `decision_for`.
    """
    copied = decision_for(served.matched, facts, (at, MIRROR), request_id=request_id)
    return _without_parameters(table, structs.replace(copied, mirrored_to=()))


def _without_parameters(table: RouteTable, decision: Decision) -> Decision:
    """The decision with the path as its backend gets it: without parameters, if the table says so."""
    if b";" not in decision.upstream_path or decision.backend not in table.without_parameters:
        return decision
    # The paths of a table have no parameters, so these are the client's, also after a rewrite.
    path = onward_path(decision.upstream_path, decision.route.path_policy, with_parameters=False)
    return structs.replace(decision, upstream_path=path)


def choose(
    table: RouteTable, matched: MatchedRoute, facts: Facts, moment: Moment
) -> tuple[Choice, int | None, bytes]:
    """The choice for a request that a route takes, with `bucket_bp` and `new_id` of its decision.

    In this order: preflight of CORS, kill switch, local reply, override, a single reference, stage, the client's last
    write, cohort, draw. The quick way calls `fixed_choice` and `weighted_choice`'s rule once for each prepared route
    (ADR 21).
    """
    route = matched.route
    if is_answered(route, facts):
        return (-1, PREFLIGHT), None, b""
    fixed = fixed_choice(table, route)
    if fixed is None or fixed[0] >= 0:
        wanted = overridden(table, route, facts, moment)
        if wanted is not None:
            return (wanted, "override"), None, b""
    if fixed is not None:
        return fixed, None, b""
    written = last_written(table, route, facts, moment)
    if written is not None:
        return (written, "read_your_writes"), None, b""
    return _choose_by_bucket(matched, facts, moment)


def _choose_by_bucket(
    matched: MatchedRoute, facts: Facts, moment: Moment
) -> tuple[Choice, int | None, bytes]:
    route = matched.route
    if route.cohort is None:
        known_bp = moment.known.bucket_bp
        bucket_bp = moment.draw_bp if known_bp is None else known_bp
        return weighted_choice(route, bucket_bp, "draw"), bucket_bp, b""
    place = place_of(route.cohort, matched.match, facts, moment, route.path_policy)
    choice = weighted_choice(route, place.bucket_bp, place.reason)
    return choice, place.bucket_bp, place.new_id


def fixed_choice(table: RouteTable, route: Route) -> Choice | None:
    """The choice for every request that `route` takes, but preflights. None where the request's bucket decides.

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
    request_id: bytes = UNKNOWN_ID,
) -> Decision:
    """The decision for a request and a choice. `bucket_bp` and `new_id` as in `Decision`.

    Raises BadRequest for a value that cannot be a part of the path.
    """
    route, match = matched.route, matched.match
    at, reason = choice
    if at < 0:
        return Decision(route, reason, match=match)
    ref = route.backend_refs[at]
    path = onward_path(facts.path, route.path_policy)
    rewrite, source = ref.rewrite, ValueSource(facts, match.path, request_id, route.path_policy)
    more, query = NO_SEGMENTS, None
    if rewrite is not None and rewrite.reads_request:
        more = segments_for(rewrite.values, source)
        query = None if rewrite.query is None else edited_query(facts.query, rewrite.query, source)
    sent = upstream_path(match, rewrite, path, more)
    check_dot_segments(matched, ref, facts.path, sent, more)
    may_mirror = route.stage is not None and reason != "kill_switch"
    may_mirror = may_mirror and not reason.startswith(FALLBACK)
    return Decision(
        route,
        reason,
        ref,
        sent,
        mirrored_to(route, facts.method, ref) if may_mirror else (),
        match,
        query,
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


def mirrored_to(route: Route, method: str, chosen: BackendRef) -> tuple[str, ...]:
    """The backends that get copies of such requests, without the one that serves them.

    A write is copied to the sandbox of the newcomer only (rule 5).
    """
    mirror, is_safe = route.mirror, method in SAFE_METHODS
    if len(route.backend_refs) != 2 or (mirror is not None and not mirror.percent_bp):
        return ()
    if not is_safe and (mirror is None or mirror.sandbox is None):
        return ()
    incumbent, newcomer = route.backend_refs
    match route.stage:
        case "shadow" if chosen is incumbent:
            return (newcomer.backend,)
        case "canary" if mirror is not None and chosen is incumbent:
            return (newcomer.backend,)
        case "live" if mirror is not None and is_safe and chosen is newcomer:
            return (incumbent.backend,)
        case _:
            return ()
