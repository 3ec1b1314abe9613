"""Outlier detection: ejections, their times, their limits, and the way back."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.health.outliers import (
    Interval,
    States,
    after_interval,
    after_outcomes,
    consecutive,
)
from proxy.health.state import EndpointState, Outcomes
from proxy.model import OutlierDetection

POLICY = OutlierDetection()
NEW = EndpointState()
EJECTED = EndpointState(ejected_at=0.0, ejected_until=30.0, ejections=1, ejected_reason="x")
HALF_OPEN = replace(EJECTED, is_half_open=True)


def failed(count: int, gateway: int = 0) -> Outcomes:
    return Outcomes(count, count, gateway, count, gateway)


def one(state: EndpointState, outcomes: Outcomes, now: float = 100.0) -> EndpointState:
    return after_outcomes(POLICY, (state,), (outcomes,), now)[0]


def test_consecutive_failures_eject_an_endpoint() -> None:
    assert not one(NEW, failed(4)).is_ejected
    state = one(NEW, failed(5))
    assert (state.ejected_at, state.ejected_until) == (100.0, 130.0)
    assert state.ejected_reason == "5 consecutive failures"
    assert (state.ejections, state.total_ejections, state.run) == (1, 1, 0)


def test_failures_of_two_steps_are_consecutive_until_a_success() -> None:
    state = one(one(NEW, failed(3)), failed(5))
    assert state.is_ejected
    between = one(one(NEW, failed(3)), Outcomes(4, 3, 0, 0, 0))
    assert between.run == 0
    assert not one(between, Outcomes(6, 5, 0, 2, 0)).is_ejected


def test_gateway_failures_eject_by_their_own_limit() -> None:
    policy = OutlierDetection(consecutive_gateway_failure=2)
    (state,) = after_outcomes(policy, (NEW,), (failed(2, gateway=2),), 0.0)
    assert state.ejected_reason == "2 consecutive gateway failures"
    (state,) = after_outcomes(policy, (NEW,), (failed(2, gateway=1),), 0.0)
    assert not state.is_ejected


@pytest.mark.parametrize(
    ("new", "longest", "run"),
    [
        pytest.param((2, 2), 9, 5, id="all failed: the run goes on"),
        pytest.param((0, 0), 9, 3, id="nothing new"),
        pytest.param((3, 2), 2, 2, id="one succeeded: those of one worker count"),
        pytest.param((9, 2), 7, 2, id="never more than the new failures"),
    ],
)
def test_consecutive_failures_over_workers(new: tuple[int, int], longest: int, run: int) -> None:
    assert consecutive(3, new, longest) == run


def test_the_time_of_an_ejection_ends_with_a_trial() -> None:
    assert one(EJECTED, Outcomes(), 29.9) == EJECTED
    tried = one(EJECTED, Outcomes(), 30.0)
    assert tried.is_half_open
    assert one(tried, Outcomes(), 31.0) == tried


def test_a_trial_that_succeeds_ends_the_ejection() -> None:
    state = one(HALF_OPEN, Outcomes(requests=1), 31.0)
    assert (state.is_ejected, state.is_half_open, state.available_since) == (False, False, 31.0)
    assert state.ejections == 1


def test_a_success_counts_more_than_failures_of_requests_that_were_sent_before() -> None:
    state = one(HALF_OPEN, Outcomes(requests=9, failures=8, run=3), 31.0)
    assert not state.is_ejected


def test_a_trial_that_fails_begins_a_longer_ejection() -> None:
    state = one(HALF_OPEN, failed(1), 31.0)
    assert (state.ejected_until, state.is_half_open, state.ejections) == (91.0, False, 2)


def test_ejections_grow_up_to_the_longest_and_shrink_in_calm_intervals() -> None:
    policy = OutlierDetection(max_ejection_time_s=70.0)
    often = replace(HALF_OPEN, ejections=7)
    (state,) = after_outcomes(policy, (often,), (failed(1),), 0.0)
    assert state.ejected_until == 70.0
    calm = after_interval(POLICY, (replace(NEW, ejections=2), often), started(2), 0.0)
    assert [each.ejections for each in calm] == [1, 7]


def test_a_state_looks_the_same_until_the_endpoint_is_used_otherwise() -> None:
    assert one(NEW, failed(4)).visible == NEW.visible
    assert one(NEW, failed(5)).visible != NEW.visible
    assert EJECTED.visible != HALF_OPEN.visible


def started(count: int) -> Interval:
    return Interval(0.0, (Outcomes(),) * count)


def seen(*outcomes: tuple[int, int]) -> States:
    """Endpoints in use, each with requests and failures of the interval."""
    return tuple(EndpointState(seen=Outcomes(*each)) for each in outcomes)


def ejected(states: Sequence[EndpointState]) -> list[int]:
    return [at for at, state in enumerate(states) if state.is_ejected]


@pytest.mark.parametrize(
    ("states", "out"),
    [
        pytest.param(seen(*[(100, 0)] * 9, (100, 50)), [9], id="one fails half of its requests"),
        pytest.param(seen(*[(100, 50)] * 10), [], id="all are the same"),
        pytest.param(seen(*[(100, 0)] * 3, (100, 50)), [], id="too few endpoints"),
        pytest.param(seen(*[(100, 0)] * 9, (99, 50)), [], id="too few requests"),
    ],
)
def test_an_endpoint_far_below_the_others_is_ejected(states: States, out: list[int]) -> None:
    after = after_interval(POLICY, states, started(len(states)), 5.0)
    assert ejected(after) == out
    assert all("success rate 50.0 %" in after[at].ejected_reason for at in out)


def test_a_percentage_of_failures_ejects() -> None:
    policy = OutlierDetection(
        failure_percentage_threshold=60,
        failure_percentage_minimum_hosts=1,
        failure_percentage_request_volume=10,
    )
    assert ejected(after_interval(policy, seen((10, 5)), started(1), 0.0)) == []
    assert ejected(after_interval(policy, seen((9, 9)), started(1), 0.0)) == []
    (state,) = after_interval(policy, seen((10, 6)), started(1), 0.0)
    assert state.ejected_reason == "60.0 % of its requests failed"


def test_an_interval_counts_its_own_requests_only() -> None:
    policy = OutlierDetection(
        failure_percentage_minimum_hosts=1, failure_percentage_request_volume=10
    )
    begun = Interval(0.0, (Outcomes(100, 100),))
    assert ejected(after_interval(policy, seen((110, 100)), begun, 0.0)) == []


def test_a_second_endpoint_is_ejected_only_within_the_percentage() -> None:
    for percent, out in ((50, [0]), (100, [0, 1])):
        policy = OutlierDetection(max_ejection_percent=percent)
        assert ejected(after_outcomes(policy, (NEW, NEW), (failed(5), failed(5)), 0.0)) == out


BACKENDS = st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1)), min_size=1, max_size=30)


@given(BACKENDS, st.integers(0, 100))
def test_no_more_endpoints_are_ejected_than_allowed(
    backend: list[tuple[int, float]], percent: int
) -> None:
    policy = OutlierDetection(max_ejection_percent=percent, failure_percentage_minimum_hosts=1)
    outcomes = [failed(int(count * share)) for count, share in backend]
    states = after_outcomes(policy, (NEW,) * len(backend), outcomes, 0.0)
    states = after_interval(policy, states, started(len(states)), 1.0)
    count = len(ejected(states))
    assert count <= 1 or count * 100 <= percent * len(states)


@given(st.lists(st.sampled_from(["ok", "bad", "wait"]), max_size=60))
def test_an_ejection_always_ends_and_its_factor_never_falls_below_zero(events: list[str]) -> None:
    state, outcomes, now = NEW, Outcomes(), 0.0
    for event in events:
        now += 10.0
        if event == "ok":
            outcomes = Outcomes(outcomes.requests + 1, outcomes.failures, 0, 0, 0)
        elif event == "bad":
            total = outcomes.failures + 5
            outcomes = Outcomes(outcomes.requests + 5, total, 0, outcomes.run + 5, 0)
        (state,) = after_interval(
            POLICY, (one(state, outcomes, now),), Interval(now, (outcomes,)), now
        )
        assert state.ejections >= 0
        assert state.ejected_until <= now + POLICY.max_ejection_time_s
    later = one(state, outcomes, now + POLICY.max_ejection_time_s)
    assert later.is_half_open or not later.is_ejected
    healed = one(later, replace(outcomes, requests=outcomes.requests + 1, run=0), now + 1000.0)
    assert not healed.is_ejected
