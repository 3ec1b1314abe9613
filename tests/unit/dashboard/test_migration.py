"""The rollout and the parity of a card."""

from msgspec.structs import replace

from proxy.comparison.counts import ParityCounts
from proxy.comparison.outcome import Difference, Outcome
from proxy.comparison.parity import Parity
from proxy.comparison.report import parity_report
from proxy.config.load import load
from proxy.dashboard.migration import extras_of
from proxy.model import CompareRules

NOW = 1_700_000_000.0
ROUTE = load(
    b"""\
version: 1
backends: {legacy: http://a, new: http://b}
routes:
  - {name: list, stage: shadow, backend_refs: {legacy: 100, new: 0}, rollout: {steps: [{set_weight: 5}]}}
""",
    "t",
).table.routes[0]


def test_without_comparisons_there_is_no_parity() -> None:
    assert extras_of(ROUTE, (), None).parity is None
    view = extras_of(ROUTE, (), parity_report("list", CompareRules(), ParityCounts(), NOW)).parity
    assert view is not None
    assert (view.share, view.bounds) == ("–", "no response was compared yet")


def test_a_rollout_that_no_entry_has_is_not_begun() -> None:
    view = extras_of(ROUTE, (), None).rollout
    assert view is not None
    assert (view.text, view.done, view.total, view.is_active) == ("not begun", 0, 1, False)
    assert extras_of(replace(ROUTE, rollout=None), (), None).rollout is None


def test_the_share_of_equal_responses_is_shown_with_its_most_frequent_differences() -> None:
    parity = Parity()
    for number in range(20):
        found = () if number else (Difference("/<b>price\n", "value", 1, 2),)
        parity.add(Outcome("different" if found else "equal", differences=found), NOW)
    report = parity_report("list", CompareRules(), parity.counts, NOW)
    view = extras_of(ROUTE, (), report).parity
    assert view is not None
    assert (view.share, view.compared) == ("95.00 %", 20)
    assert view.bounds.startswith("between ")
    assert view.differences == ("/<b>price\N{REPLACEMENT CHARACTER}: value, 5.00 %",)
