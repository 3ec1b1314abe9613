"""The fault table: reads get the incumbent's response, writes fail once, and the newcomer comes back by itself.

The short form lets all faults happen at the same time, each on a route of its own.
"""

from pathlib import Path

import pytest

from proxy.server.settings import Tier
from tests.faults.fault_run import FaultRun, Load, Victim, run
from tests.faults.fault_table import columns
from tests.faults.faulty_backend import FAULTS, Fault

SHORT = Load(rate=100, before_s=0.3, fault_s=1.0, attempt_s=3.0)
LONG = Load(rate=200, before_s=2.0, fault_s=20.0, attempt_s=2.0)


def check_newcomer(of: FaultRun) -> None:
    """The promise U8."""
    gets, legacy = of.of("GET"), of.by("GET", of.incumbent.name)
    assert of.failures("GET") == {}, of.fault
    assert legacy + of.by("GET", of.newcomer.name) == len(gets)
    assert legacy > 0, f"{of.fault} had no effect"
    assert of.incumbent.reads == legacy, "the incumbent gets what falls back, and nothing else"
    assert of.sent_twice == 0, of.fault
    assert of.by("POST", of.incumbent.name) == 0
    served = of.by("POST", of.newcomer.name)
    assert served + of.failures("POST").total() == len(of.of("POST"))
    assert all(each.reason for each in of.of("POST") if each.status != 200)
    assert 0 not in {each.status for each in of.answers}, "each failure is a whole response"


def check_incumbent(of: FaultRun) -> None:
    """The promise U9."""
    assert of.failures("GET") == of.failures("POST") == {}
    assert {each.backend for each in of.answers} == {of.newcomer.name}
    assert (of.incumbent.reads, of.sent_twice) == (0, 0)


@pytest.mark.parametrize("victim", ["newcomer", "incumbent"])
async def test_a_fault_of_one_backend_takes_nobody_with_it(
    victim: Victim, tier: Tier, tmp_path: Path
) -> None:
    for each in await run(list(FAULTS), tier, victim, SHORT, tmp_path):
        (check_newcomer if victim == "newcomer" else check_incumbent)(each)


def test_the_page_has_a_row_for_each_fault_and_method() -> None:
    page = (Path(__file__).parents[2] / "docs" / "fallback.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for heading in (columns("newcomer"), columns("incumbent")):
        begin = rows.index(heading)
        found = [line.split(" | ")[:2] for line in rows[begin + 2 : begin + 2 + 2 * len(FAULTS)]]
        assert found == [[f"| {fault}", method] for fault in FAULTS for method in ("GET", "POST")]


@pytest.mark.soak
@pytest.mark.parametrize("victim", ["newcomer", "incumbent"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_same_for_long_at_200_requests_a_second(
    fault: Fault, victim: Victim, tier: Tier, tmp_path: Path
) -> None:
    (only,) = await run([fault], tier, victim, LONG, tmp_path)
    assert only.probes <= 1, f"back after {only.recovered_s:.1f} s"
    (check_newcomer if victim == "newcomer" else check_incumbent)(only)
