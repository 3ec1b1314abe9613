"""Counts of several facades are added, and then judged as those of one."""

from proxy.comparison.outcome import EQUAL, Difference, Outcome
from proxy.comparison.parity import Parity
from proxy.comparison.replicas import RouteCounts, merged_report
from proxy.comparison.report import parity_report
from proxy.model import CompareRules

NOW = 1_795_950_000.0
RULES = CompareRules()


def counted(rules: CompareRules, *parities: Parity) -> list[RouteCounts]:
    return [RouteCounts("list", "s", rules, parity.counts) for parity in parities]


def test_two_facades_show_what_one_with_all_the_traffic_would() -> None:
    one, other, whole = Parity(), Parity(), Parity()
    wrong = Outcome("different", "", (Difference("/a", "value"),))
    for number in range(200):
        outcome = wrong if number % 10 == 0 else EQUAL
        for parity in (one if number % 3 else other, whole):
            parity.add(outcome, NOW - number * 60, number)
            parity.drop("busy", NOW)
    merged = merged_report(counted(RULES, one, other), NOW)
    assert merged == parity_report("list", RULES, whole.counts, NOW)
    assert (merged.compared, merged.equal, merged.dropped) == (200, 180, {"busy": 200})
    assert merged.lower_bound < merged.share < merged.upper_bound < 1


def test_noise_is_judged_by_all_repetitions_together() -> None:
    """One facade alone has seen too few to tell a fault from noise."""
    wrong = Outcome("different", "", (Difference("/now", "value"),))
    parts = []
    for _ in range(8):
        parity = Parity()
        for number in range(20):
            parity.add(wrong if number % 2 else EQUAL, NOW)
            parity.add_replay(EQUAL if number else wrong, NOW)
        parts.append(parity)
    noisy = CompareRules(noise_rate=0.5)
    alone = merged_report(counted(noisy, parts[0]), NOW)
    together = merged_report(counted(noisy, *parts), NOW)
    assert (alone.equal, alone.differences[0].noise) == (20, True)
    assert (together.equal, together.differences[0].noise) == (80, False)
