"""The attempts of a request whose route has `retry`, `fallback` or `response_ok`, on both tiers (ADR 28).

`routing.next_step` decides. This object has what it needs to know, and keeps the counts.
"""

import time

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import CircuitOpen, UpstreamError
from proxy.forwarding.decided import Decided
from proxy.forwarding.forwarder import Forwarder
from proxy.forwarding.route_loads import RouteLoad
from proxy.http1.response_head import ResponseHead
from proxy.model import ALL_BP, Decision, Timeouts
from proxy.routing.decide import FALLBACK, fallback_decision
from proxy.routing.next_step import (
    AttemptsSoFar,
    Outcome,
    Step,
    attempt_timeouts,
    failure_outcome,
    next_step,
    other_backend,
    outcome_status,
    response_outcome,
)
from proxy.routing.response_ok import is_body_ok, is_status_ok, needs_body
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.request_record import Record
from proxy.upstream import HttpUpstream


class Recovery(Struct, eq=False):
    """Mutable state of one such request. `end` runs exactly once."""

    forwarder: Forwarder
    snapshot: Snapshot
    record: Record
    decided: Decided
    """With the decision for the current attempt."""
    began: float
    """`time.monotonic()` of the request's head."""
    load: RouteLoad
    retries: int = 0
    has_begun: bool = False
    """A byte of a response went to the client."""
    tried: str = ""
    """The backend with a half-open breaker that this request tries."""

    # --- the verdict on a response --------------------------------------------------------------------

    def judges_body(self, head: ResponseHead) -> bool:
        """Whether the body decides, so that the response has to be held until it is whole."""
        rule, method = self.decided.decision.route.response_ok, self.decided.facts.method
        return needs_body(rule, method, head) and is_status_ok(rule, method, head.status)

    def verdict(self, head: ResponseHead, body: bytes | None) -> bool:
        """Whether a response is ok. `body` is the whole body, or None where it is not judged."""
        rule, method = self.decided.decision.route.response_ok, self.decided.facts.method
        if not is_status_ok(rule, method, head.status):
            return False
        return rule is None or body is None or is_body_ok(rule, head.fields, body)

    # --- steps ----------------------------------------------------------------------------------------

    def after_response(self, head: ResponseHead, is_ok: bool, has_body: bool) -> Step:
        """The step after a response. `has_body`: the body of the request is at hand."""
        decision = self.decided.decision
        if decision.route.response_ok is not None:
            self.record.verdict = is_ok
        if not is_ok:
            self.forwarder.counters.count_recovery("not_ok", decision)
        return self._after(response_outcome(head.status, is_ok), has_body)

    def after_failure(self, error: UpstreamError, has_body: bool) -> Step:
        """The step after an attempt without a whole response."""
        return self._after(failure_outcome(error), has_body)

    def _after(self, outcome: Outcome, has_body: bool) -> Step:
        if not outcome.words:
            return Step()
        decision, forwarder = self.decided.decision, self.forwarder
        attempts = AttemptsSoFar(
            self.retries,
            decision.first_backend != "",
            self.has_begun,
            has_body,
            self.timeouts().remaining_s,
            forwarder.draw() / ALL_BP,
        )
        load = self.load.seen_by(is_retrying=self.retries > 0)
        facts = self.decided.facts
        step = next_step(decision, facts, outcome, attempts, load, self._may_fall_back(decision))
        if step.exhausted:
            forwarder.counters.count_recovery("budget", decision, step.exhausted)
        if step.kind == "retry":
            forwarder.counters.count_recovery("retry", decision)
            self.load.retrying += not self.retries
            self.retries += 1
        return step

    def _may_fall_back(self, decision: Decision) -> bool:
        """Whether there is another backend for the request, which is not in distress itself."""
        other = other_backend(self.snapshot.table, decision)
        if other is None:
            return False
        backend = decision.route.backend_refs[other].backend
        if self.forwarder.health.current.breaker(backend) == "open":
            return False
        try:
            upstream = self.forwarder.upstreams.of(self.snapshot.backends[backend])
        except UpstreamError:
            return False  # A reload has replaced it meanwhile.
        return not (isinstance(upstream, HttpUpstream) and upstream.is_full)

    def fall_back(self, word: str) -> Decided:
        """The decision for the other backend, after the failure `word`. Raises BadRequest."""
        facts, decision, identity = self.decided.facts, self.decided.decision, self.decided.identity
        table = self.snapshot.table
        other = fallback_decision(table, decision, facts, word, identity.request_id)
        self.forwarder.counters.count_recovery("fallback", decision, word)
        self._decide(replace(self.decided, decision=other))
        self.load.falling_back += 1
        return self.decided

    def _decide(self, decided: Decided) -> None:
        self.decided = decided
        self.record.decision = decided.decision
        self.record.verdict = None
        self.begin_attempt(decided.decision)

    def begin_attempt(self, decision: Decision) -> None:
        """If the breaker of the backend is half-open, this request tries it: for others it stays open meanwhile."""
        backend, health = decision.backend or "", self.forwarder.health
        self._end_trial()
        if health.current.breaker(backend) == "half_open":
            health.begin_trial(backend)
            self.tried = backend

    def _end_trial(self) -> None:
        """Let another request try the backend. Requests that it got before it was half-open may still be stuck."""
        if self.tried:
            self.forwarder.health.end_trial(self.tried)
            self.tried = ""

    def timeouts(self) -> Timeouts:
        """The timeouts of an attempt that begins now."""
        timeouts = attempt_timeouts(self.decided.decision)
        return replace(timeouts, spent_s=time.monotonic() - self.began)

    def counted_status(self, head: ResponseHead, is_ok: bool) -> int:
        """The status by which outlier detection counts the response."""
        if self.decided.decision.route.response_ok is None:
            return head.status
        return outcome_status(head.status, is_ok)

    def end(self) -> None:
        """The request has ended."""
        self._end_trial()
        load = self.load
        load.retrying -= self.retries > 0
        load.falling_back -= self.decided.decision.first_backend != ""
        self.forwarder.loads.end(load)


def begin_recovery(
    forwarder: Forwarder, snapshot: Snapshot, record: Record, decided: Decided, began: float
) -> Recovery:
    """The attempts of a request that has been decided. Raises CircuitOpen past the budget of the fallback."""
    decision, loads = decided.decision, forwarder.loads
    if decision.first_backend:
        _check_budget(forwarder, record, decision)
    load = loads.begin(decision.route.name)
    recovery = Recovery(forwarder, snapshot, record, decided, began, load)
    recovery.begin_attempt(decision)
    if decision.first_backend:
        load.falling_back += 1
        word = decision.reason.removeprefix(FALLBACK)
        forwarder.counters.count_recovery("fallback", _as_chosen(decision), word)
    return recovery


def _check_budget(forwarder: Forwarder, record: Record, decision: Decision) -> None:
    """For a request that goes to the other backend without an attempt."""
    fallback, load = decision.route.fallback, forwarder.loads.of(decision.route.name)
    budget = None if fallback is None else fallback.budget
    if budget is None or budget.has_room(load.active, load.falling_back):
        return
    record.decision = chosen = _as_chosen(decision)
    forwarder.counters.count_recovery("budget", chosen, "fallback")
    backend = decision.first_backend
    text = f"no endpoint of backend {backend} is available, and the fallback budget is used up"
    raise CircuitOpen(text, backend)


def _as_chosen(decision: Decision) -> Decision:
    """The decision before the fallback."""
    refs = decision.route.backend_refs
    first = next(ref for ref in refs if ref.backend == decision.first_backend)
    return replace(
        decision, ref=first, reason=decision.first_reason, first_backend="", first_reason=""
    )
