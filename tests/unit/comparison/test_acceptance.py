"""Newcomers with one fault each are found out by it and nothing else, and one without a fault raises no alarm."""

import random
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy.comparison.outcome import Difference, Outcome
from proxy.comparison.parity import Parity
from proxy.comparison.report import parity_report
from tests.unit.comparison.faults import (
    CLEAN,
    FAULTS,
    NOW,
    RULES,
    SLOW_SHARE,
    Fault,
    named_by,
    outcomes,
    report_on,
    table,
)

PAGE = (Path(__file__).parents[3] / "docs" / "parity.md").read_text()
DAY_S = 86_400


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_is_named_by_its_place_and_nothing_else_is(fault: Fault) -> None:
    report = report_on(fault, 100, replay_every=5)
    assert named_by(report) == [(fault.path, fault.kind)]
    assert report.share < 0.1
    assert report.upper_bound < 0.5
    assert report.differences[0].users == 10
    row = re.search(rf"^\| {re.escape(fault.name)} \| (.*?) \|", PAGE, re.MULTILINE)
    assert row is not None
    place = f"`{fault.path}`" if fault.path else "the array"
    assert row[1] == f"{place}: {fault.kind}"


@pytest.mark.soak
def test_the_table_of_the_page_is_what_a_thousand_responses_of_each_newcomer_give() -> None:
    assert table() in PAGE


def _with_pause(outcome: Outcome, chance: random.Random) -> Outcome:
    """The outcome, with one of the two responses slow now and then."""
    if chance.random() < SLOW_SHARE:
        slow = Difference("body", "slow", "5 ms", "400 ms")
        return replace(outcome, differences=(*outcome.differences, slow))
    return replace(outcome, is_faster=True) if chance.random() < SLOW_SHARE else outcome


def alarms(seed: int, look_every_s: int) -> list[str]:
    """Looks at a clean newcomer, in 24 hours with a request a second, at which the parity is certainly not 1."""
    chance, parity = random.Random(seed), Parity()
    # What is drawn again and again from a pool must not have more slow responses of one backend than of the other.
    pool = list(outcomes(CLEAN, 400, seed=seed, replay_every=2, has_pauses=False))
    replays = [replay for _, replay in pool if replay is not None]
    found = []
    for at in range(DAY_S):
        now = NOW + at
        parity.add(_with_pause(chance.choice(pool)[0], chance), now)
        if chance.random() < RULES.noise_rate:
            parity.add_replay(chance.choice(replays), now)
        if at % look_every_s == 0:
            report = parity_report("list", RULES, parity.counts, now)
            if report.upper_bound < 1:
                found.append(f"after {at} s: {report}")
    last = parity_report("list", RULES, parity.counts, NOW + DAY_S)
    assert last.share == 1
    assert last.lower_bound > 0.999
    assert {(each.path, each.kind) for each in last.differences} >= {("/*/quote", "value")}
    return found


def test_a_clean_newcomer_raises_no_alarm_in_a_day() -> None:
    assert alarms(seed=1, look_every_s=1800) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_a_clean_newcomer_raises_no_alarm_at_any_minute_of_a_day(seed: int) -> None:
    assert alarms(seed, look_every_s=60) == []


def test_a_real_fault_on_a_noisy_path_shows_where_its_rate_is_higher() -> None:
    """The incumbent differs from itself in one response of ten, the newcomer in three of ten."""
    chance, parity = random.Random(3), Parity()
    ((noise, _),) = outcomes(FAULTS[0], 1)
    ((equal, _),) = outcomes(CLEAN, 1)
    for at in range(4000):
        parity.add(noise if chance.random() < 0.3 else equal, NOW + at)
        if at % 10 == 0:
            parity.add_replay(noise if chance.random() < 0.1 else equal, NOW + at)
    report = parity_report("list", RULES, parity.counts, NOW + 4000)
    assert ("/*/originCode", "value") in named_by(report)
    assert report.upper_bound < 0.8
