"""Outcomes add up to a report: counts, noise, declared differences, bounds, users, windows and merged parts."""

import json
from typing import Any

import msgspec
import pytest

from proxy.comparison.counts import (
    MAX_PATTERNS,
    MAX_PLACES,
    MAX_REASONS,
    ParityCounts,
    merged,
)
from proxy.comparison.outcome import EQUAL, Difference, Kind, Outcome
from proxy.comparison.parity import SLICES, WINDOW_S, Parity
from proxy.comparison.report import ParityReport, parity_report
from proxy.comparison.users import KEPT, add_user, merged_users, user_count, user_hash
from proxy.model import CompareRules, DeclaredDifference

DAY_S = 86_400
NOW = 1_795_950_000.0  # 2026-11-29 in UTC
RULES = CompareRules()
LEARNING = CompareRules(noise_rate=0.02)


def different(*paths: str, kind: Kind = "value", **more: Any) -> Outcome:
    return Outcome(
        "different", "", tuple(Difference(path, kind, "a", "b") for path in paths), **more
    )


def report(parity: Parity, rules: CompareRules = RULES, now: float = NOW) -> ParityReport:
    return parity_report("list", rules, parity.counts, now)


def counted(
    *outcomes: tuple[Outcome, int], replays: tuple[tuple[Outcome, int], ...] = ()
) -> Parity:
    parity = Parity()
    for outcome, number in outcomes:
        for _ in range(number):
            parity.add(outcome, NOW)
    for outcome, number in replays:
        for _ in range(number):
            parity.add_replay(outcome, NOW)
    return parity


def test_the_json_of_a_report() -> None:
    parity = counted((EQUAL, 98), (different("/*/originCode"), 2))
    parity.add(Outcome("baseline_invalid", "not_ok"), NOW)
    parity.add(Outcome("not_compared", "too_large"), NOW)
    parity.drop("queue_full", NOW, 7)
    shown = json.loads(msgspec.json.encode(report(parity)))
    assert 0.85 < shown.pop("lower_bound") < 0.98 < shown.pop("upper_bound") < 1
    assert shown == {
        "route": "list",
        "window_s": WINDOW_S,
        "compared": 100,
        "equal": 98,
        "baseline_invalid": 1,
        "dropped": {"too_large": 1, "queue_full": 7},
        "share": 0.98,
        "differences": [
            {
                "path": "/*/originCode",
                "kind": "value",
                "count": 2,
                "share": 0.02,
                "declared": False,
                "noise": False,
                "users": 0,
                "example": {"left": "a", "right": "b"},
            }
        ],
    }


def test_without_a_comparison_the_bounds_say_nothing() -> None:
    empty = report(Parity())
    assert (empty.compared, empty.share, empty.lower_bound, empty.upper_bound) == (0, 1.0, 0.0, 1.0)
    assert parity_report("list", RULES, ParityCounts(), NOW) == empty


def test_the_most_frequent_difference_comes_first() -> None:
    parity = counted((different("/b"), 1), (different("/a", "/c"), 1), (different("/c"), 3))
    shown = report(parity).differences
    assert [(each.path, each.count) for each in shown] == [("/c", 4), ("/a", 1), ("/b", 1)]


@pytest.mark.parametrize(
    ("outcomes", "replays", "noise", "equal"),
    [
        pytest.param(((different("/id"), 1000),), ((different("/id"), 20),), ["/id"], 1000, id="always"),
        pytest.param(
            ((different("/clock"), 500), (EQUAL, 500)), ((different("/clock"), 9), (EQUAL, 11)), ["/clock"], 1000,
            id="often",
        ),
        pytest.param(((different("/id"), 1000),), ((EQUAL, 20),), [], 0, id="never by itself"),
        pytest.param(((different("/x"), 1000),), ((different("/x"), 1), (EQUAL, 99)), [], 0, id="more often"),
        pytest.param(
            ((different("/id", "/code"), 400), (different("/id"), 600)), ((different("/id"), 20),), ["/id"], 600,
            id="a fault beside noise",
        ),
        pytest.param(((different("/id", kind="type"), 1000),), ((different("/id"), 20),), [], 0, id="another kind"),
        pytest.param(((different("/id"), 10),), ((Outcome("not_compared", "too_large"), 5),), [], 0, id="no replay"),
    ],
)  # fmt: skip
def test_noise_is_what_the_incumbent_differs_in_from_itself_as_often(
    outcomes: Any, replays: Any, noise: list[str], equal: int
) -> None:
    parity = counted(*outcomes, replays=replays)
    shown = report(parity, LEARNING)
    assert [each.path for each in shown.differences if each.noise] == noise
    assert [each.path for each in shown.differences if not each.counts] == noise
    assert shown.equal == equal
    assert report(parity, RULES).equal == sum(n for o, n in outcomes if o is EQUAL)


def test_a_difference_that_repetitions_do_not_exclude_yet_counts_in_the_lower_bound_alone() -> None:
    outcomes = (different("/x"), 20), (EQUAL, 980)
    few = report(counted(*outcomes, replays=((EQUAL, 10),)), LEARNING)
    many = report(counted(*outcomes, replays=((EQUAL, 2000),)), LEARNING)
    assert few.equal == many.equal == 980
    assert few.lower_bound == many.lower_bound < 0.98
    assert few.upper_bound == 1.0
    assert many.upper_bound < 0.999


@pytest.mark.parametrize(
    ("slow", "faster", "is_listed"),
    [(5, 0, False), (5, 4, False), (100, 1, True), (100, 90, False)],
)
def test_slowness_counts_if_the_newcomer_is_the_slow_one_more_often(
    slow: int, faster: int, is_listed: bool
) -> None:
    late = Outcome("equal", "", (Difference("body", "slow", "5 ms", "400 ms"),))
    parity = counted((late, slow), (Outcome("equal", is_faster=True), faster), (EQUAL, 1000))
    shown = report(parity)
    assert [(each.path, each.kind) for each in shown.differences] == [("body", "slow")] * is_listed
    assert shown.equal == shown.compared - slow * is_listed
    assert (shown.upper_bound < 1) == is_listed


DECLARED = CompareRules(
    ignore=(
        DeclaredDifference("$[*].header", "build number", "web", "2026-12-01"),
        DeclaredDifference("$.rows[3]['a b']", "rounding", "web", "2026-11-29"),
        DeclaredDifference("header:etag", "another hash", "web", "2026-12-01"),
        DeclaredDifference("status", "201 for 200", "web", "2026-12-01"),
        DeclaredDifference("body", "slow at first", "web", "2026-11-29"),
    )
)


@pytest.mark.parametrize(
    ("path", "now", "is_declared"),
    [
        ("/*/header", NOW, True),
        ("/*/header/text", NOW, True),
        ("/*/headers", NOW, False),
        ("/*", NOW, False),
        ("body", NOW, False),
        ("body", NOW - DAY_S, True),
        ("header:etag", NOW, True),
        ("header:etag", NOW + 2 * DAY_S, False),
        ("header:etag2", NOW, False),
        ("status", NOW, True),
        ("/status", NOW, False),
        ("/rows/*/a b", NOW, False),
        ("/rows/*/a b", NOW - DAY_S, True),
        ("/*/header", NOW + DAY_S, True),
        ("/*/header", NOW + 2 * DAY_S, False),
    ],
)
def test_a_declared_difference_counts_again_from_its_day_on(
    path: str, now: float, is_declared: bool
) -> None:
    parity = Parity()
    parity.add(different(path), now)
    shown = report(parity, DECLARED, now)
    assert shown.differences[0].declared == is_declared
    assert shown.equal == is_declared


def test_a_whole_document_may_be_declared() -> None:
    rules = CompareRules(ignore=(DeclaredDifference("$", "new format", "web", "2027-01-01"),))
    shown = report(counted((different("", "/*/a"), 2), (different("status"), 1)), rules)
    assert [(each.path, each.declared) for each in shown.differences] == [
        ("", True), ("/*/a", True), ("status", False)
    ]  # fmt: skip


def test_the_window_moves_on() -> None:
    parity = counted((different("/a"), 5))
    slice_s = WINDOW_S / SLICES
    for number in range(1, SLICES):
        parity.add(EQUAL, NOW + number * slice_s)
    last = NOW + (SLICES - 1) * slice_s
    assert report(parity, now=last).compared == 5 + SLICES - 1
    assert report(parity, now=last + slice_s).compared == SLICES - 1
    parity.add(EQUAL, last + slice_s)
    assert len(parity.counts.slices) == SLICES
    assert report(parity, now=NOW + 2 * WINDOW_S).compared == 0


def test_each_window_is_a_look_of_its_own() -> None:
    """The same counts have wider bounds if the window has moved on since the first one."""
    one, other = counted((EQUAL, 1000)), counted((EQUAL, 1000))
    other.counts.first = int(NOW // (WINDOW_S / SLICES)) - 100
    assert report(other).lower_bound < report(one).lower_bound


def test_parts_are_merged_as_if_one_process_had_counted() -> None:
    parts, whole = [Parity(), Parity(), Parity()], Parity()
    for number in range(300):
        outcome = [EQUAL, different("/a"), different("/a", "/b"), Outcome("baseline_invalid", "x")][
            number % 4
        ]
        user = user_hash("s", f"u{number % 30}")
        for parity in (parts[number % 3], whole):
            parity.add(outcome, NOW + number * 60, user)
            parity.add_replay(outcome, NOW)
            parity.drop("full", NOW)
    stored = [msgspec.json.encode(part.counts) for part in parts]
    together = merged(msgspec.json.decode(each, type=ParityCounts) for each in stored)
    one = parity_report("list", LEARNING, together, NOW + 300 * 60)
    assert one == report(whole, LEARNING, NOW + 300 * 60)
    assert one.differences[0].users == 30
    assert merged([]) == ParityCounts() == merged([ParityCounts()])  # fmt: skip


def test_an_example_of_the_newcomer_wins_over_one_of_the_incumbent_with_itself() -> None:
    one, other = Parity(), Parity()
    one.add_replay(Outcome("different", "", (Difference("/a", "value", 1, 2),)), NOW)
    other.add(Outcome("different", "", (Difference("/a", "value", 1, 9),)), NOW)
    for counts in (merged([one.counts, other.counts]), merged([other.counts, one.counts])):
        (shown,) = parity_report("list", RULES, counts, NOW).differences
        assert (shown.example.left, shown.example.right) == (1, 9)
    one.add(Outcome("different", "", (Difference("/a", "value", 1, 9),)), NOW)
    assert report(one).differences[0].example.right == 9


def test_memory_is_bounded_and_what_does_not_fit_counts_as_different() -> None:
    parity = Parity()
    for number in range(2 * MAX_PLACES):
        parity.add(different(f"/{number}"), NOW)
        parity.add_replay(different(f"/{number}"), NOW)
        parity.add(different("/0", f"/{number % MAX_PLACES}", "/1"), NOW)
        parity.drop(f"reason {number}", NOW)
    (counts,) = parity.counts.slices.values()
    assert (len(counts.places), len(counts.patterns)) == (MAX_PLACES, MAX_PATTERNS)
    assert len(counts.dropped) == MAX_REASONS + 1
    shown = report(parity, LEARNING)
    assert shown.compared == 4 * MAX_PLACES
    assert shown.upper_bound < 1
    other = Parity()
    for number in range(300, 400):
        other.add(different(f"/{number}"), NOW)
        other.add(different("/0", f"/{number}"), NOW)
    both = merged([parity.counts, other.counts])
    (counts,) = both.slices.values()
    assert (len(counts.places), len(counts.patterns)) == (MAX_PLACES, MAX_PATTERNS)
    assert parity_report("list", RULES, both, NOW).compared == 4 * MAX_PLACES + 200


def test_users_are_counted_exactly_while_they_are_few_and_estimated_beyond() -> None:
    users: list[int] = []
    for number in range(40):
        add_user(users, user_hash("s", f"{number % 20}"))
    assert user_count(users) == 20
    for number in range(10_000):
        add_user(users, user_hash("s", str(number)))
    assert len(users) == KEPT
    assert 7_000 < user_count(users) < 13_000
    assert merged_users([users, users[:5], [0]]) == [0, *users[: KEPT - 1]]
