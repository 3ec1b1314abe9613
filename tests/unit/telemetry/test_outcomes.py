"""Outcomes of requests in shared memory: each worker counts, one process reads."""

import pytest

from proxy.health.state import Outcomes
from proxy.model import Backend, Endpoint, OutlierDetection
from proxy.telemetry.counters import RequestCounters
from proxy.telemetry.outcomes import OUTCOMES, OutcomeReader, WorkerOutcomes
from proxy.telemetry.shared_memory import SharedStats, StatField, WorkerState

ENDPOINT = Endpoint("http", "a", 80)
MONITORED = Backend("b", (ENDPOINT,), outlier_detection=OutlierDetection())


def counted(worker: WorkerOutcomes, *statuses: int) -> None:
    count = worker.observe(MONITORED, ENDPOINT)
    assert count is not None
    for status in statuses:
        count(status)


@pytest.mark.parametrize(
    ("statuses", "outcomes"),
    [
        pytest.param((200, 404), Outcomes(2), id="successes"),
        pytest.param((500, 503, 0), Outcomes(3, 3, 2, 3, 2), id="a 5xx, then gateway failures"),
        pytest.param((503, 501), Outcomes(2, 2, 1, 2, 0), id="a 501 is no gateway failure"),
        pytest.param((502, 200, 504), Outcomes(3, 2, 2, 1, 1), id="a success ends the run"),
    ],
)
def test_outcomes_are_counted(statuses: tuple[int, ...], outcomes: Outcomes) -> None:
    stats = SharedStats()
    counted(WorkerOutcomes(stats.workers[0]), *statuses)
    assert OutcomeReader(stats).read("b", "http://a") == outcomes


def test_the_outcomes_of_all_workers_are_added() -> None:
    stats = SharedStats(2)
    reader = OutcomeReader(stats)
    one, other = (WorkerOutcomes(worker) for worker in stats)
    assert reader.read("b", "http://a") == Outcomes()
    counted(one, 500, 500)
    counted(other, 200, 500)
    assert reader.read("b", "http://a") == Outcomes(4, 3, 0, 2, 0)
    # The first worker has no new requests: its old failures begin no run.
    counted(other, 200)
    assert reader.read("b", "http://a") == Outcomes(5, 3, 0, 0, 0)


def test_a_worker_that_is_restarted_goes_on_and_tries_nothing() -> None:
    stats = SharedStats()
    worker = WorkerOutcomes(stats.workers[0])
    counted(worker, 500)
    trying = worker.of("b", "http://a")
    assert trying is not None
    trying.set_trying(True)
    stats.workers[0].head[StatField.STATE] = WorkerState.SERVING
    assert OutcomeReader(stats).is_trying("b", "http://a")
    RequestCounters(stats.workers[0])
    counted(WorkerOutcomes(stats.workers[0]), 500)
    assert OutcomeReader(stats).read("b", "http://a").run == 2
    assert not OutcomeReader(stats).is_trying("b", "http://a")
    assert stats.workers[0].names().count((OUTCOMES, "b", "http://a")) == 1


def test_a_backend_without_outlier_detection_is_not_counted() -> None:
    stats = SharedStats()
    assert WorkerOutcomes(stats.workers[0]).observe(Backend("b", (ENDPOINT,)), ENDPOINT) is None
    assert stats.workers[0].names() == []


def test_a_full_memory_counts_nothing() -> None:
    assert WorkerOutcomes(SharedStats(1, 0).workers[0]).observe(MONITORED, ENDPOINT) is None
