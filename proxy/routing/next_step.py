"""What follows an attempt: its outcome is passed on, the backend is tried again, or the other one is. Pure.

    attempt --> outcome --> next_step --> pass_on
                                     \\--> retry: the same backend, after a pause
                                      \\--> fallback: the other backend, once

Both tiers ask this before a byte of a response goes to the client (rule 5, ADR 28).
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import (
    ConnectTimeout,
    UpstreamBusy,
    UpstreamError,
    UpstreamStale,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.model import SAFE_METHODS, Decision, Facts, Health, Retry, Route, RouteTable, Timeouts

_MAX_PAUSES = 10
"""The longest pause, in `backoff`s."""


class Outcome(Struct, frozen=True):
    """How an attempt ended."""

    words: tuple[str, ...]
    """The names of its failure that triggers may list, the most specific first. Empty for a good response."""
    status: int = 0
    """The status of a response; 0 without one."""
    received: bool = True
    """The backend may have received the request."""
    refused: bool = False
    """The facade has no connection left for the backend: no retry, which would add to the load."""


class AttemptsSoFar(Struct, frozen=True):
    """What is known of the attempts of a request, beside the outcome of the last one."""

    retries: int = 0
    fell_back: bool = False
    has_begun: bool = False
    """A byte of a response went to the client, such as an interim response."""
    has_body: bool = True
    """The body of the request, as far as it has come, is at hand."""
    remaining_s: float = 0.0
    """What is left of `timeouts.request`."""
    jitter: float = 0.0
    """A uniform random number from [0, 1)."""


class Load(Struct, frozen=True):
    """The requests of the route that are under way in this worker, without this request's own retry."""

    active: int = 1
    retrying: int = 0
    falling_back: int = 0


class Step(Struct, frozen=True):
    """The next step. `exhausted` names the budget that prevented another one."""

    kind: Literal["pass_on", "retry", "fallback"] = "pass_on"
    pause_s: float = 0.0
    """Before a retry."""
    word: str = ""
    """The failure that leads to a fallback."""
    exhausted: Literal["", "retry", "fallback"] = ""


PASS_ON = Step()


def response_outcome(status: int, is_ok: bool) -> Outcome:
    """The outcome of an attempt with a response. `is_ok` is the verdict of `response_ok`."""
    words = () if status < 500 else (str(status),)
    return Outcome(words if is_ok else (*words, "not_ok"), status)


def failure_outcome(error: UpstreamError) -> Outcome:
    """The outcome of an attempt without a whole response. It is not ok, and counts as the status of the error."""
    words: tuple[str, ...] = (str(error.status), "not_ok")
    if isinstance(error, UpstreamBusy):
        return Outcome(("circuit_open", *words), received=False, refused=True)
    if isinstance(error, UpstreamUnreachable | ConnectTimeout):
        return Outcome(("connect_failure", *words), received=False)
    if isinstance(error, UpstreamStale) and not error.sent:
        return Outcome(("connect_failure", *words), received=False)
    if isinstance(error, UpstreamTimeout):
        words = ("timeout", *words)
    return Outcome(words)


def next_step(
    decision: Decision,
    facts: Facts,
    outcome: Outcome,
    attempts: AttemptsSoFar,
    load: Load,
    may_fall_back: bool,
) -> Step:
    """The step after an attempt. `may_fall_back`: there is another backend, which is not in distress."""
    route = decision.route
    if attempts.fell_back or attempts.has_begun or not (outcome.words and attempts.has_body):
        return PASS_ON
    exhausted: Literal["", "retry", "fallback"] = ""
    retry = route.retry
    if retry is not None and _is_retried(retry, outcome) and attempts.retries < retry.attempts:
        pause_s = pause_before(retry, attempts)
        if may_repeat(route, facts, outcome.received) and pause_s < attempts.remaining_s:
            if retry.budget.has_room(load.active, load.retrying):
                return Step("retry", pause_s)
            exhausted = "retry"
    word = _trigger(route, outcome)
    if not word or not may_fall_back or attempts.remaining_s <= 0:
        return Step(exhausted=exhausted)
    if not may_go_elsewhere(route, facts, outcome.received):
        return Step(exhausted=exhausted)
    budget = None if route.fallback is None else route.fallback.budget
    if budget is not None and not budget.has_room(load.active, load.falling_back):
        return Step(exhausted="fallback")
    return Step("fallback", word=word)


def pause_before(retry: Retry, attempts: AttemptsSoFar) -> float:
    """The pause before the next retry: doubled each time, of which a random part of up to a half is left out."""
    whole_s = retry.backoff_s * min(1 << attempts.retries, _MAX_PAUSES)
    return whole_s * (1 - attempts.jitter / 2)


def may_repeat(route: Route, facts: Facts, received: bool) -> bool:
    """Whether the same backend may get the request again (RFC 9110 9.2.2)."""
    return not received or facts.method in SAFE_METHODS or _has_idempotency_key(route, facts)


def may_go_elsewhere(route: Route, facts: Facts, received: bool) -> bool:
    """Whether another backend may get the request. A write stays with its writer, unless both may take it."""
    if facts.method in SAFE_METHODS:
        return True
    if route.writes.policy != "dual_write":
        return False
    return not received or _has_idempotency_key(route, facts)


def other_backend(table: RouteTable, decision: Decision) -> int | None:
    """The index of the reference that a fallback goes to.

    None under the kill switch, for a newcomer that is not released yet (stage legacy and shadow), and for clients that
    have chosen their backend.
    """
    route, refs = decision.route, decision.route.backend_refs
    if route.fallback is None or decision.ref is None or len(refs) != 2:
        return None
    if decision.reason == "override" or decision.first_backend:
        return None
    if route.stage is not None and table.kill_switch:
        return None
    other = 1 if decision.ref is refs[0] else 0
    return None if other == 1 and route.stage in ("legacy", "shadow") else other


def is_circuit_open(table: RouteTable, decision: Decision, facts: Facts, health: Health) -> bool:
    """Whether a request goes to the other backend without an attempt: the breaker of the chosen one is open."""
    backend, fallback = decision.backend, decision.route.fallback
    if backend is None or fallback is None or "circuit_open" not in fallback.triggers:
        return False
    other = other_backend(table, decision)
    return (
        other is not None
        and health.breaker(backend) == "open"
        and health.breaker(decision.route.backend_refs[other].backend) != "open"
        and may_go_elsewhere(decision.route, facts, received=False)
    )


def outcome_status(status: int, is_ok: bool) -> int:
    """The status by which outlier detection counts a response: the verdict of `response_ok` goes before it."""
    if is_ok:
        return status if status < 500 else 200
    return status if status >= 500 else 500


def attempt_timeouts(decision: Decision) -> Timeouts:
    """The timeouts of an attempt.

    Without `backend_request`, the first backend of a route that falls back after a `timeout` gets half of `request`:
    else no time would be left for the other one.
    """
    route = decision.route
    timeouts = route.timeouts
    waits = route.fallback is not None and "timeout" in route.fallback.triggers
    if not waits or timeouts.backend_request_s is not None or decision.first_backend:
        return timeouts
    return replace(timeouts, backend_request_s=timeouts.request_s / 2)


def _is_retried(retry: Retry, outcome: Outcome) -> bool:
    if outcome.status:
        return outcome.status in retry.statuses
    return not outcome.refused


def _trigger(route: Route, outcome: Outcome) -> str:
    """The first word of the outcome that the fallback of the route lists."""
    triggers = frozenset() if route.fallback is None else route.fallback.triggers
    return next((word for word in outcome.words if word in triggers), "")


def _has_idempotency_key(route: Route, facts: Facts) -> bool:
    """Whether the request has the key with which backends recognise it, and the route says that they do."""
    name = route.writes.idempotency_key
    if name is None or route.writes.policy != "dual_write":
        return False
    wanted = name.encode("latin-1")
    return any(field == wanted and value.strip() for field, value in facts.headers)
