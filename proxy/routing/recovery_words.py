"""`response_ok`, `retry` and `fallback` of a route in words, for `explain`."""

from collections.abc import Iterator

from proxy.model import SAFE_METHODS, Budget, Decision, Facts, ResponseOk, Retry, Route, RouteTable
from proxy.routing.next_step import attempt_timeouts, may_go_elsewhere, other_backend


def describe_route(route: Route) -> tuple[str, ...]:
    """What the route says about responses that are not good, and about retries."""
    return tuple(_lines(route))


def describe_fallback(table: RouteTable, decision: Decision, facts: Facts) -> str:
    """When the request goes to the other backend. Empty for a route without a fallback."""
    route = decision.route
    fallback = route.fallback
    if fallback is None or decision.ref is None:
        return ""
    if decision.first_backend:
        return "none, it has been used"
    other = other_backend(table, decision)
    if other is None:
        return f"none: {_why_none(table, decision)}"
    if not may_go_elsewhere(route, facts, received=False):
        return "none: a write stays with its writer"
    backend = route.backend_refs[other].backend
    budget = "" if fallback.budget is None else f"; {_budget(fallback.budget)}"
    key = ""
    if facts.method not in SAFE_METHODS:
        key = f"; a write that may have been received needs {route.writes.idempotency_key}"
    waits = ""
    if "timeout" in fallback.triggers:
        waits = f" of {attempt_timeouts(decision).attempt_s:g}s"
    triggers = ", ".join(
        f"{word}{waits}" if word == "timeout" else word for word in sorted(fallback.triggers)
    )
    return f"{backend}, after {triggers}{budget}{key}"


def instead_of(decision: Decision) -> str:
    """The backend that was chosen first, the reason, and why the request does not go there."""
    if not decision.first_backend:
        return ""
    return f"{decision.first_backend} ({decision.first_reason}): its breaker is open"


def _lines(route: Route) -> Iterator[str]:
    if route.response_ok is not None:
        yield f"response_ok: {_response_ok(route.response_ok)}"
    if route.retry is not None:
        yield f"retry: {_retry(route.retry)}"


def _response_ok(rule: ResponseOk) -> str:
    statuses = _listed(rule.statuses) if rule.statuses else "below 500"
    json_type = "" if rule.json_type is None else f", the body is a JSON {rule.json_type}"
    return f"status {statuses}{json_type}"


def _retry(retry: Retry) -> str:
    times = "once" if retry.attempts == 1 else f"up to {retry.attempts} times"
    statuses = f" or after {_listed(retry.statuses)}" if retry.statuses else ""
    pause = f"{retry.backoff_s * 1000:g}ms"
    return (
        f"{times}, without a response{statuses}; {pause} before the first; {_budget(retry.budget)}"
    )


def _budget(budget: Budget) -> str:
    percent = budget.percent_bp / 100
    return f"at most {percent:g} % of the route's requests under way, or {budget.least}"


def _listed(statuses: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(statuses)))


def _why_none(table: RouteTable, decision: Decision) -> str:
    if decision.reason == "override":
        return "the client has chosen the backend"
    if table.kill_switch and decision.route.stage is not None:
        return "the kill switch is on"
    return f"at stage {decision.route.stage} the newcomer is not released"
