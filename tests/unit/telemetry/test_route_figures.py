"""Figures of routes with a rollout: counted by workers, added for the admin listener."""

import pytest
from msgspec.structs import replace

from proxy.analysis.figures import Figures
from proxy.analysis.latency import BUCKETS
from proxy.model import (
    Backend,
    BackendRef,
    Decision,
    Match,
    Rollout,
    RolloutStep,
    Route,
    RouteTable,
)
from proxy.telemetry.counters import CountedRoute, RequestCounters
from proxy.telemetry.request_record import Record
from proxy.telemetry.route_figures import RouteFigures, figures_of
from proxy.telemetry.shared_memory import SharedStats
from proxy.telemetry.totals import Totals

ROLLOUT = Rollout((RolloutStep(is_pause=True),))
REFS = (BackendRef("legacy", 9000), BackendRef("new", 1000))
ROUTE = Route("list", (Match(),), REFS, "canary", rollout=ROLLOUT)
OTHER = Route("other", (Match(),), REFS, "canary")
TABLE = RouteTable((ROUTE, OTHER), (Backend("legacy", ()), Backend("new", ())))


def record(route: Route, status: int, backend: str = "new", total_s: float = 0.1) -> Record:
    decision = Decision(route, "draw", BackendRef(backend))
    return Record("v", decision=decision, route=route, status=status, total_s=total_s)


def figures(stats: SharedStats, backend: str = "new") -> Figures:
    return figures_of(stats, TABLE)["list"][backend]


def test_requests_of_both_ways_count_for_route_and_backend() -> None:
    stats = SharedStats(1, 64)
    counters = RequestCounters(stats.workers[0])
    usual = CountedRoute("list", "new", "draw", is_watched=True)
    counters.count_usual(usual, 200, 0, 0, 0.1)
    counters.count_usual(usual, 200, 0, 0, 0.2)
    counters.count_usual(usual, 503, 0, 0, 0.1)
    counters.count_request(record(ROUTE, 200))
    counters.count_request(record(ROUTE, 502))
    counters.count_request(record(ROUTE, 200, "legacy"))
    new = figures(stats)
    assert (new.requests, new.failed, new.fallbacks, len(new.latency)) == (5, 2, 0, 2)
    assert figures(stats, "legacy").requests == 1


def test_a_fallback_counts_as_a_failure_of_the_backend_that_was_chosen_first() -> None:
    stats = SharedStats(1, 64)
    counters = RequestCounters(stats.workers[0])
    fallen = record(ROUTE, 200, "legacy")
    assert fallen.decision is not None
    fallen.decision = replace(fallen.decision, reason="fallback:503", first_backend="new")
    counters.count_request(fallen)
    new = figures(stats)
    assert (new.requests, new.failed, new.fallbacks) == (1, 1, 1)
    assert figures(stats, "legacy").requests == 0


def test_a_response_that_is_not_ok_counts_as_a_failure() -> None:
    stats = SharedStats(1, 64)
    counters = RequestCounters(stats.workers[0])
    for verdict in (True, False, None):
        judged = record(ROUTE, 200)
        judged.verdict = verdict
        counters.count_request(judged)
    assert (figures(stats).requests, figures(stats).failed) == (3, 1)


def test_only_routes_with_a_rollout_have_figures() -> None:
    stats = SharedStats(1, 64)
    counters = RequestCounters(stats.workers[0])
    counters.count_request(record(OTHER, 200))
    counters.count_usual(CountedRoute("other", "new", "draw"), 200, 0, 0, 0.1)
    assert list(figures_of(stats, TABLE)) == ["list"]
    assert not any(name[0].startswith("figures") for name in stats.workers[0].names())


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(record(ROUTE, 499), id="the client went away"),
        pytest.param(Record("v", route=ROUTE, status=400), id="refused before the decision"),
        pytest.param(
            Record("v", route=ROUTE, decision=Decision(ROUTE, "retired"), status=410),
            id="a local reply",
        ),
    ],
)
def test_what_says_nothing_about_a_backend_does_not_count(each: Record) -> None:
    stats = SharedStats(1, 64)
    RequestCounters(stats.workers[0]).count_request(each)
    assert figures(stats) == Figures()


def test_a_fallback_counts_as_a_failure() -> None:
    stats = SharedStats(1, 64)
    RouteFigures(stats.workers[0]).count("list", "new", 200, 0.1, fell_back=True)
    assert (figures(stats).failed, figures(stats).fallbacks) == (1, 1)


@pytest.mark.parametrize(("total_s", "bucket"), [(0.0, 0), (0.0002, 0), (1000.0, BUCKETS - 1)])
def test_every_latency_has_a_bucket(total_s: float, bucket: int) -> None:
    stats = SharedStats(1, 64)
    RouteFigures(stats.workers[0]).count("list", "new", 200, total_s)
    assert figures(stats).latency == {bucket: 1}


def test_the_figures_of_all_workers_are_added_and_survive_a_worker() -> None:
    stats = SharedStats(2, 64)
    for worker in (*stats.workers, stats.workers[0]):
        RequestCounters(worker).count_request(record(ROUTE, 200))
    assert figures(stats).requests == 3


def test_in_a_full_memory_new_routes_have_no_figures() -> None:
    stats = SharedStats(1, 30)
    counted = RouteFigures(stats.workers[0])
    for name in ("a", "b", "list"):
        counted.count(name, "new", 200, 0.1)
    assert figures(stats) == Figures()
    RouteFigures(stats.workers[0]).count("list", "new", 200, 0.1)
    assert figures(stats) == Figures()


def test_figures_do_not_show_in_the_metrics() -> None:
    stats = SharedStats(1, 64)
    RouteFigures(stats.workers[0]).count("list", "new", 200, 0.1)
    totals = Totals()
    list(totals.add(stats))
    assert totals.requests == {}


def test_a_route_that_is_gone_from_the_table_has_none() -> None:
    stats = SharedStats(1, 64)
    RequestCounters(stats.workers[0]).count_request(record(replace(ROUTE, name="gone"), 200))
    assert list(figures_of(stats, TABLE)) == ["list"]
