"""What follows an attempt: pass its outcome on, a retry, or a fallback."""

import pytest
from msgspec.structs import replace

from proxy.errors import (
    ConnectTimeout,
    UpstreamBroke,
    UpstreamBusy,
    UpstreamError,
    UpstreamStale,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.model import (
    BackendHealth,
    Breaker,
    Budget,
    Decision,
    Facts,
    Fallback,
    Health,
    Mirror,
    Moment,
    Retry,
    Route,
    RouteTable,
    Timeouts,
    Writes,
)
from proxy.model.stage import Stage
from proxy.routing.decide import decide, fallback_decision
from proxy.routing.next_step import (
    PASS_ON,
    AttemptsSoFar,
    Load,
    Outcome,
    Step,
    attempt_timeouts,
    failure_outcome,
    is_circuit_open,
    next_step,
    other_backend,
    outcome_status,
    pause_before,
    response_outcome,
)
from tests.make import facts, matched, refs, route, table

RETRY = Retry(2, frozenset((502,)), 0.1)
ALL = Fallback(frozenset(("connect_failure", "timeout", "circuit_open", "not_ok", "503")))
BOTH = Writes("dual_write", "idempotency-key")
KEY = {"Idempotency-Key": "k"}
FRESH = AttemptsSoFar(remaining_s=1.0)
LEGACY = refs(legacy=20, new=80)


def of(route_: Route, at: int = 1, reason: str = "draw") -> Decision:
    return Decision(route_, reason, route_.backend_refs[at], match=route_.matches[0])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UpstreamUnreachable(""), Outcome(("connect_failure", "502", "not_ok"), received=False)),
        (ConnectTimeout(""), Outcome(("connect_failure", "504", "not_ok"), received=False)),
        (UpstreamStale("", sent=False), Outcome(("connect_failure", "502", "not_ok"), received=False)),
        (UpstreamStale(""), Outcome(("502", "not_ok"))),
        (UpstreamBroke(""), Outcome(("502", "not_ok"))),
        (UpstreamTimeout(""), Outcome(("timeout", "504", "not_ok"))),
        (UpstreamBusy(""), Outcome(("circuit_open", "503", "not_ok"), received=False, refused=True)),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_an_error_is_an_outcome(error: UpstreamError, outcome: Outcome) -> None:
    assert failure_outcome(error) == outcome


@pytest.mark.parametrize(
    ("status", "is_ok", "words"),
    [
        (200, True, ()),
        (200, False, ("not_ok",)),
        (503, False, ("503", "not_ok")),
        (503, True, ("503",)),
    ],
)
def test_a_response_is_an_outcome(status: int, is_ok: bool, words: tuple[str, ...]) -> None:
    assert response_outcome(status, is_ok) == Outcome(words, status)


RESET, REFUSED, BAD = UpstreamBroke(""), UpstreamUnreachable(""), response_outcome(502, False)
WRITE = facts(method="POST")
KEYED = facts(method="POST", headers=KEY)


@pytest.mark.parametrize(
    ("request_", "writes", "outcome", "is_retried"),
    [
        pytest.param(facts(), Writes(), BAD, True, id="a listed status"),
        pytest.param(facts(), Writes(), response_outcome(503, False), False, id="another status"),
        pytest.param(facts(), Writes(), response_outcome(200, False), False, id="a 200 that is not ok"),
        pytest.param(facts(), Writes(), response_outcome(200, True), False, id="a good response"),
        pytest.param(facts(), Writes(), failure_outcome(RESET), True, id="a reset"),
        pytest.param(facts(), Writes(), failure_outcome(UpstreamTimeout("")), True, id="a timeout"),
        pytest.param(facts(), Writes(), failure_outcome(UpstreamBusy("")), False, id="no connection left"),
        pytest.param(WRITE, Writes(), failure_outcome(REFUSED), True, id="a write that was not sent"),
        pytest.param(WRITE, Writes(), failure_outcome(RESET), False, id="a write that was sent"),
        pytest.param(WRITE, Writes(), BAD, False, id="a write with a response"),
        pytest.param(KEYED, Writes(), BAD, False, id="a key that no policy names"),
        pytest.param(KEYED, Writes("single_writer", "idempotency-key"), BAD, False, id="a policy that repeats nothing"),
        pytest.param(WRITE, BOTH, BAD, False, id="no key"),
        pytest.param(facts(method="POST", headers={"Idempotency-Key": " "}), BOTH, BAD, False, id="an empty key"),
        pytest.param(KEYED, BOTH, BAD, True, id="a write with a key"),
    ],
)  # fmt: skip
def test_a_request_is_sent_to_the_same_backend_again(
    request_: Facts, writes: Writes, outcome: Outcome, is_retried: bool
) -> None:
    decision = of(replace(route(to=LEGACY), retry=RETRY, writes=writes))
    step = next_step(decision, request_, outcome, FRESH, Load(), True)
    assert (step.kind == "retry") is is_retried


@pytest.mark.parametrize(
    "attempts",
    [
        pytest.param(replace(FRESH, fell_back=True), id="after a fallback"),
        pytest.param(replace(FRESH, has_begun=True), id="after a byte of a response"),
        pytest.param(replace(FRESH, has_body=False), id="after a body that was not kept"),
        pytest.param(replace(FRESH, retries=2, remaining_s=0.0), id="without time"),
    ],
)
def test_nothing_follows(attempts: AttemptsSoFar) -> None:
    decision = of(replace(route(to=LEGACY), retry=RETRY, fallback=ALL))
    assert next_step(decision, facts(), failure_outcome(RESET), attempts, Load(), True) == PASS_ON


def test_the_number_of_retries_is_limited() -> None:
    decision = of(replace(route(to=LEGACY), retry=RETRY))
    for retries, kind in ((0, "retry"), (1, "retry"), (2, "pass_on")):
        attempts = replace(FRESH, retries=retries)
        assert next_step(decision, facts(), BAD, attempts, Load(), True).kind == kind


def test_no_retry_that_would_begin_after_the_time_of_the_request() -> None:
    decision = of(replace(route(to=LEGACY), retry=RETRY))
    late = replace(FRESH, remaining_s=0.1)
    assert next_step(decision, facts(), BAD, late, Load(), True) == PASS_ON
    assert (
        next_step(decision, facts(), BAD, replace(late, jitter=0.1), Load(), True).kind == "retry"
    )


def test_a_pause_doubles_and_varies() -> None:
    pauses = [pause_before(RETRY, AttemptsSoFar(retries=retries)) for retries in range(6)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert pause_before(RETRY, AttemptsSoFar(jitter=0.5)) == pytest.approx(0.075)


@pytest.mark.parametrize(
    ("active", "used", "has_room"),
    [(1, 0, True), (1, 2, True), (1, 3, False), (20, 3, True), (20, 4, False), (100, 19, True), (100, 20, False)],
)  # fmt: skip
def test_a_budget_has_room(active: int, used: int, has_room: bool) -> None:
    assert Budget().has_room(active, used) is has_room


def test_a_used_up_budget_of_retries_leads_to_the_fallback() -> None:
    both = of(replace(route(to=LEGACY), retry=RETRY, fallback=ALL))
    reset = failure_outcome(RESET)
    full = Load(active=10, retrying=3)
    assert next_step(both, facts(), reset, FRESH, full, True) == Step("fallback", word="not_ok")
    assert next_step(both, facts(), reset, FRESH, full, False) == Step(exhausted="retry")
    only = of(replace(route(to=LEGACY), retry=RETRY))
    assert next_step(only, facts(), reset, FRESH, full, True) == Step(exhausted="retry")


def test_a_used_up_budget_of_fallbacks_passes_the_error_on() -> None:
    decision = of(replace(route(to=LEGACY), fallback=replace(ALL, budget=Budget())))
    refused = failure_outcome(REFUSED)
    for used, step in ((2, Step("fallback", word="connect_failure")), (3, Step(exhausted="fallback"))):  # fmt: skip
        load = Load(active=10, falling_back=used)
        assert next_step(decision, facts(), refused, FRESH, load, True) == step


@pytest.mark.parametrize(
    ("request_", "writes", "outcome", "word"),
    [
        pytest.param(facts(), Writes(), failure_outcome(REFUSED), "connect_failure", id="refused"),
        pytest.param(facts(), Writes(), failure_outcome(UpstreamTimeout("")), "timeout", id="timeout"),
        pytest.param(facts(), Writes(), failure_outcome(UpstreamBusy("")), "circuit_open", id="queue full"),
        pytest.param(facts(), Writes(), response_outcome(503, False), "503", id="a listed status"),
        pytest.param(facts(), Writes(), response_outcome(500, False), "not_ok", id="a status that is not ok"),
        pytest.param(facts(), Writes(), response_outcome(200, True), "", id="a good response"),
        pytest.param(WRITE, Writes(), failure_outcome(REFUSED), "", id="a write stays with its writer"),
        pytest.param(KEYED, Writes(), failure_outcome(REFUSED), "", id="also with a key"),
        pytest.param(WRITE, BOTH, failure_outcome(REFUSED), "connect_failure", id="unless both may take it"),
        pytest.param(WRITE, BOTH, failure_outcome(RESET), "", id="and it was not sent"),
        pytest.param(KEYED, BOTH, failure_outcome(RESET), "not_ok", id="or has a key"),
    ],
)  # fmt: skip
def test_a_request_goes_to_the_other_backend(
    request_: Facts, writes: Writes, outcome: Outcome, word: str
) -> None:
    decision = of(replace(route(to=LEGACY), fallback=ALL, writes=writes))
    step = next_step(decision, request_, outcome, FRESH, Load(), True)
    assert step == (Step("fallback", word=word) if word else PASS_ON)


def test_a_failure_that_is_no_trigger_is_passed_on() -> None:
    decision = of(replace(route(to=LEGACY), fallback=Fallback(frozenset(("timeout",)))))
    assert next_step(decision, facts(), failure_outcome(REFUSED), FRESH, Load(), True) == PASS_ON


@pytest.mark.parametrize(
    ("stage", "at", "reason", "kill_switch", "other"),
    [
        pytest.param("live", 1, "stage", False, 0, id="from the newcomer"),
        pytest.param("canary", 0, "draw", False, 1, id="to a newcomer with a weight"),
        pytest.param("legacy", 0, "stage", False, None, id="to a newcomer that is not released"),
        pytest.param("shadow", 0, "stage", False, None, id="to a newcomer that gets copies only"),
        pytest.param("legacy", 1, "override", False, None, id="of a client that has chosen"),
        pytest.param("canary", 0, "kill_switch", True, None, id="under the kill switch"),
        pytest.param(None, 0, "draw", True, 1, id="of a route without a stage"),
        pytest.param("live", 0, "fallback:timeout", False, None, id="a second time"),
    ],
)
def test_the_other_backend(
    stage: Stage | None, at: int, reason: str, kill_switch: bool, other: int | None
) -> None:
    staged = replace(route(to=LEGACY, stage=stage), fallback=ALL)
    first = "new" if reason.startswith("fallback") else ""
    decision = replace(of(staged, at, reason), first_backend=first)
    assert other_backend(table(staged, kill_switch=kill_switch), decision) == other


def test_without_a_fallback_there_is_no_other_backend() -> None:
    assert other_backend(table(route(to=LEGACY)), of(route(to=LEGACY))) is None
    alone = replace(route(), fallback=ALL, stage="retired")
    assert other_backend(table(alone), of(alone, 0)) is None
    assert other_backend(table(alone), Decision(alone, "retired")) is None


def health(**breakers: Breaker) -> Health:
    return Health({name: BackendHealth(breaker) for name, breaker in breakers.items()})


LIVE = replace(route(to=refs(legacy=0, new=100), stage="live"), fallback=ALL)
REGARDLESS = replace(LIVE, fallback=Fallback(frozenset(("timeout",))))


@pytest.mark.parametrize(
    ("route_", "method", "breakers", "is_open"),
    [
        pytest.param(LIVE, "GET", health(new="open"), True, id="a read"),
        pytest.param(LIVE, "POST", health(new="open"), False, id="a write"),
        pytest.param(replace(LIVE, writes=BOTH), "POST", health(new="open"), True, id="a write that both may take"),
        pytest.param(LIVE, "GET", health(new="half_open"), False, id="one that may try it"),
        pytest.param(LIVE, "GET", health(new="closed"), False, id="a closed breaker"),
        pytest.param(LIVE, "GET", health(), False, id="not monitored"),
        pytest.param(LIVE, "GET", health(new="open", legacy="open"), False, id="both in distress"),
        pytest.param(LIVE, "GET", health(new="open", legacy="half_open"), True, id="the other one half-open"),
        pytest.param(REGARDLESS, "GET", health(new="open"), False, id="not a trigger"),
        pytest.param(replace(LIVE, fallback=None), "GET", health(new="open"), False, id="no fallback"),
    ],
)  # fmt: skip
def test_a_request_goes_round_an_open_breaker(
    route_: Route, method: str, breakers: Health, is_open: bool
) -> None:
    request = facts(method=method)
    assert is_circuit_open(table(route_), of(route_), request, breakers) is is_open
    decision = decide(table(route_), matched(route_), request, Moment(health=breakers))
    assert decision.backend == ("legacy" if is_open else "new")
    assert decision.reason == ("fallback:circuit_open" if is_open else "stage")
    assert (decision.first_backend, decision.first_reason) == (("new", "stage") if is_open else ("", ""))  # fmt: skip


def test_no_circuit_is_open_for_a_local_reply() -> None:
    gone = replace(LIVE, stage="retired")
    decision = Decision(gone, "retired")
    assert not is_circuit_open(table(gone), decision, facts(), health(new="open"))


def test_an_override_reaches_a_backend_whose_breaker_is_open() -> None:
    decision = of(LIVE, 1, "override")
    assert not is_circuit_open(table(LIVE), decision, facts(), health(new="open"))


def test_a_fallback_keeps_the_bucket_and_gets_no_copies() -> None:
    canary = replace(route(to=LEGACY, stage="canary"), fallback=ALL, mirror=Mirror())
    decision = decide(table(canary), matched(canary), facts(), Moment(draw_bp=7_000))
    assert decision.backend == "new"
    other = fallback_decision(table(canary), decision, facts(), "timeout")
    assert (other.backend, other.reason, other.bucket_bp) == ("legacy", "fallback:timeout", 7_000)
    assert other.mirrored_to == ()
    assert other_backend(table(canary), other) is None


def test_a_fallback_drops_path_parameters_for_a_backend_without_them() -> None:
    without = RouteTable((LIVE,), (), without_parameters=frozenset(("legacy",)))
    decision = decide(without, matched(LIVE), facts("/a;b=1"), Moment())
    assert decision.upstream_path == b"/a;b=1"
    assert fallback_decision(without, decision, facts("/a;b=1"), "503").upstream_path == b"/a"


@pytest.mark.parametrize(
    ("status", "is_ok", "counted"),
    [(200, True, 200), (200, False, 500), (503, False, 503), (503, True, 200), (404, True, 404)],
)
def test_the_verdict_counts_for_outlier_detection(status: int, is_ok: bool, counted: int) -> None:
    assert outcome_status(status, is_ok) == counted


@pytest.mark.parametrize(
    ("route_", "first", "attempt_s"),
    [
        pytest.param(LIVE, "", 30.0, id="half, so that time is left for the other backend"),
        pytest.param(LIVE, "new", 60.0, id="all that is left for the other backend"),
        pytest.param(replace(LIVE, timeouts=Timeouts(backend_request_s=5.0)), "", 5.0, id="as it is given"),
        pytest.param(replace(LIVE, fallback=Fallback(frozenset(("503",)))), "", 60.0, id="no fallback after a timeout"),
        pytest.param(replace(LIVE, fallback=None), "", 60.0, id="no fallback"),
    ],
)  # fmt: skip
def test_an_attempt_has_its_time(route_: Route, first: str, attempt_s: float) -> None:
    decision = replace(of(route_), first_backend=first)
    assert attempt_timeouts(decision).attempt_s == attempt_s
