"""The content of the page as values. Pure; the templates only write it down."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from proxy.control.changes import sentences
from proxy.control.history.entries import FOUND, NOT_CARRIED_OUT, Entry
from proxy.control.text_diff import printable, shorten
from proxy.dashboard.charts import area_path, line_path, slabs
from proxy.dashboard.migration import Extras
from proxy.dashboard.sides import Sides, is_migration
from proxy.dashboard.traffic import SLOT_S, SLOTS, PairCounts, TrafficHistory
from proxy.model import ALL_BP, Health, Route
from proxy.routing.predicates import describe_all
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.shared_memory import SharedStats, StatField, WorkerState

CARDS_PER_PAGE = 50
_MAX_SLABS = 12
_SPARK = (120.0, 28.0)
_CHART = (720.0, 150.0)
_MAX_ERROR = 4_000


class View(Struct, frozen=True):
    """The part of the table that a viewer looks at. `page` counts from 1."""

    search: str = ""
    page: int = 1


class BackendRow(Struct, frozen=True):
    """A backend of a route."""

    name: str
    role: str
    weight: str
    rate: str
    errors: str
    p50: str
    p99: str
    health: str
    is_ill: bool
    line: str
    """Its requests of the last hour as a path."""


class Card(Struct, frozen=True):
    """A route. `key` is its place in the file, and safe in HTML."""

    key: str
    name: str
    match: str
    stage: str
    state: str
    is_migration: bool
    can_shift: bool
    moved: float
    backends: tuple[BackendRow, ...]
    extras: Extras


class WorkerRow(Struct, frozen=True):
    """A worker process."""

    number: int
    state: str
    version: str
    is_current: bool
    connections: int
    lag_ms: str
    memory: str
    restarts: int


class HistoryRow(Struct, frozen=True):
    """An entry of the history."""

    time: str
    who: str
    action: str
    what: str
    reason: str
    version: str


class Chart(Struct, frozen=True):
    """The chart of the last hour."""

    monolith: str
    moved: str
    errors: str
    top: str
    """The rate at the upper edge."""
    summary: str


def broken_edit(table: CurrentTable, folder: Path) -> str:
    """The errors of the newest edit that was refused, bounded; empty if the last one is in effect.

    `folder` is that of the table: it is left out.
    """
    error = table.state.error.replace(f"{folder}/", "")
    lines = [printable(line) for line in error[:_MAX_ERROR].splitlines()]
    return "\n".join([*lines, "…"] if len(error) > _MAX_ERROR else lines)


# --- routes ---------------------------------------------------------------------------------


def card_of(
    number: int, route: Route, traffic: TrafficHistory, health: Health, extras: Extras
) -> Card:
    """The card of the route at this place of the file."""
    migration = is_migration(route)
    roles = ("incumbent", "newcomer") if migration else ()
    counts = {
        ref.backend: traffic.pairs.get((route.name, ref.backend)) for ref in route.backend_refs
    }
    top = max((max(each.slot_requests) for each in counts.values() if each is not None), default=0)
    rows = tuple(
        _backend_row(
            ref.backend,
            roles[at] if at < len(roles) else "",
            "–" if route.stage == "retired" else f"{ref.weight_bp * 100 / ALL_BP:g} %",
            _Measured(counts[ref.backend], traffic, top),
            health,
        )
        for at, ref in enumerate(route.backend_refs)
    )
    return Card(
        f"r{number}",
        shorten(route.name),
        shorten(describe_all(route.matches)),
        route.stage or "",
        _state(route),
        migration,
        len(route.backend_refs) > 1 and route.stage != "retired",
        moved_percent(route, traffic),
        rows,
        extras,
    )


def _state(route: Route) -> str:
    if route.direct_response is not None or route.stage == "retired":
        reply = route.direct_response
        return f"the facade responds with {reply.status if reply is not None else 410}"
    return f"redirect {route.redirect.status}" if route.redirect is not None else ""


class _Measured(Struct, frozen=True):
    counts: PairCounts | None
    traffic: TrafficHistory
    top: int


def _backend_row(
    name: str, role: str, weight: str, measured: _Measured, health: Health
) -> BackendRow:
    counts = measured.counts
    text, is_ill = _health_text(name, health)
    if counts is None:
        return BackendRow(shorten(name), role, weight, "0", "–", "–", "–", text, is_ill, "")
    line = line_path(measured.traffic.ordered(counts.slot_requests), *_SPARK, measured.top or 1)
    return BackendRow(
        shorten(name),
        role,
        weight,
        rate_text(counts.per_second),
        share_text(counts.hour_errors, counts.hour_requests),
        ms_text(counts.latency_s(0.5)),
        ms_text(counts.latency_s(0.99)),
        text,
        is_ill,
        line,
    )


def _health_text(name: str, health: Health) -> tuple[str, bool]:
    """The breaker and the endpoints of a backend, and whether one of them is not available."""
    known = health.backends.get(name)
    if known is None:
        return "not monitored", False
    available = sum(each.is_available for each in known.endpoints)
    text = f"breaker {known.breaker.replace('_', '-')}, {available}/{len(known.endpoints)} healthy"
    if known.is_panicking:
        text += ", panic"
    return text, known.breaker != "closed" or available < len(known.endpoints)


def moved_percent(route: Route, traffic: TrafficHistory) -> float:
    """How much of a route's traffic the newcomer took in the last hour; without traffic, its weight."""
    if not is_migration(route):
        return 0.0
    newcomer = route.backend_refs[1]
    counts = [traffic.pairs.get((route.name, ref.backend)) for ref in route.backend_refs]
    requests = [0 if each is None else each.hour_requests for each in counts]
    if not sum(requests):
        return 0.0 if route.stage == "retired" else newcomer.weight_bp * 100 / ALL_BP
    return round(100 * requests[1] / sum(requests), 1)


# --- the whole ------------------------------------------------------------------------------


def fig_of(routes: Mapping[str, Route], traffic: TrafficHistory, sides: Sides) -> dict[str, object]:
    """The strangler fig: the traffic of the last hour by route, and how much of it has moved."""
    parts: dict[str, list[int]] = {}
    for pair, counts in traffic.pairs.items():
        side = sides.side_of(pair)
        if side is not None and counts.hour_requests:
            parts.setdefault(pair[0], [0, 0])[side == "moved"] += counts.hour_requests
    if not parts:
        for route in list(routes.values())[:_MAX_SLABS]:
            if is_migration(route) and route.stage != "retired":
                weight_bp = route.backend_refs[1].weight_bp
                parts[route.name] = [ALL_BP - weight_bp, weight_bp]
        return _fig(parts, "by weight: no traffic in the last hour")
    return _fig(parts, "of the last hour's traffic")


def _fig(parts: Mapping[str, list[int]], basis: str) -> dict[str, object]:
    order = sorted(parts.items(), key=lambda each: -sum(each[1]))
    shown = [(shorten(name, 60), left, moved) for name, (left, moved) in order[:_MAX_SLABS]]
    rest = [counts for _, counts in order[_MAX_SLABS:]]
    if rest:
        names = f"{len(rest):,} other routes"
        shown.append((names, sum(left for left, _ in rest), sum(moved for _, moved in rest)))
    shares = [
        (name, float(left + moved), round(100 * moved / (left + moved), 1))
        for name, left, moved in shown
    ]
    left, moved = (sum(each[at] for each in parts.values()) for at in (0, 1))
    percent = round(100 * moved / (left + moved), 1) if left + moved else 0.0
    return {"slabs": slabs(shares), "percent": percent, "basis": basis}


def chart_of(traffic: TrafficHistory) -> Chart:
    """Requests a second of the last hour: the monolith's below, those that moved on top; and errors."""
    monolith, moved, errors = (
        traffic.rates(series) for series in (traffic.monolith, traffic.moved, traffic.errors)
    )
    both = [one + other for one, other in zip(monolith, moved, strict=True)]
    top = max(*both, 0.1)
    minutes = SLOT_S * SLOTS / 60
    return Chart(
        area_path(monolith, *_CHART, top),
        area_path(both, *_CHART, top),
        line_path(errors, *_CHART, top),
        rate_text(top),
        f"Requests a second over {minutes:.0f} minutes: at most {rate_text(top)}, "
        f"in all {sum(traffic.moved):,} moved, {sum(traffic.monolith):,} at the monolith, "
        f"{sum(traffic.errors):,} errors.",
    )


def worker_rows(stats: SharedStats, version: str) -> list[WorkerRow]:
    """The workers of this facade, and the table that each serves."""
    rows = []
    for number, worker in enumerate(stats, 1):
        status = worker.status()
        rows.append(
            WorkerRow(
                number,
                WorkerState(worker.state).name.lower(),
                status.table or "–",
                status.table == version,
                worker.head[StatField.CONNECTIONS],
                f"{status.lag_s * 1e3:.0f} ms",
                f"{status.resident_bytes / 1e6:.0f} MB",
                worker.head[StatField.RESTARTS],
            )
        )
    return rows


def history_rows(entries: Sequence[Entry]) -> list[HistoryRow]:
    """The entries, newest first."""
    return [
        HistoryRow(
            entry.time,
            shorten(entry.who),
            entry.action,
            shorten("; ".join(_what(entry))),
            shorten(entry.reason) or "–",
            entry.version_after,
        )
        for entry in reversed(entries)
    ]


def _what(entry: Entry) -> list[str]:
    if entry.action == FOUND:
        return ["the table as it was found"]
    texts = sentences(entry.changes)
    return [*texts, "(was not carried out)"] if entry.action == NOT_CARRIED_OUT else texts


# --- numbers as text ------------------------------------------------------------------------


def rate_text(per_second: float) -> str:
    if per_second < 0.005:
        return "0"
    return f"{per_second:.2f}" if per_second < 10 else f"{per_second:,.0f}"


def share_text(part: int, whole: int) -> str:
    """`part` of `whole` in per cent."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return f"{percent:.2f} %" if 0 < percent < 10 else f"{percent:.0f} %"


def ms_text(seconds: float | None) -> str:
    """Milliseconds, without the unit."""
    if seconds is None:
        return "–"
    ms = seconds * 1e3
    return f"{ms:.1f}" if ms < 100 else f"{ms:,.0f}"
