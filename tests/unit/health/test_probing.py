"""Probes: thresholds, times, and the end of an ejection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.health.probing import after_probe, first_delay_s, next_delay_s
from proxy.health.state import EndpointState
from proxy.model import HealthCheck

CHECK = HealthCheck("/health", 5.0, 2.0, unhealthy_threshold=3, healthy_threshold=2)
NEW = EndpointState()
BAD = EndpointState(is_unhealthy=True, unhealthy_reason="probe: status 500")


def after(results: str, state: EndpointState = NEW) -> EndpointState:
    """The state after probes: `+` for each success, `-` for each failure."""
    for result in results:
        state = after_probe(CHECK, state, "" if result == "+" else "status 500", 0.0, 1.0)
    return state


@pytest.mark.parametrize(
    ("start", "results", "unhealthy"),
    [
        pytest.param(NEW, "--", False, id="fewer failures than the threshold"),
        pytest.param(NEW, "---", True, id="as many failures as the threshold"),
        pytest.param(NEW, "--+--", False, id="a success begins the count anew"),
        pytest.param(BAD, "+", True, id="fewer successes than the threshold"),
        pytest.param(BAD, "++", False, id="as many successes as the threshold"),
        pytest.param(BAD, "+-+", True, id="a failure begins the count anew"),
    ],
)
def test_an_endpoint_changes_after_consecutive_probes(
    start: EndpointState, results: str, unhealthy: bool
) -> None:
    assert after(results, start).is_unhealthy is unhealthy


def test_the_reason_is_that_of_the_last_failed_probe() -> None:
    assert after("---").unhealthy_reason == "probe: status 500"
    again = after_probe(CHECK, after("---"), "no response in 2s", 0.0, 1.0)
    assert again.unhealthy_reason == "probe: no response in 2s"
    assert after("++", BAD).unhealthy_reason == ""


def test_probes_are_counted_and_slow_start_begins_with_the_return() -> None:
    state = after("---++")
    assert (state.probes, state.failed_probes, state.available_since) == (5, 3, 1.0)
    assert after("+").available_since is None


@given(st.text("+-", max_size=40))
def test_an_endpoint_is_unhealthy_only_between_three_failures_and_two_successes(
    results: str,
) -> None:
    unhealthy = False
    for end in range(1, len(results) + 1):
        if results[:end].endswith("---"):
            unhealthy = True
        elif results[:end].endswith("++"):
            unhealthy = False
        assert after(results[:end]).is_unhealthy is unhealthy


def test_a_probe_that_was_sent_after_an_ejection_ends_its_time() -> None:
    ejected = EndpointState(ejected_at=10.0, ejected_until=40.0, run=2)
    early = after_probe(CHECK, ejected, "", 9.9, 11.0)
    assert not early.is_half_open
    tried = after_probe(CHECK, ejected, "", 10.0, 11.0)
    assert (tried.is_half_open, tried.is_ejected, tried.run) == (True, True, 0)
    assert after_probe(CHECK, tried, "", 12.0, 13.0).is_half_open
    assert not after_probe(CHECK, ejected, "status 500", 10.0, 11.0).is_half_open


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_first_probes_are_spread_over_the_interval(count: int, uniform: float) -> None:
    delays = [first_delay_s(CHECK, at, count, uniform) for at in range(count)]
    assert all(0 <= delay <= 5.0 for delay in delays)
    assert delays == sorted(delays)


@given(st.floats(0, 1, exclude_max=True))
def test_an_endpoint_can_be_healthy_again_within_an_interval(uniform: float) -> None:
    assert 4.5 <= next_delay_s(CHECK, EndpointState(), uniform) <= 5.0
    # Less two beats, which pass until all workers use it.
    assert next_delay_s(CHECK, BAD, uniform) * CHECK.healthy_threshold <= 4.8
    assert next_delay_s(CHECK, EndpointState(ejected_at=1.0), uniform) <= 4.8
    often = HealthCheck("/health", 0.5, 0.4, unhealthy_threshold=3, healthy_threshold=1)
    assert 0.36 <= next_delay_s(often, BAD, uniform) <= 0.4


def test_the_delays_of_probes_are_parts_of_the_interval() -> None:
    assert [first_delay_s(CHECK, at, 2, 0.5) for at in range(2)] == [1.25, 3.75]
    assert (next_delay_s(CHECK, NEW, 0.5), next_delay_s(CHECK, BAD, 0.0)) == (4.75, 2.4)
