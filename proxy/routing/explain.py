"""Why a request goes where it goes: the functions of live traffic, asked one by one and told in plain values.

The value is the same for `facade explain`, its `--json` and the admin listener's `GET /explain`, so that a
running facade can be asked and its answer shown like a file's.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import AmbiguousPath, BadRequest, NoRoute, RequestError
from proxy.http1.local_reply import OPTIONS_REPLY
from proxy.model import ALL_BP, Backend, Decision, Endpoint, Facts, HeaderPairs, Route, RouteTable
from proxy.model.match import Match
from proxy.routing.decide import decide
from proxy.routing.direct_response import direct_response
from proxy.routing.facts import Networks
from proxy.routing.match import Index, first_failure, precedence
from proxy.routing.paths import path_variants
from proxy.routing.predicates import describe, text
from proxy.routing.request_spec import Fields, RequestSpec, facts_of
from proxy.routing.resolve import resolve
from proxy.routing.transforms.upstream_request import outgoing

_NOT_OBEYED = re.compile(r"routes\[([^\]]*)\]\.(.+)")


class PossibleDecision(Struct, frozen=True):
    """One thing that happens to such a request."""

    share: float
    """Per cent of the requests that the route takes."""
    reason: str
    buckets: tuple[float, float] | None = None
    """The buckets that lead here, from and below; absent where nothing is drawn."""
    backend: str | None = None
    urls: tuple[str, ...] = ()
    """What is asked; one for each endpoint of the backend, any of which may be chosen."""
    host: str | None = None
    headers: Fields = ()
    """Sent to the backend; or, where the facade answers by itself, to the client."""
    mirrored_to: tuple[str, ...] = ()
    status: int | None = None
    """Of an answer by the facade itself."""
    detail: str = ""


class PathVariant(Struct, frozen=True):
    """A plausible reading of an ambiguous path, and the route it leads to."""

    path: str
    route: str | None


class OtherRoute(Struct, frozen=True):
    """A route that does not take the request."""

    name: str
    line: int
    why: str
    holds: bool = False
    """All of its predicates hold, but a better-placed route takes the request."""
    same_path: bool = False


class Explanation(Struct, frozen=True):
    """A request, the route that takes it, what happens then, and why no other route takes it."""

    method: str
    target: str
    host: str
    client: str
    table: str
    """The table's version."""
    kill_switch: bool = False
    route: str | None = None
    line: int = 0
    match: str = ""
    stage: str | None = None
    not_obeyed: tuple[str, ...] = ()
    """Fields of the route that nothing obeys yet."""
    ways: tuple[PossibleDecision, ...] = ()
    status: int | None = None
    """Where no route takes the request: what the facade answers, and why."""
    reason: str = ""
    detail: str = ""
    readings: tuple[PathVariant, ...] = ()
    others: tuple[OtherRoute, ...] = ()
    """Those whose predicates hold come first, then those that share the path, then the rest in file order."""


class InEffect(Protocol):
    """A table in effect, as far as it is explained: a snapshot. `backends` are those in use, by name."""

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


def explain(where: InEffect, asked: RequestSpec) -> Explanation:
    """What `where` does with the request. Raises FacadeError for what is no request."""
    try:
        facts = facts_of(asked, where.trusted)
    except BadRequest as refused:
        said = Explanation(asked.method, asked.url, "", asked.client, where.version)
        return _refused(said, refused)
    target = facts.path + (b"?" + facts.query if facts.query else b"")
    said = Explanation(
        facts.method,
        text(target),
        text(facts.host),
        facts.client,
        where.version,
        where.table.kill_switch,
    )
    resolution = resolve(where.table, where.index, facts)
    route, error = resolution.route, resolution.error
    if isinstance(error, AmbiguousPath):
        return replace(_refused(said, error), readings=tuple(_readings(where.index, facts)))
    if isinstance(error, BadRequest):
        return _refused(said, error)
    if resolution.for_facade:
        detail = "the facade answers this request itself (RFC 9110 7.6.2, 9.3.7)"
        return replace(said, status=OPTIONS_REPLY.status, reason="options", detail=detail)
    others = tuple(_others(where.table.routes, route, facts))
    if route is None:
        missing = NoRoute("no route takes this request")
        return replace(_refused(said, missing), others=others)
    return replace(
        said,
        route=route.name,
        line=route.line,
        match=describe(route.match),
        stage=route.stage,
        not_obeyed=not_obeyed(where.table.unobeyed).get(route.name, ()),
        ways=tuple(_ways(where, route, facts, asked.bucket_bp)),
        others=others,
    )


def not_obeyed(fields: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The fields of each route that nothing obeys yet, out of a table's `unobeyed`."""
    found: dict[str, tuple[str, ...]] = {}
    for each in fields:
        if taken := _NOT_OBEYED.fullmatch(each):
            found[taken[1]] = (*found.get(taken[1], ()), taken[2])
    return found


def _refused(said: Explanation, error: RequestError) -> Explanation:
    return replace(said, status=error.status, reason=error.reason, detail=str(error))


def _readings(index: Index, facts: Facts) -> Iterator[PathVariant]:
    for reading in path_variants(facts.path):
        route = index.find(facts, reading)
        yield PathVariant(text(reading), None if route is None else route.name)


# --- what happens -------------------------------------------------------------------------------


def _ways(
    where: InEffect, route: Route, facts: Facts, bucket_bp: int | None
) -> Iterator[PossibleDecision]:
    """Each thing that can happen; with a bucket, the one that does."""
    spans = list(_spans(route)) or [(0, ALL_BP)]
    if decide(where.table, route, facts, 0).reason != "draw":
        yield _way(where, decide(where.table, route, facts, bucket_bp or 0), facts, None)
        return
    for start, end in spans:
        if bucket_bp is not None and not start <= bucket_bp < end:
            continue
        at = start if bucket_bp is None else bucket_bp
        yield _way(where, decide(where.table, route, facts, at), facts, (start, end))


def _spans(route: Route) -> Iterator[tuple[int, int]]:
    """The buckets of each reference that has any, from and below: the newcomer's first (rule 3)."""
    start = 0
    for ref in reversed(route.backend_refs):
        if ref.weight_bp:
            yield start, start + ref.weight_bp
        start += ref.weight_bp


def _way(
    where: InEffect, decision: Decision, facts: Facts, span: tuple[int, int] | None
) -> PossibleDecision:
    share_bp = ALL_BP if span is None else span[1] - span[0]
    buckets = None if span is None else (_per_cent(span[0]), _per_cent(span[1]))
    way = PossibleDecision(
        _per_cent(share_bp), decision.reason, buckets, mirrored_to=decision.mirrored_to
    )
    if decision.ref is None:
        answer = direct_response(decision.route, facts)
        return replace(way, status=answer.status, headers=_shown(answer.headers))
    backend = where.backends[decision.ref.backend]
    way = replace(way, backend=backend.name)
    try:
        request = outgoing(facts, decision, backend, where.table.forwarded)
    except BadRequest as refused:
        return replace(way, status=refused.status, detail=str(refused))
    return replace(
        way,
        urls=tuple(f"{_address(each)}{text(request.target)}" for each in backend.endpoints),
        host=backend.endpoints[0].authority if request.host is None else text(request.host),
        headers=_shown(request.headers),
    )


def _address(endpoint: Endpoint) -> str:
    return str(endpoint) if endpoint.unix_path is None else f"unix:{endpoint.unix_path}:"


def _shown(headers: HeaderPairs) -> Fields:
    return tuple((text(name), text(value)) for name, value in headers)


def _per_cent(share_bp: int) -> float:
    return share_bp * 100 / ALL_BP


# --- what does not --------------------------------------------------------------------------------


def _others(routes: Sequence[Route], taken: Route | None, facts: Facts) -> list[OtherRoute]:
    path = path_variants(facts.path)[0]
    found = []
    for position, route in enumerate(routes):
        if route is taken:
            continue
        why = first_failure(route, facts, path)
        if why is None and taken is not None:
            other = OtherRoute(
                route.name, route.line, f"holds, but {taken.name} goes first", True, True
            )
        else:
            wanted = route.match.path
            shape = None if wanted is None else replace(wanted, params=())
            same = first_failure(Route(route.name, Match(path=shape)), facts, path) is None
            other = OtherRoute(route.name, route.line, why or "", same_path=same)
        near = other.holds or other.same_path
        rank = precedence(route, position) if near else (position,)
        found.append(((not other.holds, not other.same_path, rank), other))
    return [other for _, other in sorted(found, key=lambda each: each[0])]
