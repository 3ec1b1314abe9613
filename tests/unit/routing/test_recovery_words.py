"""What `explain` says about failed attempts."""

# ruff: noqa: E501 -- a row of a table stays on one line

import pytest
from msgspec.structs import replace

from proxy.model import (
    BackendHealth,
    Budget,
    Decision,
    Facts,
    Fallback,
    Health,
    Moment,
    ResponseOk,
    Retry,
    Route,
    Writes,
)
from proxy.routing.decide import decide
from proxy.routing.recovery_words import describe_fallback, describe_route, instead_of
from tests.make import facts, matched, refs, route, table

LIVE = replace(
    route(to=refs(legacy=0, new=100), stage="live"),
    fallback=Fallback(frozenset(("timeout", "503", "circuit_open"))),
)
BOTH = Writes("dual_write", "idempotency-key")
SMALL = replace(LIVE, fallback=Fallback(frozenset(("503",)), Budget(1_000)))
NEW, LEGACY = LIVE.backend_refs[1], LIVE.backend_refs[0]


@pytest.mark.parametrize(
    ("of", "lines"),
    [
        pytest.param(route(), (), id="nothing"),
        pytest.param(
            replace(route(), response_ok=ResponseOk(json_type="array")),
            ("response_ok: status below 500, the body is a JSON array",),
            id="a JSON type",
        ),
        pytest.param(
            replace(route(), response_ok=ResponseOk(frozenset((204, 200))), retry=Retry()),
            (
                "response_ok: status 200, 204",
                "retry: once, without a response; 50ms before the first; at most 20 % of the route's "
                "requests under way, or 3",
            ),
            id="statuses and a retry",
        ),
        pytest.param(
            replace(route(), retry=Retry(3, frozenset((502, 503)), 1.0)),
            (
                "retry: up to 3 times, without a response or after 502, 503; 1000ms before the first; "
                "at most 20 % of the route's requests under way, or 3",
            ),
            id="several retries",
        ),
    ],
)
def test_a_route_in_words(of: Route, lines: tuple[str, ...]) -> None:
    assert describe_route(of) == lines


@pytest.mark.parametrize(
    ("of", "decision", "request_", "words"),
    [
        pytest.param(LIVE, Decision(LIVE, "stage", NEW), facts(), "legacy, after 503, circuit_open, timeout of 30s", id="a read"),
        pytest.param(LIVE, Decision(LIVE, "stage", NEW), facts(method="POST"), "none: a write stays with its writer", id="a write"),
        pytest.param(LIVE, Decision(LIVE, "override", NEW), facts(), "none: the client has chosen the backend", id="an override"),
        pytest.param(LIVE, Decision(LIVE, "fallback:503", LEGACY, first_backend="new"), facts(), "none, it has been used", id="used"),
        pytest.param(SMALL, Decision(SMALL, "stage", NEW), facts(), "legacy, after 503; at most 10 % of the route's requests under way, or 3", id="a budget"),
        pytest.param(route(), Decision(route(), "only", LEGACY), facts(), "", id="no fallback"),
        pytest.param(LIVE, Decision(LIVE, "retired"), facts(), "", id="a local reply"),
    ],
)  # fmt: skip
def test_a_fallback_in_words(of: Route, decision: Decision, request_: Facts, words: str) -> None:
    assert describe_fallback(table(of), decision, request_) == words


def test_a_write_that_both_may_take_needs_its_key() -> None:
    both = replace(SMALL, writes=BOTH, fallback=Fallback(frozenset(("503",))))
    words = describe_fallback(
        table(both), Decision(both, "stage", both.backend_refs[1]), facts(method="POST")
    )
    needs = "a write that may have been received needs idempotency-key"
    assert words == f"legacy, after 503; {needs}"


def test_the_reasons_for_none() -> None:
    killed = Decision(LIVE, "kill_switch", LEGACY)
    words = describe_fallback(table(LIVE, kill_switch=True), killed, facts())
    assert words == "none: the kill switch is on"
    dark = replace(LIVE, stage="legacy")
    words = describe_fallback(table(dark), Decision(dark, "stage", LEGACY), facts())
    assert words == "none: at stage legacy the newcomer is not released"


def test_the_backend_that_was_chosen_first() -> None:
    health = Health({"new": BackendHealth("open")})
    decision = decide(table(LIVE), matched(LIVE), facts(), Moment(health=health))
    assert instead_of(decision) == "new (stage): its breaker is open"
    assert instead_of(decide(table(LIVE), matched(LIVE), facts(), Moment())) == ""
