"""Explains the route of a request: calls the functions of live traffic one by one and returns plain values.

`facade explain`, its `--json` and the admin listener's `GET /explain` show the same value. So the explanation by a
running facade has the same form as that by a file.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from proxy.errors import AmbiguousPath, BadRequest, NoRoute, RequestError
from proxy.http1.local_reply import OPTIONS_REPLY
from proxy.model import (
    ALL_BP,
    ALL_HEALTHY,
    Backend,
    Endpoint,
    Facts,
    HeaderPairs,
    Health,
    Known,
    MatchedRoute,
    Moment,
    Networks,
    Route,
    RouteTable,
)
from proxy.model.match import Match
from proxy.routing.cohort import key_of
from proxy.routing.decide import choose, decide
from proxy.routing.direct_response import direct_response
from proxy.routing.error_reply import describe as describe_errors
from proxy.routing.explanation import Explanation, OtherRoute, PathVariant, PossibleDecision
from proxy.routing.hosts import host_name, matching_host
from proxy.routing.match import Index, first_failures, ruling_for
from proxy.routing.mirrored_request import describe as describe_mirror
from proxy.routing.path_ruling import Ruling, name_of
from proxy.routing.precedence import ANY_HOST, Rank, rank
from proxy.routing.predicates import describe, text
from proxy.routing.recovery_words import describe_fallback, describe_route, instead_of
from proxy.routing.request_spec import Fields, RequestSpec, facts_of_spec
from proxy.routing.resolve import resolve
from proxy.routing.transforms.cookies import in_words
from proxy.routing.transforms.cors import describe as describe_cors
from proxy.routing.transforms.cors import requested_method
from proxy.routing.transforms.reverse_rewrite import describe_inverse
from proxy.routing.transforms.upstream_request import outgoing


class InEffect(Protocol):
    """The part of a snapshot that is explained. `backends` are those in use, by name."""

    @property
    def table(self) -> RouteTable: ...
    @property
    def index(self) -> Index: ...
    @property
    def version(self) -> str: ...
    @property
    def backends(self) -> Mapping[str, Backend]: ...
    @property
    def trusted(self) -> Networks: ...


EndpointOf = Callable[[Backend, Facts], Endpoint | None]
"""The endpoint that a request is bound to by a cookie: the client for backends knows it."""


def explain(
    snapshot: InEffect,
    spec: RequestSpec,
    now_s: float,
    endpoint_of: EndpointOf = lambda backend, facts: None,
    health: Health = ALL_HEALTHY,
) -> Explanation:
    """The explanation of one request at a time in seconds since the epoch, with the health of a running facade.

    Raises FacadeError for an invalid `spec`.
    """
    try:
        facts = facts_of_spec(spec, snapshot.trusted)
    except BadRequest as refusal:
        explanation = Explanation(spec.method, spec.url, "", spec.client, snapshot.version)
        return _refused(explanation, refusal)
    target = facts.path + (b"?" + facts.query if facts.query else b"")
    explanation = Explanation(
        facts.method,
        text(target),
        text(facts.host),
        facts.client,
        snapshot.version,
        snapshot.table.kill_switch,
    )
    resolution = resolve(snapshot.index, facts)
    matched, error = resolution.matched, resolution.error
    if isinstance(error, AmbiguousPath):
        ruling = ruling_for(snapshot.index, facts)
        return replace(_refused(explanation, error), readings=_path_variants(ruling))
    if isinstance(error, BadRequest):
        return _refused(explanation, error)
    if resolution.for_facade:
        detail = "the facade answers this request itself (RFC 9110 7.6.2, 9.3.7)"
        return replace(explanation, status=OPTIONS_REPLY.status, reason="options", detail=detail)
    route, ruling = resolution.route, ruling_for(snapshot.index, facts)
    announced = None if route is None or route.cors is None else requested_method(facts)
    as_matched = facts if announced is None else replace(facts, method=announced)
    others = tuple(_other_routes(snapshot.table.routes, route, as_matched, ruling.path))
    if matched is None or route is None:
        no_route = NoRoute("no route takes this request")
        errors = describe_errors(snapshot.table.errors)
        return replace(_refused(explanation, no_route), errors=errors, others=others)
    return replace(
        explanation,
        route=route.name,
        line=route.line,
        match=describe(matched.match),
        match_number=matched.number,
        matches=len(route.matches),
        stage=route.stage,
        cohort=_cohort(matched, facts),
        errors=describe_errors(route.errors),
        path_policy=ruling.policy,
        readings=_path_variants(ruling),
        cors=describe_cors(route, facts),
        recovery=describe_route(route),
        ways=tuple(
            _with_health(_with_endpoint(decision, snapshot, facts, endpoint_of), health)
            for decision in _possible_decisions(
                snapshot,
                matched,
                facts,
                Moment(now_s=now_s, known=Known(spec.bucket_bp), health=health),
            )
        ),
        others=others,
    )


def _refused(explanation: Explanation, error: RequestError) -> Explanation:
    return replace(explanation, status=error.status, reason=error.reason, detail=str(error))


def _path_variants(ruling: Ruling) -> tuple[PathVariant, ...]:
    """The readings of the path, if they lead to different routes."""
    if ruling.error is None and all(each.matched is ruling.matched for each in ruling.readings):
        return ()
    return tuple(
        PathVariant(
            text(each.path), None if each.matched is None else name_of(each.matched), each.counts
        )
        for each in ruling.readings
    )


# --- the possible decisions ---------------------------------------------------------------------


def _possible_decisions(
    snapshot: InEffect, matched: MatchedRoute, facts: Facts, moment: Moment
) -> Iterator[PossibleDecision]:
    """Each possible decision; the only one, if the bucket is known."""
    (_, reason), bucket_bp, new_id = choose(snapshot.table, matched, facts, moment)
    if bucket_bp is None:
        yield _possible_decision(snapshot, matched, facts, moment, None)
        return
    is_known = moment.known.bucket_bp is not None or not (reason == "draw" or new_id)
    for start, end in _bucket_ranges(matched.route):
        if not is_known:
            at_start = replace(moment, draw_bp=start)
            if new_id:
                at_start = replace(moment, known=replace(moment.known, bucket_bp=start))
            yield _possible_decision(snapshot, matched, facts, at_start, (start, end))
        elif start <= bucket_bp < end:
            possible = _possible_decision(snapshot, matched, facts, moment, (start, end))
            yield replace(possible, bucket=_percent(bucket_bp))


def _cohort(matched: MatchedRoute, facts: Facts) -> str:
    """Without the key itself: it may identify a person."""
    cohort = matched.route.cohort
    if cohort is None:
        return ""
    found = key_of(cohort, matched.match, facts, matched.route.path_policy)
    if found is not None:
        key = found[0]
        return f"{cohort.name}, by {key.kind.replace('_', ' ')} {key.name}".rstrip()
    then = "gets an id" if cohort.keys[-1].generate else "is drawn"
    return f"{cohort.name}, but the request has no key for it: it {then}"


def _bucket_ranges(route: Route) -> Iterator[tuple[int, int]]:
    """The buckets of each reference with a weight, upper bound excluded; the newcomer's first (ADR 6)."""
    start = 0
    for ref in reversed(route.backend_refs):
        if ref.weight_bp:
            yield start, start + ref.weight_bp
        start += ref.weight_bp


def _possible_decision(
    snapshot: InEffect,
    matched: MatchedRoute,
    facts: Facts,
    moment: Moment,
    buckets_bp: tuple[int, int] | None,
) -> PossibleDecision:
    share_bp = ALL_BP if buckets_bp is None else buckets_bp[1] - buckets_bp[0]
    buckets = None if buckets_bp is None else (_percent(buckets_bp[0]), _percent(buckets_bp[1]))
    possible = PossibleDecision(_percent(share_bp), "", buckets)
    try:
        decision = decide(snapshot.table, matched, facts, moment)
        to = decision.mirrored_to
        mirror = describe_mirror(matched.route, facts.method) if to else ""
        possible = replace(possible, reason=decision.reason, mirrored_to=to, mirror=mirror)
        if decision.ref is None:
            reply = direct_response(decision, facts)
            return replace(possible, status=reply.status, headers=_shown(reply.headers))
        backend = snapshot.backends[decision.ref.backend]
        possible = replace(
            possible,
            backend=backend.name,
            instead_of=instead_of(decision),
            fallback=describe_fallback(snapshot.table, decision, facts),
        )
        request = outgoing(facts, decision, backend, snapshot.table.forwarded)
    except BadRequest as error:
        reason = possible.reason or error.reason
        return replace(possible, reason=reason, status=error.status, detail=str(error))
    return replace(
        possible,
        urls=tuple(f"{_address(each)}{text(request.target)}" for each in backend.endpoints),
        host=backend.endpoints[0].authority if request.host is None else text(request.host),
        headers=_shown(request.headers),
        cookies=in_words(backend.cookies),
        mapped_back=describe_inverse(decision.match, decision.ref.rewrite),
    )


def _with_endpoint(
    decision: PossibleDecision, snapshot: InEffect, facts: Facts, endpoint_of: EndpointOf
) -> PossibleDecision:
    if decision.backend is None:
        return decision
    endpoint = endpoint_of(snapshot.backends[decision.backend], facts)
    return decision if endpoint is None else replace(decision, endpoint=_address(endpoint))


def _with_health(decision: PossibleDecision, health: Health) -> PossibleDecision:
    found = health.backends.get(decision.backend or "")
    if found is None:
        return decision
    lines = [
        f"{each.endpoint} is {each.state}: {each.reason}"
        for each in found.endpoints
        if not each.is_available
    ]
    if found.is_panicking:
        lines.append("too few endpoints are available: requests go to all of them")
    return replace(decision, breaker=found.breaker, health=tuple(lines))


def _address(endpoint: Endpoint) -> str:
    return str(endpoint) if endpoint.unix_path is None else f"unix:{endpoint.unix_path}:"


def _shown(headers: HeaderPairs) -> Fields:
    return tuple((text(name), text(value)) for name, value in headers)


def _percent(share_bp: int) -> float:
    return share_bp * 100 / ALL_BP


# --- the other routes ---------------------------------------------------------------------------


def _other_routes(
    routes: Sequence[Route], chosen: Route | None, facts: Facts, path: bytes
) -> list[OtherRoute]:
    """Why the other routes do not take the request. `path` is the reading that decided."""
    host = host_name(facts.host)
    ranked = []
    for position, route in enumerate(routes):
        if route is chosen:
            continue
        why = first_failures(route, facts, path)
        if why is None and chosen is not None:
            other = OtherRoute(
                route.name, route.line, f"holds, but {chosen.name} goes first", True, True
            )
        else:
            same = first_failures(_paths_of(route), facts, path) is None
            other = OtherRoute(route.name, route.line, why or "", same_path=same)
        near = other.holds or other.same_path
        order = (*_rank(route, host), position) if near else (position,)
        ranked.append(((not other.holds, not other.same_path, order), other))
    return [other for _, other in sorted(ranked, key=lambda each: each[0])]


def _paths_of(route: Route) -> Route:
    """The route with nothing of its matches but the shapes of their paths."""
    paths = (each.path for each in route.matches)
    shapes = (None if path is None else replace(path, params=()) for path in paths)
    return Route(route.name, tuple(Match(path=shape) for shape in shapes))


def _rank(route: Route, host: str) -> Rank:
    """The rank of the first match, as far as the host is known."""
    return min(
        rank(route.priority, matching_host(each.hosts, host) or ANY_HOST, each)
        for each in route.matches
    )
