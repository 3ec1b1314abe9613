"""The series of the last hour: counted by differences, bounded, and forgotten after an hour."""

import pytest

from proxy.dashboard.sides import Sides
from proxy.dashboard.traffic import SLOT_S, SLOTS, TrafficHistory, quantile
from proxy.telemetry.counters import BOUNDS_S, BUCKETS

SIDES = Sides({"list": ("old", "new")}, frozenset({"new"}))
OLD, NEW = ("list", "old"), ("list", "new")


def buckets(**counts: int) -> list[int]:
    """`b3=5`: five requests in the third bucket."""
    found = [0] * BUCKETS
    for name, count in counts.items():
        found[int(name[1:])] = count
    return found


def test_the_first_counters_are_only_remembered() -> None:
    traffic = TrafficHistory(0.0)
    traffic.add(1.0, {OLD: (buckets(b2=1_000), 10)}, SIDES.side_of)
    assert traffic.pairs[OLD].hour_requests == 0
    traffic.add(2.0, {OLD: (buckets(b2=1_007), 12)}, SIDES.side_of)
    assert (traffic.pairs[OLD].hour_requests, traffic.pairs[OLD].hour_errors) == (7, 2)
    assert (sum(traffic.monolith), sum(traffic.moved), sum(traffic.errors)) == (7, 0, 2)


def test_a_pair_that_appears_later_counts_from_nothing() -> None:
    traffic = TrafficHistory(0.0)
    traffic.add(1.0, {}, SIDES.side_of)
    traffic.add(2.0, {NEW: (buckets(b0=4), 0)}, SIDES.side_of)
    assert traffic.pairs[NEW].hour_requests == 4
    assert sum(traffic.moved) == 4


def test_a_steady_rate_is_reached_and_falls_to_nothing_without_requests() -> None:
    traffic = TrafficHistory(0.0)
    for second in range(1, 120):
        traffic.add(float(second), {OLD: (buckets(b0=20 * second), 0)}, SIDES.side_of)
    assert traffic.pairs[OLD].per_second == pytest.approx(20, abs=0.1)
    for second in range(120, 240):
        traffic.add(float(second), {OLD: (buckets(b0=20 * 119), 0)}, SIDES.side_of)
    assert traffic.pairs[OLD].per_second < 0.01


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    traffic = TrafficHistory(0.0)
    traffic.add(1.0, {OLD: (buckets(), 0)}, SIDES.side_of)
    traffic.add(2.0, {OLD: (buckets(b1=5), 5)}, SIDES.side_of)
    counts = traffic.pairs[OLD]
    traffic.add(SLOT_S * SLOTS - 1, {OLD: (buckets(b1=6), 5)}, SIDES.side_of)
    assert (counts.hour_requests, sum(traffic.monolith)) == (6, 6)
    assert traffic.ordered(counts.slot_requests)[0] == 5
    traffic.add(SLOT_S * SLOTS + 1, {OLD: (buckets(b1=6), 5)}, SIDES.side_of)
    assert (counts.hour_requests, counts.hour_errors, sum(traffic.monolith)) == (1, 0, 1)


def test_a_pause_of_a_day_leaves_nothing_of_the_day_before() -> None:
    traffic = TrafficHistory(0.0)
    traffic.add(1.0, {OLD: (buckets(), 0)}, SIDES.side_of)
    traffic.add(2.0, {OLD: (buckets(b1=5), 0)}, SIDES.side_of)
    traffic.add(86_400.0, {OLD: (buckets(b1=8), 0)}, SIDES.side_of)
    assert traffic.ordered(traffic.monolith) == [0] * (SLOTS - 1) + [3]


def test_counters_of_a_restarted_worker_never_count_below_nothing() -> None:
    traffic = TrafficHistory(0.0)
    traffic.add(1.0, {OLD: (buckets(b1=50), 9)}, SIDES.side_of)
    traffic.add(2.0, {OLD: (buckets(b1=2), 1)}, SIDES.side_of)
    assert (traffic.pairs[OLD].hour_requests, traffic.pairs[OLD].hour_errors) == (0, 0)


def test_pairs_are_bounded() -> None:
    traffic = TrafficHistory(0.0)
    traffic.add(
        1.0, {(f"r{number}", "b"): (buckets(), 0) for number in range(20_100)}, SIDES.side_of
    )
    assert len(traffic.pairs) == 20_000


def test_latencies_are_those_of_the_last_two_minutes() -> None:
    traffic = TrafficHistory(0.0)
    traffic.add(1.0, {OLD: (buckets(), 0)}, SIDES.side_of)
    traffic.add(2.0, {OLD: (buckets(b9=100), 0)}, SIDES.side_of)
    slow = traffic.pairs[OLD].latency_s(0.5)
    assert slow is not None
    assert 0.5 < slow < 1.0
    for minute in range(1, 4):
        traffic.add(60.0 * minute + 5, {OLD: (buckets(b9=100, b1=minute), 0)}, SIDES.side_of)
    fast = traffic.pairs[OLD].latency_s(0.5)
    assert fast is not None
    assert fast < 0.0025


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        pytest.param({}, 0.5, None, id="no request"),
        pytest.param({"b0": 10}, 0.5, 0.0005, id="in the middle of the first bucket"),
        pytest.param({"b1": 10}, 1.0, 0.0025, id="at the upper edge"),
        pytest.param({"b0": 99, "b5": 1}, 0.99, 0.001, id="the last of the first bucket"),
        pytest.param({f"b{BUCKETS - 1}": 3}, 0.5, BOUNDS_S[-1], id="above all bounds"),
    ],
)
def test_a_quantile_is_linear_within_a_bucket(
    counts: dict[str, int], share: float, seconds: float | None
) -> None:
    found = quantile(buckets(**counts), share)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("pair", "side"),
    [
        (("list", "old"), "monolith"),
        (("list", "new"), "moved"),
        (("list", "-"), None),
        (("other", "old"), "monolith"),
        (("other", "new"), "moved"),
    ],
)
def test_a_backend_is_the_monolith_or_took_its_traffic(
    pair: tuple[str, str], side: str | None
) -> None:
    assert SIDES.side_of(pair) == side


def test_many_pairs_are_counted_in_many_steps() -> None:
    traffic = TrafficHistory(0.0)
    for second in (1.0, 2.0):
        counters = {(f"r{at}", "old"): (buckets(b0=int(second)), 0) for at in range(1_000)}
        assert sum(1 for _ in traffic.add_in_steps(second, counters, SIDES.side_of)) >= 10
    assert sum(traffic.monolith) == 1_000
