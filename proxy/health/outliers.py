"""Outlier detection: ejects endpoints by the outcomes of their requests. Words and order are those of Envoy.

used --consecutive failures, or worse than the others--> ejected
  ^                                                        | ejection time, or a probe that succeeds
  +---- a request succeeds ---- half-open <----------------+
                                    | a request fails: ejected for longer
                                    v
"""

from collections.abc import Sequence
from math import sqrt

from msgspec import Struct
from msgspec.structs import replace

from proxy.health.state import EndpointState, Outcomes, half_open, returned
from proxy.model import OutlierDetection


class Interval(Struct, frozen=True):
    """The beginning of an interval, after which the endpoints of a backend are compared."""

    began: float
    outcomes: tuple[Outcomes, ...]
    """Of each endpoint, at its beginning."""


States = tuple[EndpointState, ...]
"""The states of a backend's endpoints, in order."""


def after_outcomes(
    policy: OutlierDetection, states: States, outcomes: Sequence[Outcomes], now: float
) -> States:
    """The states after these outcomes: ejections for consecutive failures, and the ends of ejections."""
    after = tuple(
        _observed(policy, state, seen, now) for state, seen in zip(states, outcomes, strict=True)
    )
    for at, state in enumerate(after):
        reason = _consecutive_failures(policy, state)
        if reason:
            after = _with_ejection(policy, after, at, reason, now)
    return after


def after_interval(
    policy: OutlierDetection, states: States, interval: Interval, now: float
) -> States:
    """The states after a comparison of the endpoints, at the end of `interval`."""
    calm = tuple(
        state if state.is_ejected else replace(state, ejections=max(0, state.ejections - 1))
        for state in states
    )
    after = calm
    for at, reason in (
        *_by_success_rate(policy, calm, interval),
        *_by_failures(policy, calm, interval),
    ):
        after = _with_ejection(policy, after, at, reason, now)
    return after


def consecutive(run: int, new: tuple[int, int], longest: int) -> int:
    """The consecutive failures of an endpoint, over all workers.

    `new` are the requests and the failures since `run`; `longest` are the consecutive failures up to now of one worker
    that sent some of them. If all new requests failed, they continue the run. If not, their order over all workers is
    not known: the failures of that worker count.
    """
    requests, failures = new
    return run + failures if failures >= requests else min(longest, failures)


def _observed(
    policy: OutlierDetection, state: EndpointState, outcomes: Outcomes, now: float
) -> EndpointState:
    seen = state.seen
    requests = outcomes.requests - seen.requests
    failures = outcomes.failures - seen.failures
    gateway = outcomes.gateway_failures - seen.gateway_failures
    state = replace(
        state,
        seen=outcomes,
        run=consecutive(state.run, (requests, failures), outcomes.run),
        gateway_run=consecutive(state.gateway_run, (requests, gateway), outcomes.gateway_run),
    )
    if not state.is_ejected:
        return state
    if not state.is_half_open:
        return half_open(state, now) if now >= state.ejected_until else state
    if failures < requests:
        # Failures beside a success may be those of requests that a frozen endpoint got before it recovered.
        return returned(state, now)
    if failures:
        return _ejected(policy, state, "a request that tried it failed", now)
    return state


def _consecutive_failures(policy: OutlierDetection, state: EndpointState) -> str:
    """The reason to eject an endpoint, empty if there is none."""
    if state.is_ejected:
        return ""
    if state.run >= policy.consecutive_5xx:
        return f"{state.run} consecutive failures"
    limit = policy.consecutive_gateway_failure
    if limit is not None and state.gateway_run >= limit:
        return f"{state.gateway_run} consecutive gateway failures"
    return ""


# --- the comparison of endpoints ------------------------------------------------------------------


def _volumes(states: States, interval: Interval, least: int) -> list[tuple[int, float]]:
    """The endpoints in use with at least so many requests in the interval, each with its share of failures."""
    found = []
    for at, (state, begin) in enumerate(zip(states, interval.outcomes, strict=True)):
        requests = state.seen.requests - begin.requests
        if requests >= least and not state.is_ejected:
            found.append((at, (state.seen.failures - begin.failures) / requests))
    return found


def _by_success_rate(
    policy: OutlierDetection, states: States, interval: Interval
) -> list[tuple[int, str]]:
    """The endpoints with a success rate far below the others', each with the reason."""
    volumes = _volumes(states, interval, policy.success_rate_request_volume)
    if len(volumes) < policy.success_rate_minimum_hosts:
        return []
    rates = [1 - failed for _, failed in volumes]
    mean = sum(rates) / len(rates)
    deviation = sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates))
    least = mean - deviation * policy.success_rate_stdev_factor / 1000
    return [
        (at, f"success rate {_percent(rate)}, less than {_percent(least)}")
        for (at, _), rate in zip(volumes, rates, strict=True)
        if rate < least
    ]


def _by_failures(
    policy: OutlierDetection, states: States, interval: Interval
) -> list[tuple[int, str]]:
    """The endpoints with a percentage of failures from the threshold on, each with the reason."""
    volumes = _volumes(states, interval, policy.failure_percentage_request_volume)
    if len(volumes) < policy.failure_percentage_minimum_hosts:
        return []
    return [
        (at, f"{_percent(failed)} of its requests failed")
        for at, failed in volumes
        if failed * 100 >= policy.failure_percentage_threshold
    ]


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


# --- ejections ----------------------------------------------------------------------------------------


def _with_ejection(
    policy: OutlierDetection, states: States, at: int, reason: str, now: float
) -> States:
    """The states with one more endpoint ejected, if so many may be. One always may."""
    ejected = sum(state.is_ejected for state in states)
    allowed = not ejected or (ejected + 1) * 100 <= policy.max_ejection_percent * len(states)
    if states[at].is_ejected or not allowed:
        return states
    return (*states[:at], _ejected(policy, states[at], reason, now), *states[at + 1 :])


def _ejected(
    policy: OutlierDetection, state: EndpointState, reason: str, now: float
) -> EndpointState:
    ejections = state.ejections + 1
    duration_s = min(policy.base_ejection_time_s * ejections, policy.max_ejection_time_s)
    return replace(
        state,
        ejected_at=now,
        ejected_until=now + duration_s,
        is_half_open=False,
        ejections=ejections,
        ejected_reason=reason,
        run=0,
        gateway_run=0,
        total_ejections=state.total_ejections + 1,
    )
