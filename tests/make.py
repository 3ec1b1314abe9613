"""Values for tests: each says only what its test is about, the rest is plain."""

from proxy.config.checks.table_tests import Report
from proxy.config.load import Loaded
from proxy.control.table_file import snapshot_of
from proxy.model import (
    ALL_BP,
    ALL_COOKIES,
    ALLOW_ALL,
    Allow,
    Backend,
    BackendRef,
    CookieRules,
    Decision,
    Endpoint,
    Facts,
    MatchedRoute,
    Moment,
    Rewrite,
    Route,
    RouteTable,
)
from proxy.model.match import Match, PathMatch
from proxy.model.stage import Stage
from proxy.routing.decide import decide
from proxy.routing.match import Index
from proxy.routing.snapshot import Snapshot


def prefix(value: str) -> PathMatch:
    return PathMatch("prefix", value)


def exact(value: str) -> PathMatch:
    return PathMatch("exact", value)


def template(value: str, **params: str) -> PathMatch:
    return PathMatch("template", value, params=tuple(params.items()))


def refs(**weights: float) -> tuple[BackendRef, ...]:
    """`refs(legacy=80, new=20)`: weights in per cent."""
    return tuple(BackendRef(name, round(weight * 100)) for name, weight in weights.items())


def route(
    name: str = "r",
    path: PathMatch | None = None,
    *,
    to: tuple[BackendRef, ...] = (BackendRef("legacy"),),
    stage: Stage | None = None,
    match: Match | None = None,
    priority: int = 0,
) -> Route:
    return Route(name, (match or Match(path=path),), to, stage, priority)


def matched(of: Route) -> MatchedRoute:
    """A route that took a request by its first match."""
    return MatchedRoute(of, of.matches[0])


def decided(of: RouteTable, wanted: Route, request: Facts, draw_bp: int) -> Decision:
    """The decision about a request that `wanted` took by its first match."""
    return decide(of, matched(wanted), request, at(draw_bp))


def rewriting(rewrite: Rewrite) -> tuple[BackendRef, ...]:
    return (BackendRef("legacy", ALL_BP, rewrite),)


def backend(
    name: str = "legacy",
    port: int = 80,
    *,
    headers: Allow = ALLOW_ALL,
    cookies: CookieRules = ALL_COOKIES,
) -> Backend:
    return Backend(name, (Endpoint("http", "127.0.0.1", port),), headers=headers, cookies=cookies)


def table(*routes: Route, kill_switch: bool = False) -> RouteTable:
    names = {ref.backend: None for each in routes for ref in each.backend_refs}
    return RouteTable(tuple(routes), tuple(map(backend, names)), kill_switch)


def snapshot(of: RouteTable) -> Snapshot:
    """The snapshot of a table that has no tests and no file."""
    return snapshot_of(Loaded(of, Index(of.routes), (), Report((), 100.0, ())), b"", {}, 0.0)


def at(draw_bp: int) -> Moment:
    return Moment(draw_bp)


def facts(
    path: str = "/",
    method: str = "GET",
    *,
    host: str = "www.example",
    query: str = "",
    client: str = "192.0.2.1",
    headers: dict[str, str] | None = None,
) -> Facts:
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return Facts(
        method,
        host.encode(),
        path.encode(),
        query.encode(),
        [(b"host", host.encode()), *pairs],
        client,
        peer=client,
    )
