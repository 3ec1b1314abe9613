"""Reports of several facades are added up."""

from msgspec.structs import replace

from proxy.comparison.outcome import EQUAL, Difference, Outcome
from proxy.comparison.parity import Parity
from proxy.comparison.replicas import merged_reports
from proxy.comparison.report import ParityReport, parity_report
from proxy.model import CompareRules

NOW = 1_795_950_000.0


def report(equal: int, different: int, path: str = "/a") -> ParityReport:
    parity = Parity()
    for number in range(equal + different):
        outcome = (
            EQUAL if number < equal else Outcome("different", "", (Difference(path, "value"),))
        )
        parity.add(outcome, NOW, number)
    parity.add(Outcome("baseline_invalid", "empty"), NOW)
    parity.drop("busy", NOW, equal)
    return parity_report("list", CompareRules(), parity.counts, NOW)


def test_one_report_stays_as_it_is() -> None:
    one = report(5, 1)
    assert merged_reports([one]) is one


def test_figures_are_added_up_and_bounds_computed_again() -> None:
    one, other = report(90, 10), report(100, 0, "/b")
    whole = merged_reports([one, other, report(5, 5)])
    assert (whole.compared, whole.equal, whole.baseline_invalid) == (210, 195, 3)
    assert whole.dropped == {"busy": 195}
    assert one.lower_bound < whole.lower_bound < whole.share < whole.upper_bound < 1
    (difference,) = whole.differences
    assert (difference.path, difference.count, difference.users) == ("/a", 15, 15)
    assert difference.share == 15 / 210
    assert not difference.noise


def test_a_place_is_noise_if_it_is_noise_everywhere() -> None:
    one = report(1, 1)
    noisy = replace(one, differences=(replace(one.differences[0], noise=True),))
    assert not merged_reports([one, noisy]).differences[0].noise
    assert merged_reports([noisy, noisy]).differences[0].noise


def test_facades_that_compared_nothing() -> None:
    empty = report(0, 0)
    whole = merged_reports([empty, empty])
    assert (whole.share, whole.lower_bound, whole.upper_bound) == (1.0, 0.0, 1.0)
