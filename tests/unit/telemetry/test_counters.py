"""What is counted is there for every process to read, whatever becomes of the one that counted."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from proxy.control.table_watcher import TableWatcher
from proxy.errors import NoRoute, UpstreamBusy
from proxy.routing.decide import decide
from proxy.routing.snapshot import CurrentTable
from proxy.server.probes import HUNG_S, FleetHealth, OwnHealth, hung
from proxy.telemetry.counters import (
    BOUNDS_S,
    BUCKETS,
    OTHER,
    At,
    CountedRoute,
    RequestCounters,
)
from proxy.telemetry.prometheus import FAMILIES, exposition
from proxy.telemetry.request_record import Record
from proxy.telemetry.shared_memory import (
    SET_SLOTS,
    Connections,
    SharedStats,
    State,
    StatField,
    Status,
)
from tests.make import facts, refs, route, table

ROOT = Path(__file__).parents[3]
LABELS = tuple[tuple[str, str], ...]
TO_NEW = route("list", to=refs(legacy=0, new=100))


def record(**values: object) -> Record:
    """A request to the backend `new` that took 20 ms."""
    decision = decide(table(TO_NEW), TO_NEW, facts(), 0)
    made = Record("v", 0, facts(), decision, TO_NEW, status=200, total_s=0.02, attempts=1)
    made.first_byte_s = 0.004
    for name, value in values.items():
        setattr(made, name, value)
    return made


def lost() -> Record:
    """A request that no route takes."""
    return record(decision=None, route=None, error=NoRoute("none"), status=404, attempts=0)


@pytest.fixture
def tables(tmp_path: Path) -> CurrentTable:
    path = tmp_path / "routes.yaml"
    path.write_text("version: 1\nbackends: {a: http://h}\nroutes: [{name: all, backend_refs: a}]\n")
    return TableWatcher(path, {}, lambda _: None).table


class Scrape(Struct):
    """What Prometheus reads."""

    samples: dict[tuple[str, LABELS], float]

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, tuple(sorted(labels.items()))]

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(labels) for at, labels in self.samples if at == name]


def scrape(board: SharedStats, tables: CurrentTable) -> Scrape:
    text = "".join(exposition(board, tables))
    return Scrape(
        {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


def test_a_request_is_counted_by_where_it_went_and_how_it_ended(tables: CurrentTable) -> None:
    board = SharedStats()
    meters = RequestCounters(board.parts[0])
    for _ in range(3):
        meters.note(record(received_bytes=10, sent_bytes=500))
    meters.note(record(error=UpstreamBusy("full"), status=503, attempts=4, first_byte_s=None))
    meters.note(lost())
    seen = scrape(board, tables)
    to_new = {"route": "list", "backend": "new"}
    counted = "facade_requests_total"
    assert seen.value(counted, **to_new, code="200", reason="draw") == 3
    assert seen.value(counted, **to_new, code="503", reason="busy") == 1
    assert seen.value(counted, route="-", backend="-", code="404", reason="no_route") == 1
    assert seen.value("facade_received_bytes_total", **to_new) == 30
    assert seen.value("facade_sent_bytes_total", **to_new) == 1500
    assert seen.value("facade_upstream_attempts_total", backend="new") == 7
    assert seen.labels("facade_upstream_attempts_total") == [{"backend": "new"}]
    assert seen.value("facade_first_byte_seconds_count", **to_new) == 3
    assert seen.value("facade_first_byte_seconds_sum", **to_new) == pytest.approx(0.012)


def test_an_answer_that_came_at_once_counts_for_both_durations(tables: CurrentTable) -> None:
    board = SharedStats()
    meters = RequestCounters(board.parts[0])
    meters.note(record(first_byte_s=0.02, total_s=0.02))
    meters.note(record(first_byte_s=0.004, total_s=0.02))
    meters.note(record(first_byte_s=None, total_s=0.02))
    seen = scrape(board, tables)
    to_new = {"route": "list", "backend": "new"}
    for name, count, seconds, slow in (
        ("facade_request_duration_seconds", 3, 0.06, 3),
        ("facade_first_byte_seconds", 2, 0.024, 1),
    ):
        assert seen.value(f"{name}_count", **to_new) == count
        assert seen.value(f"{name}_sum", **to_new) == pytest.approx(seconds)
        assert seen.value(f"{name}_bucket", **to_new, le="0.025") == count
        assert seen.value(f"{name}_bucket", **to_new, le="0.01") == count - slow
    counted = "facade_requests_total"
    assert seen.value(counted, **to_new, code="200", reason="draw") == 3


def test_usual_requests_count_like_others_that_came_at_once(tables: CurrentTable) -> None:
    board = SharedStats()
    meters = RequestCounters(board.parts[0])
    usual = CountedRoute("list", "new", "draw")
    for _ in range(2):
        meters.note(record(first_byte_s=0.02, total_s=0.02, sent_bytes=5, received_bytes=7))
        meters.note_usual(usual, 200, 7, 5, 0.02)
        meters.note_usual(usual, 404, 0, 0, 0.02)
    seen = scrape(board, tables)
    to_new = {"route": "list", "backend": "new"}
    for code, count in (("200", 4), ("404", 2)):
        assert seen.value("facade_requests_total", **to_new, code=code, reason="draw") == count
    assert seen.value("facade_request_duration_seconds_count", **to_new) == 6
    assert seen.value("facade_request_duration_seconds_sum", **to_new) == pytest.approx(0.12)
    assert seen.value("facade_first_byte_seconds_count", **to_new) == 6
    assert seen.value("facade_sent_bytes_total", **to_new) == 20
    assert seen.value("facade_received_bytes_total", **to_new) == 28


def test_each_usual_route_has_its_own_places() -> None:
    """The default of a struct's field is not shared between structs."""
    first, second = CountedRoute("a", "new", "draw"), CountedRoute("b", "new", "draw")
    meters = RequestCounters(SharedStats().parts[0])
    meters.note_usual(first, 200, 0, 0, 0.1)
    meters.note_usual(second, 200, 0, 0, 0.1)
    assert first.places[200] != second.places[200]


def test_buckets_are_cumulative_and_their_ends_belong_to_them(tables: CurrentTable) -> None:
    board = SharedStats()
    meters = RequestCounters(board.parts[0])
    for total_s in (0.0, 0.001, 0.0011, 30.0, 31.0):
        meters.note(record(total_s=total_s))
    seen = scrape(board, tables)
    name = "facade_request_duration_seconds"
    to_new = {"route": "list", "backend": "new"}
    counts = [seen.value(f"{name}_bucket", **to_new, le=str(le)) for le in (*BOUNDS_S, "+Inf")]
    assert counts == [2, *[3] * 12, 4, 5]
    assert seen.value(f"{name}_count", **to_new) == 5
    assert seen.value(f"{name}_sum", **to_new) == pytest.approx(61.0021)
    assert len(counts) == BUCKETS
    assert max(At) < SET_SLOTS


def test_workers_are_summed_up(tables: CurrentTable) -> None:
    board = SharedStats(3)
    for number, part in enumerate(board, 1):
        meters = RequestCounters(part)
        for _ in range(number):
            meters.note(record())
        meters.connections(number)
        meters.refused("head_timeout")
        part.publish(Status(backends={"new": Connections(3, 1, 2, 5)}))
    seen = scrape(board, tables)
    to_new = {"route": "list", "backend": "new"}
    assert seen.value("facade_requests_total", **to_new, code="200", reason="draw") == 6
    assert seen.value("facade_client_connections", worker="3") == 3
    assert seen.value("facade_refused_total", kind="head_timeout") == 3
    assert seen.value("facade_upstream_connections", backend="new", state="idle") == 3
    assert seen.value("facade_upstream_connections", backend="new", state="active") == 6
    assert seen.value("facade_upstream_pending", backend="new") == 15
    assert seen.value("facade_requests_in_flight") == 6
    assert seen.value("facade_workers", state="starting") == 3


def test_a_successor_counts_on_and_begins_without_connections(tables: CurrentTable) -> None:
    board = SharedStats()
    first = RequestCounters(board.parts[0])
    for each in (record(), lost()):
        first.note(each)
    first.connections(7)
    first.refused("too_slow")
    board.parts[0].publish(Status("v1", backends={"new": Connections(3, 1, 2, 5)}))
    second = RequestCounters(board.parts[0])
    sets = board.parts[0].head[StatField.SETS]
    for each in (record(), lost(), record()):
        second.note(each)
    second.refused("too_slow")
    assert board.parts[0].head[StatField.SETS] == sets
    seen = scrape(board, tables)
    assert seen.value("facade_refused_total", kind="too_slow") == 2
    assert seen.value("facade_request_duration_seconds_count", route="list", backend="new") == 3
    assert seen.value("facade_request_duration_seconds_count", route="-", backend="-") == 2
    assert seen.value("facade_client_connections", worker="1") == 0
    assert seen.labels("facade_upstream_pending") == []


# In a process of its own: forking one with threads is not safe, and who knows what pytest has.
KILLED = """
import os, signal, sys
from proxy.telemetry.shared_memory import SET_SLOTS, SharedStats
from proxy.telemetry.counters import RequestCounters
from proxy.telemetry.request_record import Record

board = SharedStats(2)
for _ in range(2):
    pid = os.fork()
    if not pid:
        meters = RequestCounters(board.parts[1])
        for _ in range(1000):
            meters.note(Record("v", status=404))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
part = board.parts[1]
at = part.names().index(("-", "-", "404", "-")) * SET_SLOTS
print(part.counters[at], len(board.parts[0].names()))
"""


def test_what_a_killed_worker_counted_stays() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ("2000 0\n", "")


def test_labels_are_bounded(tables: CurrentTable) -> None:
    board = SharedStats(1, max_sets=20)
    meters = RequestCounters(board.parts[0])
    for number in range(100):
        meters.note(record(route=route(f"r{number}"), status=500 if number % 2 else 200))
    seen = scrape(board, tables)
    other = {"route": OTHER, "backend": OTHER, "reason": OTHER}
    labels = seen.labels("facade_requests_total")
    assert len(labels) == 20 - 11 + 2
    kept = sum(
        seen.samples["facade_requests_total", tuple(sorted(each.items()))] for each in labels
    )
    assert kept == 100
    assert seen.value("facade_requests_total", **other, code="5xx") == 46
    # A successor finds the same sets, and no more room.
    RequestCounters(board.parts[0]).note(record(route=route("r99"), status=500))
    seen = scrape(board, tables)
    assert seen.value("facade_requests_total", **other, code="5xx") == 47


def test_kinds_are_bounded(tables: CurrentTable) -> None:
    board = SharedStats()
    meters = RequestCounters(board.parts[0])
    for number in range(1000):
        meters.refused(f"kind {number}")
    seen = scrape(board, tables)
    assert len(seen.labels("facade_refused_total")) == 64
    assert seen.value("facade_refused_total", kind=OTHER) == 1000 - 63


def test_a_name_is_escaped(tables: CurrentTable) -> None:
    board = SharedStats()
    meters = RequestCounters(board.parts[0])
    for name in ('a"b', "a\\b", "a\nb", "ä"):
        meters.note(record(route=route(name)))
    seen = scrape(board, tables)
    assert {each["route"] for each in seen.labels("facade_requests_total")} == {
        *('a"b', "a\\b", "a\nb", "ä")
    }


def test_every_family_is_told_with_its_type(tables: CurrentTable) -> None:
    text = "".join(exposition(SharedStats(), tables))
    told = {
        line.split(" ")[2]: line.split(" ")[3] for line in text.splitlines() if "# TYPE" in line
    }
    assert told == {name: kind for name, (kind, _) in FAMILIES.items()}
    assert text.count("# HELP") == len(FAMILIES)


def test_a_status_that_is_too_long_goes_without_its_backends() -> None:
    part = SharedStats().parts[0]
    part.publish(Status("v1", backends={"x" * 300_000: Connections(1, 1, 1, 1)}))
    assert part.status() == Status("v1")


def test_a_status_that_is_being_written_is_not_read() -> None:
    part = SharedStats().parts[0]
    part.publish(Status("v1"))
    assert part.status().table == "v1"
    part._status[20] ^= 1
    assert part.status().table == "v1"


def test_a_fleet_is_ready_when_all_serve_and_alive_while_all_hearts_beat() -> None:
    board = SharedStats(2)
    health = FleetHealth(board, lambda: 100.0)
    for part in board:
        RequestCounters(part)
        part.head[StatField.HEARTBEAT_MS] = 95_000
    assert (health.readiness(), health.alive()) == ("starting", True)
    board.parts[0].head[StatField.STATE] = State.SERVING
    assert health.readiness() == "starting"
    assert health.details() == {"workers": 2, "workers_serving": 1}
    board.parts[1].head[StatField.STATE] = State.SERVING
    assert health.readiness() == "ready"
    board.parts[1].head[StatField.HEARTBEAT_MS] = 89_900
    assert not health.alive()
    assert hung(board.parts[1], 89.9 + HUNG_S + 0.01)
    assert not hung(board.parts[1], 89.9 + HUNG_S)
    board.stopping = True
    assert health.readiness() == "stopping"


def test_a_process_alone_is_ready_while_it_serves() -> None:
    part = SharedStats().parts[0]
    health = OwnHealth(part, lambda: None)
    words = []
    for state in State:
        part.head[StatField.STATE] = state
        words.append(health.readiness())
    assert words == ["starting", "starting", "ready", "stopping"]
    assert health.alive()
