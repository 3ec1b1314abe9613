"""Breaker, panic, slow start, turns, and the changes in words."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.health.availability import changes, health_of, is_starting, seen_by, turns, weight
from proxy.health.state import EndpointState
from proxy.model import (
    Backend,
    BackendHealth,
    Breaker,
    Endpoint,
    EndpointHealth,
    Health,
    SlowStart,
)

GOOD = EndpointState()
BAD = EndpointState(is_unhealthy=True, unhealthy_reason="probe: status 500")
OUT = EndpointState(ejected_at=0.0, ejected_until=9.0, ejected_reason="5 consecutive failures")
TRIED = EndpointState(
    ejected_at=0.0, is_half_open=True, trial_worker=1, ejected_reason="5 consecutive failures"
)
SLOW = SlowStart(10.0, 10)


def health(*states: EndpointState, panic_percent: int = 50) -> BackendHealth:
    endpoints = tuple(Endpoint("http", "10.0.0.1", 1 + at) for at in range(len(states)))
    backend = Backend("b", endpoints, slow_start=SLOW, panic_percent=panic_percent)
    return health_of(backend, states, 5.0)


@pytest.mark.parametrize(
    ("states", "breaker"),
    [
        pytest.param((GOOD, BAD), "closed", id="one is available"),
        pytest.param((BAD, OUT), "open", id="none is available"),
        pytest.param((BAD, TRIED), "half_open", id="one may be tried"),
        pytest.param((GOOD, TRIED), "closed", id="one is available, one may be tried"),
    ],
)
def test_the_breaker(states: tuple[EndpointState, ...], breaker: Breaker) -> None:
    found = health(*states)
    assert found.breaker == breaker
    assert Health({"b": found}).breaker("b") == breaker
    assert Health().breaker("b") == "closed"


@pytest.mark.parametrize(
    ("states", "worker", "is_tried", "breaker"),
    [
        pytest.param((BAD, TRIED), 1, False, "half_open", id="its request may try"),
        pytest.param((BAD, TRIED), 1, True, "open", id="one of its requests tries"),
        pytest.param((BAD, TRIED), 0, False, "open", id="another worker may try"),
        pytest.param((GOOD, TRIED), 0, False, "closed", id="one is available"),
    ],
)
def test_a_worker_sees_a_breaker_half_open_if_it_may_try(
    states: tuple[EndpointState, ...], worker: int, is_tried: bool, breaker: Breaker
) -> None:
    assert seen_by(worker, health(*states), is_tried=is_tried).breaker == breaker


@pytest.mark.parametrize(
    ("states", "percent", "panics"),
    [
        pytest.param((GOOD, BAD), 50, False, id="at the threshold"),
        pytest.param((GOOD, BAD, OUT), 50, True, id="below the threshold"),
        pytest.param((GOOD, BAD, OUT), 0, False, id="without a threshold"),
        pytest.param((BAD, OUT), 0, True, id="none is available"),
        pytest.param((GOOD, BAD), 100, True, id="all have to be available"),
    ],
)
def test_panic(states: tuple[EndpointState, ...], percent: int, panics: bool) -> None:
    assert health(*states, panic_percent=percent).is_panicking is panics


def test_each_endpoint_has_its_state_and_reason() -> None:
    found = health(GOOD, BAD, OUT, TRIED)
    assert [(each.state, each.reason) for each in found.endpoints] == [
        ("healthy", ""),
        ("unhealthy", "probe: status 500"),
        ("ejected", "5 consecutive failures"),
        ("half_open", "5 consecutive failures"),
    ]
    assert found.endpoints[3].trial_worker == 1


def test_an_endpoint_on_a_socket_has_its_path_as_label() -> None:
    backend = Backend("b", (Endpoint("http", "localhost", 80, "/run/a.sock"),))
    assert health_of(backend, (GOOD,), 0.0).endpoints[0].endpoint == "unix:/run/a.sock"


@pytest.mark.parametrize(
    ("since", "now", "percent"),
    [
        pytest.param(None, 0.0, 100, id="always available"),
        pytest.param(0.0, 0.0, 10, id="at the beginning"),
        pytest.param(0.0, 5.0, 50, id="half of the window"),
        pytest.param(0.0, 9.99, 90, id="near the end"),
        pytest.param(0.0, 10.0, 100, id="after the window"),
    ],
)
def test_slow_start(since: float | None, now: float, percent: int) -> None:
    assert weight(SLOW, since, now) == percent
    assert weight(None, since, now) == 100


def test_a_weight_is_never_zero() -> None:
    assert weight(SlowStart(10.0, 1), 0.0, 0.0) == 10


def test_slow_start_is_known_to_go_on() -> None:
    assert is_starting(health(EndpointState(available_since=4.0)))
    assert not is_starting(health(GOOD, BAD))


@given(st.lists(st.sampled_from(range(10, 101, 10)), min_size=1, max_size=12))
def test_turns_are_as_many_as_the_weights_say_and_spread(weights: list[int]) -> None:
    order = turns(weights)
    counts = Counter(order)
    assert all(
        counts[one] * weights[other] == counts[other] * weights[one]
        for one in range(len(weights))
        for other in range(len(weights))
    )
    assert order == turns(weights)


def test_equal_weights_take_turns_in_order() -> None:
    assert turns([100, 100, 100]) == (0, 1, 2)
    assert turns([100, 50]) == (0, 1, 0)


def test_changes_are_told_with_their_reasons() -> None:
    assert changes(BackendHealth(), health(GOOD)) == []
    assert changes(health(GOOD, GOOD, GOOD), health(GOOD, OUT, BAD)) == [
        "endpoint http://10.0.0.1:2: healthy -> ejected (5 consecutive failures)",
        "endpoint http://10.0.0.1:3: healthy -> unhealthy (probe: status 500)",
        "too few endpoints are available: requests go to all of them",
    ]
    assert changes(health(BAD), health(GOOD)) == [
        "endpoint http://10.0.0.1:1: unhealthy -> healthy",
        "breaker: open -> closed",
        "requests go to available endpoints only",
    ]


def test_an_endpoint_is_available_while_it_is_healthy() -> None:
    assert EndpointHealth("a").is_available
    assert not EndpointHealth("a", "half_open").is_available
