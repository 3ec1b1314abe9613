"""What a ledger says about the monolith: what is still used, and what nobody asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from proxy.control.replay.path_tree import IDENTIFIERS, segments_of_path
from proxy.ledger.ledger import Endpoint, LedgerFile, is_parameter
from proxy.model import Facts, RouteTable
from proxy.routing.match import Index
from proxy.routing.resolve import resolve

_EXAMPLES = dict(
    zip(IDENTIFIERS, ("1", "00000000-0000-4000-8000-000000000000", "00c0ffee"), strict=True)
)


class Known(Struct, frozen=True):
    """An endpoint that exists, whether anybody asks for it or not."""

    method: str
    """Empty for all methods."""
    path: str


class Line(Struct, frozen=True):
    """One endpoint in the report."""

    endpoint: Endpoint
    route: str
    stage: str


class Report(Struct, frozen=True):
    """The endpoints of the monolith."""

    used: tuple[Line, ...]
    """The monolith served them within the quiet time."""
    unused: tuple[Line, ...]
    """It did not, but it did before, or another backend does."""
    never: tuple[Known, ...]
    """They are known, and no request of the ledger was for them."""
    idle_routes: tuple[str, ...]
    """Routes of the table that took none of the requests."""
    days: float
    """That the ledger covers."""
    is_long_enough: bool
    """It covers the quiet time, so what nobody asked for may be deleted."""


def monolith_of(table: RouteTable) -> frozenset[str]:
    """The incumbents of routes with a stage; empty if there are none."""
    staged = (route for route in table.routes if route.stage is not None and route.backend_refs)
    return frozenset(route.backend_refs[0].backend for route in staged)


def report(
    ledger: LedgerFile, table: RouteTable, known: Sequence[Known], host: str, quiet_days: float
) -> Report:
    """`quiet_days` is how long nobody has asked the monolith for an endpoint that is safe to delete."""
    index = Index(table.routes)
    stages = {route.name: route.stage or "" for route in table.routes}
    lines = [_line(each, index, stages, host) for each in ledger.endpoints]
    since = _days_before(ledger.covers_to, quiet_days)
    used: list[Line] = []
    unused: list[Line] = []
    for line in lines:
        (used if line.endpoint.use.last_monolith >= since else unused).append(line)
    used.sort(key=lambda each: -each.endpoint.use.monolith)
    unused.sort(key=lambda each: each.endpoint.path)
    routes = {each.route for each in lines}
    by_length: dict[int, list[Endpoint]] = {}
    for each in ledger.endpoints:
        by_length.setdefault(len(each.segments), []).append(each)
    days = _days_between(ledger.covers_from, ledger.covers_to)
    return Report(
        tuple(used),
        tuple(unused),
        tuple(each for each in known if not _is_asked(each, by_length)),
        tuple(name for name in stages if name not in routes),
        days,
        days >= quiet_days,
    )


def _line(endpoint: Endpoint, index: Index, stages: Mapping[str, str], host: str) -> Line:
    route = endpoint.use.route
    if route not in stages:
        path = "/".join(
            _EXAMPLES.get(each, "x") if is_parameter(each) else each for each in endpoint.segments
        )
        # A request without Host is one of HTTP/1.0 (RFC 9112 3.2).
        minor = int(host != "")
        facts = Facts(endpoint.method, host.encode(), f"/{path}".encode(), b"", [], "", minor=minor)
        found = resolve(index, facts, 0).matched
        route = found.route.name if found is not None else ""
    return Line(endpoint, route, stages.get(route, ""))


def _is_asked(known: Known, by_length: Mapping[int, list[Endpoint]]) -> bool:
    """Whether an endpoint of the ledger may be this one. In doubt it is: then nobody deletes it."""
    segments = segments_of_path(known.path.split("?")[0])
    return any(
        (not known.method or known.method == each.method) and _may_be(segments, each.segments)
        for each in by_length.get(len(segments), ())
    )


def _may_be(known: Sequence[str], asked: Sequence[str]) -> bool:
    return all(
        one == other or "{" in one or one[:1] == ":" or is_parameter(other)
        for one, other in zip(known, asked, strict=True)
    )


def _days_before(instant: str, days: float) -> str:
    if not instant:
        return ""
    moment = datetime.fromisoformat(instant) - timedelta(days=days)
    return max(moment.strftime("%Y-%m-%dT%H:%M:%S"), "0")


def _days_between(first: str, last: str) -> float:
    if not (first and last):
        return 0.0
    span = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    return round(span.total_seconds() / 86_400, 2)
