"""Active probes: when they are sent, and what their results mean for an endpoint."""

from msgspec.structs import replace

from proxy.health.state import EndpointState, half_open
from proxy.model import HealthCheck

_JITTER = 0.1
"""Probes come up to this part of the interval earlier, so that the probes of several facades spread."""
_LEAD_S = 0.2
_MAX_LEAD = 0.2
"""Probes of an endpoint that is not available come this much earlier, at most this part of the interval: two beats pass
until all workers use it again (ADR 25)."""


def first_delay_s(check: HealthCheck, at: int, count: int, uniform: float) -> float:
    """The time to the first probe of the endpoint `at` of `count`. They are spread over one interval.

    `uniform` is a random number from [0, 1).
    """
    return check.interval_s * (at + uniform) / count


def next_delay_s(check: HealthCheck, state: EndpointState, uniform: float) -> float:
    """The time from one probe to the next.

    An endpoint that is not available is probed so often that it can be used again within one interval.
    """
    parts = check.healthy_threshold if state.is_unhealthy else 1
    whole_s = check.interval_s
    if state.is_unhealthy or state.is_ejected:
        whole_s -= min(_LEAD_S, _MAX_LEAD * whole_s)
    return whole_s / parts * (1 - _JITTER * uniform)


def after_probe(
    check: HealthCheck, before: EndpointState, failure: str, began: float, now: float
) -> EndpointState:
    """The state after a probe that was sent at `began`. `failure` is empty for a probe that succeeded.

    A success of a probe sent after an ejection ends the time of the ejection: a request may try the endpoint.
    """
    state = replace(
        before, probes=before.probes + 1, failed_probes=before.failed_probes + bool(failure)
    )
    if not failure and state.ejected_at is not None and began >= state.ejected_at:
        state = state if state.is_half_open else half_open(state, now)
    if bool(failure) == state.is_unhealthy:
        reason = f"probe: {failure}" if failure else ""
        return replace(state, streak=0, unhealthy_reason=reason)
    streak = state.streak + 1
    if streak < (check.unhealthy_threshold if failure else check.healthy_threshold):
        return replace(state, streak=streak)
    if failure:
        return replace(state, is_unhealthy=True, streak=0, unhealthy_reason=f"probe: {failure}")
    return replace(state, is_unhealthy=False, streak=0, unhealthy_reason="", available_since=now)
