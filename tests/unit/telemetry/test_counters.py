"""Counters in shared memory: their sums as metrics, after a worker died, and within their bounds."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from proxy.control.table_watcher import TableWatcher
from proxy.errors import NoRoute, UpstreamBusy
from proxy.routing.snapshot import CurrentTable
from proxy.server.probes import HUNG_S, FleetHealth, OwnHealth, is_hung
from proxy.telemetry.counters import BOUNDS_S, BUCKETS, OTHER, CountedRoute, Offset, RequestCounters
from proxy.telemetry.metric_text import FAMILIES
from proxy.telemetry.prometheus import exposition
from proxy.telemetry.request_record import Record
from proxy.telemetry.shared_memory import (
    SET_SLOTS,
    Connections,
    SharedStats,
    StatField,
    WorkerState,
    WorkerStatus,
)
from proxy.telemetry.totals import Totals
from tests.make import decided, facts, refs, route, table

ROOT = Path(__file__).parents[3]
LABELS = tuple[tuple[str, str], ...]
TO_NEW = route("list", to=refs(legacy=0, new=100))


def record(**values: object) -> Record:
    """A request to the backend `new` that took 20 ms."""
    decision = decided(table(TO_NEW), TO_NEW, facts(), 0)
    result = Record("v", 0, facts(), decision, TO_NEW, status=200, total_s=0.02, attempts=1)
    result.first_byte_s = 0.004
    for name, value in values.items():
        setattr(result, name, value)
    return result


def without_route() -> Record:
    """A request that no route takes."""
    return record(decision=None, route=None, error=NoRoute("none"), status=404, attempts=0)


@pytest.fixture
def current_table(tmp_path: Path) -> CurrentTable:
    path = tmp_path / "routes.yaml"
    path.write_text("version: 1\nbackends: {a: http://h}\nroutes: [{name: all, backend_refs: a}]\n")
    return TableWatcher(path, {}, lambda _: None).table


class Scrape(Struct):
    """The samples that Prometheus would read."""

    samples: dict[tuple[str, LABELS], float]

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, tuple(sorted(labels.items()))]

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(labels) for at, labels in self.samples if at == name]


def scrape(stats: SharedStats, current_table: CurrentTable) -> Scrape:
    text = "".join(exposition(stats, current_table))
    return Scrape(
        {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


def test_a_request_is_counted_by_route_backend_status_and_reason(
    current_table: CurrentTable,
) -> None:
    stats = SharedStats()
    counters = RequestCounters(stats.workers[0])
    for _ in range(3):
        counters.count_request(record(received_bytes=10, sent_bytes=500))
    counters.count_request(
        record(error=UpstreamBusy("full"), status=503, attempts=4, first_byte_s=None)
    )
    counters.count_request(without_route())
    metrics = scrape(stats, current_table)
    to_new = {"route": "list", "backend": "new"}
    counted = "facade_requests_total"
    assert metrics.value(counted, **to_new, code="200", reason="draw") == 3
    assert metrics.value(counted, **to_new, code="503", reason="busy") == 1
    assert metrics.value(counted, route="-", backend="-", code="404", reason="no_route") == 1
    assert metrics.value("facade_received_bytes_total", **to_new) == 30
    assert metrics.value("facade_sent_bytes_total", **to_new) == 1500
    assert metrics.value("facade_upstream_attempts_total", backend="new") == 7
    assert metrics.labels("facade_upstream_attempts_total") == [{"backend": "new"}]
    assert metrics.value("facade_first_byte_seconds_count", **to_new) == 3
    assert metrics.value("facade_first_byte_seconds_sum", **to_new) == pytest.approx(0.012)


def test_a_response_whose_first_byte_is_its_end_counts_for_both_durations(
    current_table: CurrentTable,
) -> None:
    stats = SharedStats()
    counters = RequestCounters(stats.workers[0])
    counters.count_request(record(first_byte_s=0.02, total_s=0.02))
    counters.count_request(record(first_byte_s=0.004, total_s=0.02))
    counters.count_request(record(first_byte_s=None, total_s=0.02))
    metrics = scrape(stats, current_table)
    to_new = {"route": "list", "backend": "new"}
    for name, count, seconds, slow in (
        ("facade_request_duration_seconds", 3, 0.06, 3),
        ("facade_first_byte_seconds", 2, 0.024, 1),
    ):
        assert metrics.value(f"{name}_count", **to_new) == count
        assert metrics.value(f"{name}_sum", **to_new) == pytest.approx(seconds)
        assert metrics.value(f"{name}_bucket", **to_new, le="0.025") == count
        assert metrics.value(f"{name}_bucket", **to_new, le="0.01") == count - slow
    counted = "facade_requests_total"
    assert metrics.value(counted, **to_new, code="200", reason="draw") == 3


def test_usual_requests_count_like_others_that_came_at_once(current_table: CurrentTable) -> None:
    stats = SharedStats()
    counters = RequestCounters(stats.workers[0])
    usual = CountedRoute("list", "new", "draw")
    for _ in range(2):
        counters.count_request(
            record(first_byte_s=0.02, total_s=0.02, sent_bytes=5, received_bytes=7)
        )
        counters.count_usual(usual, 200, 7, 5, 0.02)
        counters.count_usual(usual, 404, 0, 0, 0.02)
    metrics = scrape(stats, current_table)
    to_new = {"route": "list", "backend": "new"}
    for code, count in (("200", 4), ("404", 2)):
        assert metrics.value("facade_requests_total", **to_new, code=code, reason="draw") == count
    assert metrics.value("facade_request_duration_seconds_count", **to_new) == 6
    assert metrics.value("facade_request_duration_seconds_sum", **to_new) == pytest.approx(0.12)
    assert metrics.value("facade_first_byte_seconds_count", **to_new) == 6
    assert metrics.value("facade_sent_bytes_total", **to_new) == 20
    assert metrics.value("facade_received_bytes_total", **to_new) == 28


def test_each_usual_route_has_its_own_places() -> None:
    """The default of a struct's field is not shared between structs."""
    first, second = CountedRoute("a", "new", "draw"), CountedRoute("b", "new", "draw")
    counters = RequestCounters(SharedStats().workers[0])
    counters.count_usual(first, 200, 0, 0, 0.1)
    counters.count_usual(second, 200, 0, 0, 0.1)
    assert first.places[200] != second.places[200]


def test_buckets_are_cumulative_and_include_their_bounds(current_table: CurrentTable) -> None:
    stats = SharedStats()
    counters = RequestCounters(stats.workers[0])
    for total_s in (0.0, 0.001, 0.0011, 30.0, 31.0):
        counters.count_request(record(total_s=total_s))
    metrics = scrape(stats, current_table)
    name = "facade_request_duration_seconds"
    to_new = {"route": "list", "backend": "new"}
    counts = [metrics.value(f"{name}_bucket", **to_new, le=str(le)) for le in (*BOUNDS_S, "+Inf")]
    assert counts == [2, *[3] * 12, 4, 5]
    assert metrics.value(f"{name}_count", **to_new) == 5
    assert metrics.value(f"{name}_sum", **to_new) == pytest.approx(61.0021)
    assert len(counts) == BUCKETS
    assert max(Offset) < SET_SLOTS


def test_metrics_are_sums_over_all_workers(current_table: CurrentTable) -> None:
    stats = SharedStats(3)
    for number, worker in enumerate(stats, 1):
        counters = RequestCounters(worker)
        for _ in range(number):
            counters.count_request(record())
        counters.count_connection(number)
        counters.count_refused("head_timeout")
        worker.publish(WorkerStatus(backends={"new": Connections(3, 1, 2, 5)}))
    metrics = scrape(stats, current_table)
    to_new = {"route": "list", "backend": "new"}
    assert metrics.value("facade_requests_total", **to_new, code="200", reason="draw") == 6
    assert metrics.value("facade_client_connections", worker="3") == 3
    assert metrics.value("facade_refused_total", kind="head_timeout") == 3
    assert metrics.value("facade_upstream_connections", backend="new", state="idle") == 3
    assert metrics.value("facade_upstream_connections", backend="new", state="active") == 6
    assert metrics.value("facade_upstream_pending", backend="new") == 15
    assert metrics.value("facade_requests_in_flight") == 6
    assert metrics.value("facade_workers", state="starting") == 3


def test_a_restarted_worker_continues_the_counters_and_has_no_connections(
    current_table: CurrentTable,
) -> None:
    stats = SharedStats()
    first = RequestCounters(stats.workers[0])
    for each in (record(), without_route()):
        first.count_request(each)
    first.count_connection(7)
    first.count_refused("too_slow")
    stats.workers[0].publish(WorkerStatus("v1", backends={"new": Connections(3, 1, 2, 5)}))
    second = RequestCounters(stats.workers[0])
    sets = stats.workers[0].head[StatField.SETS]
    for each in (record(), without_route(), record()):
        second.count_request(each)
    second.count_refused("too_slow")
    assert stats.workers[0].head[StatField.SETS] == sets
    metrics = scrape(stats, current_table)
    assert metrics.value("facade_refused_total", kind="too_slow") == 2
    assert metrics.value("facade_request_duration_seconds_count", route="list", backend="new") == 3
    assert metrics.value("facade_request_duration_seconds_count", route="-", backend="-") == 2
    assert metrics.value("facade_client_connections", worker="1") == 0
    assert metrics.labels("facade_upstream_pending") == []


def test_path_policies_are_counted_by_route_and_field_also_after_a_restart(
    current_table: CurrentTable,
) -> None:
    stats = SharedStats(2)
    both = ("double_slash: merge", "encoded_slash: keep")
    for worker in (*stats.workers, stats.workers[0]):
        counters = RequestCounters(worker)
        counters.count_request(record(path_policy=both))
        counters.count_request(record(path_policy=both[:1]))
        counters.count_request(record())
    metrics = scrape(stats, current_table)
    name = "facade_path_policies_total"
    assert metrics.value(name, route="list", policy="double_slash: merge") == 6
    assert metrics.value(name, route="list", policy="encoded_slash: keep") == 3
    assert len(metrics.labels(name)) == 2


# In a separate process: pytest may have threads, and a process with threads must not fork.
KILLED = """
import os, signal, sys
from proxy.telemetry.shared_memory import SET_SLOTS, SharedStats
from proxy.telemetry.counters import RequestCounters
from proxy.telemetry.request_record import Record

stats = SharedStats(2)
for _ in range(2):
    pid = os.fork()
    if not pid:
        counters = RequestCounters(stats.workers[1])
        for _ in range(1000):
            counters.count_request(Record("v", status=404))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
worker = stats.workers[1]
at = worker.names().index(("-", "-", "404", "-")) * SET_SLOTS
print(worker.counters[at], len(stats.workers[0].names()))
"""


def test_the_counters_of_a_killed_worker_stay() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ("2000 0\n", "")


def test_labels_are_bounded(current_table: CurrentTable) -> None:
    stats = SharedStats(1, max_sets=20)
    counters = RequestCounters(stats.workers[0])
    for number in range(100):
        counters.count_request(record(route=route(f"r{number}"), status=500 if number % 2 else 200))
    metrics = scrape(stats, current_table)
    other = {"route": OTHER, "backend": OTHER, "reason": OTHER}
    labels = metrics.labels("facade_requests_total")
    assert len(labels) == 20 - 11 + 2
    kept = sum(
        metrics.samples["facade_requests_total", tuple(sorted(each.items()))] for each in labels
    )
    assert kept == 100
    assert metrics.value("facade_requests_total", **other, code="5xx") == 46
    # A restarted worker has the same sets, and no more room.
    RequestCounters(stats.workers[0]).count_request(record(route=route("r99"), status=500))
    metrics = scrape(stats, current_table)
    assert metrics.value("facade_requests_total", **other, code="5xx") == 47


def test_kinds_are_bounded(current_table: CurrentTable) -> None:
    stats = SharedStats()
    counters = RequestCounters(stats.workers[0])
    for number in range(1000):
        counters.count_refused(f"kind {number}")
    metrics = scrape(stats, current_table)
    assert len(metrics.labels("facade_refused_total")) == 64
    assert metrics.value("facade_refused_total", kind=OTHER) == 1000 - 63


def test_a_name_is_escaped(current_table: CurrentTable) -> None:
    stats = SharedStats()
    counters = RequestCounters(stats.workers[0])
    for name in ('a"b', "a\\b", "a\nb", "ä"):
        counters.count_request(record(route=route(name)))
    metrics = scrape(stats, current_table)
    assert {each["route"] for each in metrics.labels("facade_requests_total")} == {
        *('a"b', "a\\b", "a\nb", "ä")
    }


def test_every_metric_has_its_type_and_help(current_table: CurrentTable) -> None:
    text = "".join(exposition(SharedStats(), current_table))
    types = {
        line.split(" ")[2]: line.split(" ")[3] for line in text.splitlines() if "# TYPE" in line
    }
    assert types == {name: kind for name, (kind, _) in FAMILIES.items()}
    assert text.count("# HELP") == len(FAMILIES)


def test_a_status_that_is_too_long_is_published_without_its_backends() -> None:
    worker = SharedStats().workers[0]
    worker.publish(WorkerStatus("v1", backends={"x" * 300_000: Connections(1, 1, 1, 1)}))
    assert worker.status() == WorkerStatus("v1")


def test_a_status_that_is_being_written_is_not_read() -> None:
    worker = SharedStats().workers[0]
    worker.publish(WorkerStatus("v1"))
    assert worker.status().table == "v1"
    worker._status[20] ^= 1
    assert worker.status().table == "v1"


def test_a_facade_with_workers_is_ready_when_all_serve_and_alive_while_none_hangs() -> None:
    stats = SharedStats(2)
    health = FleetHealth(stats, lambda: 100.0)
    for worker in stats:
        RequestCounters(worker)
        worker.head[StatField.HEARTBEAT_MS] = 95_000
    assert (health.readiness(), health.alive()) == ("starting", True)
    stats.workers[0].head[StatField.STATE] = WorkerState.SERVING
    assert health.readiness() == "starting"
    assert health.details() == {"workers": 2, "workers_serving": 1}
    stats.workers[1].head[StatField.STATE] = WorkerState.SERVING
    assert health.readiness() == "ready"
    stats.workers[1].head[StatField.HEARTBEAT_MS] = 89_900
    assert not health.alive()
    assert is_hung(stats.workers[1], 89.9 + HUNG_S + 0.01)
    assert not is_hung(stats.workers[1], 89.9 + HUNG_S)
    stats.stopping = True
    assert health.readiness() == "stopping"


def test_a_facade_with_one_process_is_ready_while_it_serves() -> None:
    worker = SharedStats().workers[0]
    health = OwnHealth(worker, lambda: None)
    readiness = []
    for state in WorkerState:
        worker.head[StatField.STATE] = state
        readiness.append(health.readiness())
    assert readiness == ["starting", "starting", "ready", "stopping"]
    assert health.alive()


def test_new_counters_are_found_in_as_many_steps_as_they_are_read() -> None:
    stats = SharedStats(1)
    for number in range(1_000):
        stats.workers[0].add_set((f"refused-{number}",))
    steps_when_new = sum(1 for _ in Totals().add(stats))
    assert steps_when_new == 2 * sum(1 for _ in Totals().add(stats))
