"""The metrics of the facade in Prometheus' text format 0.0.4: of all workers, and of the table in effect.

Not written by prometheus_client, which renders the text in one step: a thousand routes have tens of thousands of
lines, and a facade with one process renders them on the event loop that serves traffic. This module yields the text
in short pieces, so requests are served in between.
"""

import time
from collections.abc import Iterator
from typing import get_args

from proxy.model import Availability
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.counters import (
    ADDED_FIELDS,
    DROPPED_COOKIES,
    Recovered,
)
from proxy.telemetry.health_report import health_in
from proxy.telemetry.metric_text import (
    Labels,
    by,
    by_two,
    by_worker,
    family,
    head,
    histogram,
    rendered,
    single,
)
from proxy.telemetry.mirror_counters import copies_of_routes
from proxy.telemetry.shared_memory import (
    SharedStats,
    StatField,
    WorkerState,
    WorkerStatus,
)
from proxy.telemetry.totals import Totals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RECOVERED: tuple[tuple[Recovered, str, str], ...] = (
    ("retry", "facade_retries_total", ""),
    ("fallback", "facade_fallbacks_total", "reason"),
    ("budget", "facade_budget_exhausted_total", "budget"),
    ("not_ok", "facade_responses_not_ok_total", ""),
)
"""Each kind of counter with its metric, and the label for its word."""


def exposition(stats: SharedStats, table: CurrentTable) -> Iterator[str]:
    """The text, in pieces that take little time each; some of them are empty."""
    totals = Totals()
    for _ in totals.add(stats):
        yield ""
    yield from _of_requests(totals)
    yield _of_recovery(totals)
    yield _of_workers(stats)
    yield _of_health(stats, table)
    yield _of_mirrors(stats)
    yield _of_table(table)


def _of_requests(totals: Totals) -> Iterator[str]:
    yield family(
        "facade_requests_total",
        (
            ((("route", route), ("backend", backend), ("code", code), ("reason", reason)), count)
            for (route, backend, code, reason), count in totals.requests.items()
        ),
    )
    pairs = [
        (rendered((("route", route), ("backend", backend))), sums)
        for (route, backend), sums in totals.pairs.items()
    ]
    yield head("facade_request_duration_seconds")
    for labels, sums in pairs:
        yield histogram("facade_request_duration_seconds", labels, sums.duration, sums.duration_s)
    yield head("facade_first_byte_seconds")
    for labels, sums in pairs:
        yield histogram("facade_first_byte_seconds", labels, sums.first_byte, sums.first_byte_s)
    for name, field in (
        ("facade_received_bytes_total", "received"),
        ("facade_sent_bytes_total", "sent"),
    ):
        yield head(name)
        yield "".join(f"{name}{{{labels}}} {getattr(sums, field)}\n" for labels, sums in pairs)
    yield family("facade_upstream_attempts_total", by("backend", totals.attempts))
    yield family("facade_refused_total", by("kind", totals.refused))
    for kind, name in (
        (DROPPED_COOKIES, "facade_dropped_cookies_total"),
        (ADDED_FIELDS, "facade_added_fields_refused_total"),
    ):
        yield family(name, by("backend", totals.of_backends[kind]))
    yield family("facade_path_policies_total", by_two(("route", "policy"), totals.policies))


def _of_recovery(totals: Totals) -> str:
    samples: dict[str, list[tuple[Labels, float]]] = {kind: [] for kind, _, _ in _RECOVERED}
    labels: dict[str, str] = {kind: label for kind, _, label in _RECOVERED}
    for (kind, route, backend, word), count in totals.recovered.items():
        more = ((labels[kind], word),) if labels[kind] else ()
        samples[kind].append(((("route", route), ("backend", backend), *more), count))
    return "".join(family(name, samples[kind]) for kind, name, _ in _RECOVERED)


def _of_workers(stats: SharedStats) -> str:
    workers = [(str(number), worker, worker.status()) for number, worker in enumerate(stats, 1)]
    processes = [(number, status) for number, _, status in workers]
    if stats.mirror.is_up:
        processes.append(("mirror", stats.mirror.stats.status()))
    states = {state.name.lower(): 0 for state in WorkerState}
    for _, worker, _ in workers:
        states[WorkerState(worker.state).name.lower()] += 1
    return "".join(
        (
            by_worker(
                "facade_client_connections",
                [(n, worker.head[StatField.CONNECTIONS]) for n, worker, _ in workers],
            ),
            _of_backends([status for _, _, status in workers]),
            by_worker(
                "facade_access_log_dropped_total", [(n, s.log_dropped) for n, _, s in workers]
            ),
            by_worker("facade_event_loop_lag_seconds", [(n, s.lag_s) for n, _, s in workers]),
            by_worker("facade_worker_cpu_seconds_total", [(n, s.cpu_s) for n, s in processes]),
            by_worker(
                "facade_worker_resident_bytes", [(n, s.resident_bytes) for n, s in processes]
            ),
            family(
                "facade_worker_table_info",
                (((("worker", n), ("version", s.table)), 1) for n, _, s in workers if s.table),
            ),
            family("facade_workers", by("state", states)),
            single("facade_worker_restarts_total", sum(w.head[StatField.RESTARTS] for w in stats)),
        )
    )


def _of_backends(statuses: list[WorkerStatus]) -> str:
    connections: dict[tuple[str, str], int] = {}
    pending: dict[str, int] = {}
    tolerated: dict[tuple[str, str], int] = {}
    in_flight = 0
    for status in statuses:
        for name, now in status.backends.items():
            for state, count in (
                ("idle", now.idle),
                ("active", now.connections - now.idle - now.streams),
                ("stream", now.streams),
                ("tunnel", now.tunnels),
            ):
                connections[name, state] = connections.get((name, state), 0) + count
            pending[name] = pending.get(name, 0) + now.pending
            in_flight += now.in_flight
            for kind, count in now.tolerated.items():
                tolerated[name, kind] = tolerated.get((name, kind), 0) + count
    return (
        single("facade_requests_in_flight", in_flight)
        + family("facade_upstream_connections", by_two(("backend", "state"), connections))
        + family("facade_upstream_pending", by("backend", pending))
        + family("facade_upstream_tolerated_total", by_two(("backend", "kind"), tolerated))
    )


def _of_health(stats: SharedStats, table: CurrentTable) -> str:
    report, now = stats.health.read(), time.monotonic()
    endpoints: dict[tuple[str, str], int] = {}
    is_open: dict[str, int] = {}
    for name, health in health_in(table.current, report, now).backends.items():
        is_open[name] = int(health.breaker != "closed")
        for availability in get_args(Availability):
            endpoints[name, availability] = 0
        for each in health.endpoints:
            endpoints[name, each.state] += 1
    ejections: dict[str, int] = {}
    probes: dict[tuple[str, str], int] = {}
    for name, states in report.backends.items():
        failed = sum(state.failed_probes for state in states.values())
        ejections[name] = sum(state.total_ejections for state in states.values())
        probes[name, "ok"] = sum(state.probes for state in states.values()) - failed
        probes[name, "failed"] = failed
    return "".join(
        (
            family("facade_endpoints", by_two(("backend", "state"), endpoints)),
            family("facade_breaker_open", by("backend", is_open)),
            family("facade_ejections_total", by("backend", ejections)),
            family("facade_probes_total", by_two(("backend", "result"), probes)),
        )
    )


def _of_mirrors(stats: SharedStats) -> str:
    copies: dict[tuple[str, str], int] = {}
    compared: dict[tuple[str, str], int] = {}
    dropped: dict[tuple[str, str], int] = {}
    for route, sums in copies_of_routes(stats):
        copies[route, "copy"], copies[route, "baseline"] = sums.sent, sums.replayed
        compared[route, "equal"] = sums.equal
        compared[route, "different"] = sums.compared - sums.equal
        compared[route, "baseline_invalid"] = sums.baseline_invalid
        dropped |= {(route, reason): count for reason, count in sums.dropped.items()}
    return "".join(
        (
            family("facade_mirror_copies_total", by_two(("route", "kind"), copies)),
            family("facade_mirror_compared_total", by_two(("route", "outcome"), compared)),
            family("facade_mirror_dropped_total", by_two(("route", "reason"), dropped)),
            single("facade_mirror_process_up", int(stats.mirror.is_up)),
            single(
                "facade_mirror_process_restarts_total", stats.mirror.stats.head[StatField.RESTARTS]
            ),
        )
    )


def _of_table(table: CurrentTable) -> str:
    current, state = table.current, table.state
    age_s = max(0.0, time.time() - current.loaded_at)
    return "".join(
        (
            family("facade_table_info", by("version", {current.version: 1})),
            single("facade_table_age_seconds", age_s),
            single("facade_table_routes", current.index.size),
            single("facade_table_last_reload_ok", int(state.ok)),
            single("facade_table_reloads_total", state.reloads),
            single("facade_table_failed_reloads_total", state.failures),
        )
    )
