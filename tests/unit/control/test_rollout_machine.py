"""What a rollout does next, from table, mark, figures and clock."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest
from msgspec.structs import replace

from proxy.analysis.verdicts import MetricVerdict, Verdict
from proxy.control.rollout.machine import (
    Action,
    Begin,
    Complete,
    Ended,
    Look,
    Next,
    Pause,
    Refuse,
    RollBack,
    Situation,
    Take,
    Watch,
    newcomer_weight,
    next_action,
    step_text,
)
from proxy.model import Rollout, RolloutStep
from tests.unit.control.rollouts import ANALYSIS, ROLLOUT, STEPS, mark, route, without_newcomer

ROUTE = route()


def look(verdict: Verdict, missing: str = "", blind: int = 0) -> Look:
    return Look((MetricVerdict("success_rate", 1.0, 1.0, 0.9, 1.0, verdict),), missing, blind)


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        pytest.param(Situation(ROUTE, 0.0), Begin(), id="no rollout yet"),
        pytest.param(Situation(route(0, "legacy"), 0.0), Begin(), id="from stage legacy"),
        pytest.param(Situation(ROUTE, 0.0, mark(7, "completed")), Ended("completed"), id="completed"),
        pytest.param(Situation(ROUTE, 0.0, mark(2, "aborted")), Ended("aborted"), id="aborted"),
        pytest.param(
            Situation(ROUTE, 0.0, mark(2, "rolled_back"), restart=True), Begin(), id="once more"
        ),
        pytest.param(Situation(ROUTE, 0.0, mark(0, "begun")), Take(0), id="the first step"),
        pytest.param(Situation(ROUTE, 0.0, mark(6)), Take(6), id="the last step"),
        pytest.param(Situation(ROUTE, 0.0, mark(7)), Complete(), id="behind the last step"),
        pytest.param(Situation(ROUTE, 0.0, mark(7), restart=True), Complete(), id="in progress, no restart"),
    ],
)  # fmt: skip
def test_steps_are_taken_in_order(situation: Situation, expected: Action) -> None:
    assert next_action(situation) == expected


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        (Situation(route(rollout=None), 0.0), "route list has no `rollout`"),
        (Situation(without_newcomer(ROUTE), 0.0), "route list has no newcomer"),
        (Situation(route(10_000, "live"), 0.0), "route list is live already"),
        (Situation(route(5000), 0.0), "step 2 sets weight 5, and route list is at 50 already"),
    ],
)
def test_what_cannot_be_rolled_out_is_refused(situation: Situation, reason: str) -> None:
    action = next_action(situation)
    assert isinstance(action, Refuse)
    assert action.reason.startswith(reason)


@pytest.mark.parametrize(
    ("situation", "reason"),
    [
        (Situation(route(1000), 0.0, mark(2)), "somebody else has changed route list: it was canary 5 % after step 2, and is canary 10 % now"),
        (Situation(replace(ROUTE, mirror=None), 0.0, mark(2)), "somebody else has changed route list"),
        (Situation(replace(ROUTE, rollout=Rollout(STEPS[1:], ANALYSIS)), 0.0, mark(2)), "somebody has changed the steps of route list"),
        (Situation(ROUTE, 0.0, mark(2), kill_switch=True), "the kill switch is on"),
        (Situation(ROUTE, 0.0, mark(2, "paused")), "step 3 of 7 (analysis) is paused"),
        (Situation(ROUTE, 0.0, mark(4)), "step 5 of 7 (pause): a person has to promote it"),
    ],
)  # fmt: skip
def test_a_rollout_waits_for_a_person(situation: Situation, reason: str) -> None:
    action = next_action(situation)
    assert isinstance(action, Pause)
    assert action.reason.startswith(reason)
    assert not action.is_new


@pytest.mark.parametrize(
    ("step", "now", "seen", "expected"),
    [
        pytest.param(2, 110.0, None, Watch(2, 50.0), id="no look yet"),
        pytest.param(2, 110.0, look("passed"), Watch(2, 50.0), id="passed, before its end"),
        pytest.param(2, 160.0, look("passed"), Next(2), id="passed at its end"),
        pytest.param(2, 110.0, look("inconclusive"), Watch(2, 50.0), id="open, before its end"),
        pytest.param(2, 110.0, look("failed"), RollBack("failed: success_rate"), id="failed"),
        pytest.param(2, 110.0, look("failed", "gone", 1), Watch(2, 50.0), id="a replica is missing"),
        pytest.param(5, 110.0, look("passed"), Next(5), id="passed, without a duration"),
        pytest.param(5, 110.0, look("inconclusive"), Watch(5, 590.0), id="open, without a duration"),
        pytest.param(3, 110.0, None, Watch(3, 20.0), id="a timed pause"),
        pytest.param(3, 110.0, look("inconclusive"), Watch(3, 20.0), id="a timed pause passes nothing"),
        pytest.param(3, 130.0, None, Next(3), id="the end of a timed pause"),
        pytest.param(3, 110.0, look("failed"), RollBack("failed: success_rate"), id="failed in a pause"),
    ],
)  # fmt: skip
def test_a_step_waits_for_its_end_or_its_verdict(
    step: int, now: float, seen: Look | None, expected: Action
) -> None:
    assert next_action(Situation(ROUTE, now, mark(step), begun=100.0, look=seen)) == expected


def test_an_open_breaker_is_a_failure() -> None:
    situation = Situation(ROUTE, 100.0, mark(3), look=look("passed"), open_breaker="new")
    assert next_action(situation) == RollBack("the breaker of new is open")


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (look("inconclusive"), "step 3 of 7 (analysis) is inconclusive: success_rate"),
        (look("passed", "gone", 1), "step 3 of 7 (analysis) is inconclusive: gone"),
        (
            Look(),
            "step 3 of 7 (analysis) is inconclusive: no metric can be measured at this weight",
        ),
    ],
)
def test_an_analysis_without_a_verdict_at_its_end_pauses(seen: Look, reason: str) -> None:
    situation = Situation(ROUTE, 160.0, mark(2), begun=100.0, look=seen)
    assert next_action(situation) == Pause(reason, is_new=True)


@pytest.mark.parametrize(
    ("reaction", "expected"),
    [
        ("fail", RollBack("step 3 of 7 (analysis) is inconclusive: success_rate")),
        ("proceed", Next(2)),
    ],
)
def test_the_table_says_what_follows_an_open_analysis(reaction: str, expected: Action) -> None:
    rollout = Rollout(STEPS, replace(ANALYSIS, inconclusive=reaction))
    situation = Situation(
        route(rollout=rollout), 160.0, mark(2), begun=100.0, look=look("inconclusive")
    )
    assert next_action(situation) == expected


def test_a_replica_that_stays_missing_pauses_the_rollout() -> None:
    situation = Situation(ROUTE, 110.0, mark(2), begun=100.0, look=look("passed", "gone", 3))
    expected = Pause("step 3 of 7 (analysis) is inconclusive: gone", is_new=True)
    assert next_action(situation) == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "step 1 of 7 (set_mirror 50)"),
        (1, "step 2 of 7 (set_weight 5)"),
        (2, "step 3 of 7 (analysis)"),
        (3, "step 4 of 7 (pause)"),
        (6, "step 7 of 7 (set_stage live)"),
        (7, "the end of 7 steps"),
    ],
)
def test_a_step_in_words(number: int, text: str) -> None:
    assert step_text(ROLLOUT, number) == text


def test_a_route_without_its_backends_has_no_newcomer() -> None:
    assert newcomer_weight(ROUTE) == 500
    assert newcomer_weight(without_newcomer(ROUTE)) == 0
    assert newcomer_weight(route(stage="retired")) == 0


def test_a_step_of_weight_zero_may_begin_a_rollout() -> None:
    rollout = Rollout((RolloutStep(weight_bp=0),))
    assert next_action(Situation(route(0, "shadow", rollout), 0.0)) == Begin()
