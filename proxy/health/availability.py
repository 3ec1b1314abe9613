"""The health of a backend from the states of its endpoints: breaker, panic, slow start, and the turns of endpoints."""

from collections.abc import Sequence
from math import gcd

from msgspec.structs import replace

from proxy.health.state import EndpointState
from proxy.model import Availability, Backend, BackendHealth, Breaker, EndpointHealth, SlowStart

_STEPS = 10
"""Weights are tenths: the turns of endpoints repeat after at most ten times their number."""


def health_of(backend: Backend, states: Sequence[EndpointState], now: float) -> BackendHealth:
    """The health of a backend with these states of its endpoints, in order."""
    endpoints = tuple(
        _endpoint_health(endpoint.label, state, backend.slow_start, now)
        for endpoint, state in zip(backend.endpoints, states, strict=True)
    )
    available = sum(each.is_available for each in endpoints)
    return BackendHealth(
        _breaker(endpoints),
        not available or available * 100 < backend.panic_percent * len(endpoints),
        endpoints,
    )


def _endpoint_health(
    label: str, state: EndpointState, slow_start: SlowStart | None, now: float
) -> EndpointHealth:
    if state.is_unhealthy:
        return EndpointHealth(label, "unhealthy", state.unhealthy_reason)
    if state.is_ejected:
        availability: Availability = "half_open" if state.is_half_open else "ejected"
        reason, worker = state.ejected_reason, state.trial_worker
        return EndpointHealth(label, availability, reason, trial_worker=worker)
    return EndpointHealth(label, weight=weight(slow_start, state.available_since, now))


def _breaker(endpoints: Sequence[EndpointHealth]) -> Breaker:
    if any(each.is_available for each in endpoints):
        return "closed"
    return "half_open" if any(each.state == "half_open" for each in endpoints) else "open"


def seen_by(worker: int, health: BackendHealth, *, is_tried: bool) -> BackendHealth:
    """The health as a worker sees it: half-open if its next request may try an endpoint. `is_tried`: one does now."""
    if health.breaker != "half_open":
        return health
    mine = any(
        each.state == "half_open" and each.trial_worker == worker for each in health.endpoints
    )
    return health if mine and not is_tried else replace(health, breaker="open")


def weight(slow_start: SlowStart | None, since: float | None, now: float) -> int:
    """The percentage of an endpoint's share of requests, in tenths, that was not available before `since`."""
    if slow_start is None or since is None or now >= since + slow_start.window_s:
        return 100
    percent = max(slow_start.min_weight_percent, 100 * (now - since) / slow_start.window_s)
    return max(1, int(percent * _STEPS / 100)) * 100 // _STEPS


def is_starting(health: BackendHealth) -> bool:
    """Whether an endpoint has less than its full share, so that its weight has to be computed again."""
    return any(each.weight < 100 for each in health.endpoints)


def turns(weights: Sequence[int]) -> tuple[int, ...]:
    """The order in which endpoints take turns: indexes of `weights`, each as often as its weight says, spread.

    Smooth weighted round robin, as in nginx: each turn goes to the greatest credit, which pays for it.
    """
    unit = gcd(*weights)
    parts = [each // unit for each in weights]
    total, credits, order = sum(parts), [0] * len(parts), []
    for _ in range(total):
        credits = [credit + part for credit, part in zip(credits, parts, strict=True)]
        chosen = max(range(len(parts)), key=credits.__getitem__)
        credits[chosen] -= total
        order.append(chosen)
    return tuple(order)


def changes(before: BackendHealth, after: BackendHealth) -> list[str]:
    """Each change between two healths of a backend, in words."""
    known = {each.endpoint: each for each in before.endpoints}
    lines = []
    for each in after.endpoints:
        last = known.get(each.endpoint, EndpointHealth(each.endpoint))
        if each.state != last.state:
            reason = f" ({each.reason})" if each.reason else ""
            lines.append(f"endpoint {each.endpoint}: {last.state} -> {each.state}{reason}")
    if after.breaker != before.breaker:
        lines.append(f"breaker: {before.breaker} -> {after.breaker}")
    if after.is_panicking != before.is_panicking:
        what = "too few endpoints are available: requests go to all of them"
        lines.append(what if after.is_panicking else "requests go to available endpoints only")
    return lines
