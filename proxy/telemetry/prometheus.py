"""The metrics of the facade in Prometheus' text format 0.0.4: of all workers, and of the table in effect.

Not written by prometheus_client, which renders the text in one step: a thousand routes have tens of thousands of
lines, and a facade with one process renders them on the event loop that serves traffic. This module yields the text
in short pieces, so requests are served in between.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TypeVar, get_args

from msgspec import Struct

from proxy.model import Availability
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.counters import (
    ADDED_FIELDS,
    BOUNDS_S,
    BUCKETS,
    DROPPED_COOKIES,
    PATH_POLICY,
    Offset,
    Recovered,
)
from proxy.telemetry.health_report import health_in
from proxy.telemetry.mirror_counters import copies_of_routes
from proxy.telemetry.shared_memory import (
    SET_SLOTS,
    SharedStats,
    StatField,
    WorkerState,
    WorkerStats,
    WorkerStatus,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FAMILIES: Mapping[str, tuple[str, str]] = {
    "facade_requests_total": ("counter", "Requests that are over."),
    "facade_request_duration_seconds": (
        "histogram",
        "From a request's first line to the end of its answer.",
    ),
    "facade_first_byte_seconds": ("histogram", "From a request's first line to its answer's head."),
    "facade_received_bytes_total": ("counter", "Bytes of request bodies."),
    "facade_sent_bytes_total": ("counter", "Bytes of answer bodies."),
    "facade_upstream_attempts_total": ("counter", "Times that a request was sent to a backend."),
    "facade_refused_total": ("counter", "What was refused before there was a request."),
    "facade_dropped_cookies_total": (
        "counter",
        "Cookies that a backend set although it may not see them.",
    ),
    "facade_added_fields_refused_total": (
        "counter",
        "Requests that a backend refused (400, 431), and that the added fields took past a usual limit.",
    ),
    "facade_path_policies_total": (
        "counter",
        "Requests whose odd path passed by the path policy of their route.",
    ),
    "facade_retries_total": ("counter", "Requests that were sent to the same backend again."),
    "facade_fallbacks_total": (
        "counter",
        "Requests that went to the other backend, by the one that was chosen first and its failure.",
    ),
    "facade_budget_exhausted_total": (
        "counter",
        "Retries and fallbacks that did not happen because too many were under way.",
    ),
    "facade_responses_not_ok_total": (
        "counter",
        "Responses of a backend that were not ok, on routes that judge them.",
    ),
    "facade_client_connections": ("gauge", "Connections of clients to a worker."),
    "facade_requests_in_flight": ("gauge", "Requests that backends are working on."),
    "facade_upstream_connections": ("gauge", "Connections to a backend, by what they do."),
    "facade_upstream_pending": ("gauge", "Requests that wait for a connection to a backend."),
    "facade_upstream_tolerated_total": (
        "counter",
        "Responses of a backend with a deviation from HTTP/1.1 that its table tolerates.",
    ),
    "facade_endpoints": ("gauge", "Endpoints of a backend, by their health."),
    "facade_breaker_open": ("gauge", "1 while no endpoint of a backend is available."),
    "facade_ejections_total": ("counter", "Ejections of endpoints of a backend."),
    "facade_probes_total": ("counter", "Probes of endpoints of a backend, by their result."),
    "facade_mirror_copies_total": (
        "counter",
        "Copies that were sent; and second requests for a baseline.",
    ),
    "facade_mirror_compared_total": ("counter", "Copies that were compared, by the outcome."),
    "facade_mirror_dropped_total": ("counter", "Copies that were not sent, or not compared."),
    "facade_access_log_dropped_total": (
        "counter",
        "Lines of the access log that could not be written.",
    ),
    "facade_event_loop_lag_seconds": (
        "gauge",
        "How late a worker's event loop was, at worst, in the last 15 s.",
    ),
    "facade_worker_cpu_seconds_total": ("counter", "CPU time of a worker."),
    "facade_worker_resident_bytes": ("gauge", "Memory of a worker."),
    "facade_worker_table_info": ("gauge", "The table that a worker serves."),
    "facade_workers": ("gauge", "Workers by state."),
    "facade_worker_restarts_total": ("counter", "Workers that took the place of one that ended."),
    "facade_table_info": ("gauge", "The table in effect."),
    "facade_table_age_seconds": ("gauge", "How long the table in effect has been."),
    "facade_table_routes": ("gauge", "Routes of the table in effect."),
    "facade_table_last_reload_ok": (
        "gauge",
        "1 if the last look at the file ended well, 0 if the last good table serves on.",
    ),
    "facade_table_reloads_total": ("counter", "Tables that took effect after the first."),
    "facade_table_failed_reloads_total": ("counter", "Edits that were refused."),
}
"""Type and help of every metric, by its name."""

Labels = tuple[tuple[str, str], ...]
_Key = TypeVar("_Key", str, tuple[str, str])
_SETS_IN_A_STEP = 100
_RECOVERED: tuple[tuple[Recovered, str, str], ...] = (
    ("retry", "facade_retries_total", ""),
    ("fallback", "facade_fallbacks_total", "reason"),
    ("budget", "facade_budget_exhausted_total", "budget"),
    ("not_ok", "facade_responses_not_ok_total", ""),
)
"""Each kind of counter with its metric, and the label for its word."""
_LE = tuple(f'le="{bound}"' for bound in (*BOUNDS_S, "+Inf"))


class _Sums(Struct):
    """The sums for one route and backend, over all workers."""

    duration: list[int]
    first_byte: list[int]
    duration_s: float = 0.0
    first_byte_s: float = 0.0
    received: int = 0
    sent: int = 0


class Totals:
    """The sums of all counters of all workers."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str, str], int] = {}
        self.pairs: dict[tuple[str, str], _Sums] = {}
        self.attempts: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.recovered: dict[tuple[str, str, str, str], int] = {}
        """By kind, route, backend and word."""
        self.of_backends: dict[str, dict[str, int]] = {DROPPED_COOKIES: {}, ADDED_FIELDS: {}}
        self.policies: dict[tuple[str, str], int] = {}

    def add(self, stats: SharedStats) -> Iterator[None]:
        """Add all counters, a few sets in each step of the iterator."""
        for worker in stats:
            for number, name in enumerate(tuple(worker.names())):
                if len(name) == 1:
                    _add_count(self.refused, name[0], worker.counters[number * SET_SLOTS])
                elif len(name) == 2:
                    kind, backend = name
                    _add_count(self.of_backends[kind], backend, worker.counters[number * SET_SLOTS])
                elif len(name) == 5:
                    count = worker.counters[number * SET_SLOTS]
                    self._add_recovered((name[1], name[2], name[3], name[4]), count)
                elif name[0] == PATH_POLICY:
                    _add_count(
                        self.policies, (name[1], name[2]), worker.counters[number * SET_SLOTS]
                    )
                elif len(name) == 4:
                    route, backend, code, reason = name
                    self._add_set((route, backend, code, reason), worker, number * SET_SLOTS)
                if number % _SETS_IN_A_STEP == 0:
                    yield

    def _add_recovered(self, name: tuple[str, str, str, str], count: int) -> None:
        self.recovered[name] = self.recovered.get(name, 0) + count

    def _add_set(self, name: tuple[str, str, str, str], worker: WorkerStats, at: int) -> None:
        values = worker.counters[at : at + SET_SLOTS].tolist()
        both, both_s = values[Offset.BOTH : Offset.BOTH_S], worker.seconds[at + Offset.BOTH_S]
        duration = _added(values[Offset.DURATION : Offset.DURATION + BUCKETS], both)
        count = sum(duration)
        if not count:
            return
        route, backend = name[:2]
        self.requests[name] = self.requests.get(name, 0) + count
        sums = self.pairs.get((route, backend))
        if sums is None:
            sums = self.pairs[route, backend] = _Sums([0] * BUCKETS, [0] * BUCKETS)
        first_byte = _added(values[Offset.FIRST_BYTE : Offset.FIRST_BYTE + BUCKETS], both)
        sums.duration = _added(sums.duration, duration)
        sums.first_byte = _added(sums.first_byte, first_byte)
        sums.duration_s += worker.seconds[at + Offset.DURATION_S] + both_s
        sums.first_byte_s += worker.seconds[at + Offset.FIRST_BYTE_S] + both_s
        sums.received += values[Offset.RECEIVED]
        sums.sent += values[Offset.SENT]
        if backend != "-":
            attempts = count + values[Offset.MORE_ATTEMPTS]
            self.attempts[backend] = self.attempts.get(backend, 0) + attempts


def _add_count(totals: dict[_Key, int], key: _Key, count: int) -> None:
    if count:
        totals[key] = totals.get(key, 0) + count


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
    yield _family(
        "facade_requests_total",
        (
            ((("route", route), ("backend", backend), ("code", code), ("reason", reason)), count)
            for (route, backend, code, reason), count in totals.requests.items()
        ),
    )
    pairs = [
        (_rendered((("route", route), ("backend", backend))), sums)
        for (route, backend), sums in totals.pairs.items()
    ]
    yield _head("facade_request_duration_seconds")
    for labels, sums in pairs:
        yield _histogram("facade_request_duration_seconds", labels, sums.duration, sums.duration_s)
    yield _head("facade_first_byte_seconds")
    for labels, sums in pairs:
        yield _histogram("facade_first_byte_seconds", labels, sums.first_byte, sums.first_byte_s)
    for name, field in (
        ("facade_received_bytes_total", "received"),
        ("facade_sent_bytes_total", "sent"),
    ):
        yield _head(name)
        yield "".join(f"{name}{{{labels}}} {getattr(sums, field)}\n" for labels, sums in pairs)
    yield _family("facade_upstream_attempts_total", _by("backend", totals.attempts))
    yield _family("facade_refused_total", _by("kind", totals.refused))
    for kind, name in (
        (DROPPED_COOKIES, "facade_dropped_cookies_total"),
        (ADDED_FIELDS, "facade_added_fields_refused_total"),
    ):
        yield _family(name, _by("backend", totals.of_backends[kind]))
    yield _family("facade_path_policies_total", _by_two(("route", "policy"), totals.policies))


def _of_recovery(totals: Totals) -> str:
    samples: dict[str, list[tuple[Labels, float]]] = {kind: [] for kind, _, _ in _RECOVERED}
    labels: dict[str, str] = {kind: label for kind, _, label in _RECOVERED}
    for (kind, route, backend, word), count in totals.recovered.items():
        more = ((labels[kind], word),) if labels[kind] else ()
        samples[kind].append(((("route", route), ("backend", backend), *more), count))
    return "".join(_family(name, samples[kind]) for kind, name, _ in _RECOVERED)


def _of_workers(stats: SharedStats) -> str:
    workers = [(str(number), worker, worker.status()) for number, worker in enumerate(stats, 1)]
    states = {state.name.lower(): 0 for state in WorkerState}
    for _, worker, _ in workers:
        states[WorkerState(worker.state).name.lower()] += 1
    return "".join(
        (
            _by_worker(
                "facade_client_connections",
                [(n, worker.head[StatField.CONNECTIONS]) for n, worker, _ in workers],
            ),
            _of_backends([status for _, _, status in workers]),
            _by_worker(
                "facade_access_log_dropped_total", [(n, s.log_dropped) for n, _, s in workers]
            ),
            _by_worker("facade_event_loop_lag_seconds", [(n, s.lag_s) for n, _, s in workers]),
            _by_worker("facade_worker_cpu_seconds_total", [(n, s.cpu_s) for n, _, s in workers]),
            _by_worker(
                "facade_worker_resident_bytes", [(n, s.resident_bytes) for n, _, s in workers]
            ),
            _family(
                "facade_worker_table_info",
                (((("worker", n), ("version", s.table)), 1) for n, _, s in workers if s.table),
            ),
            _family("facade_workers", _by("state", states)),
            _single("facade_worker_restarts_total", sum(w.head[StatField.RESTARTS] for w in stats)),
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
        _single("facade_requests_in_flight", in_flight)
        + _family("facade_upstream_connections", _by_two(("backend", "state"), connections))
        + _family("facade_upstream_pending", _by("backend", pending))
        + _family("facade_upstream_tolerated_total", _by_two(("backend", "kind"), tolerated))
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
            _family("facade_endpoints", _by_two(("backend", "state"), endpoints)),
            _family("facade_breaker_open", _by("backend", is_open)),
            _family("facade_ejections_total", _by("backend", ejections)),
            _family("facade_probes_total", _by_two(("backend", "result"), probes)),
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
            _family("facade_mirror_copies_total", _by_two(("route", "kind"), copies)),
            _family("facade_mirror_compared_total", _by_two(("route", "outcome"), compared)),
            _family("facade_mirror_dropped_total", _by_two(("route", "reason"), dropped)),
        )
    )


def _of_table(table: CurrentTable) -> str:
    current, state = table.current, table.state
    age_s = max(0.0, time.time() - current.loaded_at)
    return "".join(
        (
            _family("facade_table_info", _by("version", {current.version: 1})),
            _single("facade_table_age_seconds", age_s),
            _single("facade_table_routes", current.index.size),
            _single("facade_table_last_reload_ok", int(state.ok)),
            _single("facade_table_reloads_total", state.reloads),
            _single("facade_table_failed_reloads_total", state.failures),
        )
    )


# --- the text format ----------------------------------------------------------------------------


def _head(name: str) -> str:
    kind, help_text = FAMILIES[name]
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"


def _family(name: str, samples: Iterable[tuple[Labels, float]]) -> str:
    lines = (f"{name}{{{_rendered(labels)}}} {value}\n" for labels, value in samples)
    return _head(name) + "".join(lines)


def _single(name: str, value: float) -> str:
    return f"{_head(name)}{name} {value}\n"


def _by_worker(name: str, samples: list[tuple[str, float]]) -> str:
    return _family(name, (((("worker", number),), value) for number, value in samples))


def _by(label: str, values: Mapping[str, float]) -> Iterator[tuple[Labels, float]]:
    return ((((label, key),), value) for key, value in values.items())


def _by_two(
    labels: tuple[str, str], values: Mapping[tuple[str, str], float]
) -> Iterator[tuple[Labels, float]]:
    one, other = labels
    return ((((one, key), (other, detail)), value) for (key, detail), value in values.items())


def _rendered(labels: Labels) -> str:
    return ",".join(f'{label}="{_escaped(value)}"' for label, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _histogram(name: str, labels: str, buckets: list[int], seconds: float) -> str:
    lines = [
        f"{name}_bucket{{{labels},{le}}} {count}\n"
        for le, count in zip(_LE, accumulate(buckets), strict=True)
    ]
    total = sum(buckets)
    return f"{''.join(lines)}{name}_sum{{{labels}}} {seconds}\n{name}_count{{{labels}}} {total}\n"


def _added(one: list[int], other: list[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]
