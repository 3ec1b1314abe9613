"""Who may choose a backend, and what wins over the choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model import (
    DirectResponse,
    Facts,
    Known,
    Moment,
    Networks,
    Override,
    Route,
    RouteTable,
    SigningKey,
)
from proxy.routing.decide import decide
from proxy.routing.override import override_token
from tests.make import facts, matched, refs, route, table

KEY = SigningKey(b"k" * 32)
BY_HEADER = Override("header", "x-choice", Networks(("10.0.0.0/8",)), "k")
BY_COOKIE = Override("cookie", "choice", Networks(("10.0.0.0/8",)), "k")
LEGACY = replace(route(to=refs(legacy=100, new=0), stage="legacy"), override=BY_HEADER)
NOW_S = 1_000_000
TOKEN = override_token(KEY, "r", "new", NOW_S + 60)
TESTER, STRANGER = "10.1.2.3", "192.0.2.1"


def asked(value: str, client: str = STRANGER, name: str = "x-choice") -> Facts:
    return facts(client=client, headers={name: value})


def decided(
    request: Facts, by_route: Route = LEGACY, *, of: RouteTable | None = None, now_s: float = NOW_S
) -> tuple[str | None, str]:
    tested = replace(of or table(by_route), keys={"k": KEY})
    decision = decide(tested, matched(by_route), request, Moment(now_s=now_s))
    return decision.backend, decision.reason


CHOSEN, AS_BEFORE = ("new", "override"), ("legacy", "stage")


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        pytest.param(asked("new", TESTER), CHOSEN, id="a tester"),
        pytest.param(asked("new"), AS_BEFORE, id="a stranger"),
        pytest.param(asked("", TESTER), AS_BEFORE, id="an empty name"),
        pytest.param(asked("third", TESTER), AS_BEFORE, id="a backend that the route has not"),
        pytest.param(asked("NEW", TESTER), AS_BEFORE, id="names are exact"),
        pytest.param(asked("new", TESTER, "x-other"), AS_BEFORE, id="another header"),
        pytest.param(asked("choice=new", TESTER, "cookie"), AS_BEFORE, id="a cookie is no header"),
        pytest.param(asked(TOKEN), CHOSEN, id="a token"),
        pytest.param(asked(TOKEN, TESTER), CHOSEN, id="a tester's token"),
        pytest.param(asked(TOKEN[:-1]), AS_BEFORE, id="a signature that is cut"),
        pytest.param(asked(TOKEN + "0"), AS_BEFORE, id="a signature that is longer"),
        pytest.param(asked(TOKEN.replace("new", "legacy")), AS_BEFORE, id="of another backend"),
        pytest.param(asked(TOKEN.replace(str(NOW_S + 60), str(NOW_S + 61))), AS_BEFORE, id="a later end"),
        pytest.param(asked(f"new:{NOW_S + 60}:"), AS_BEFORE, id="no signature"),
        pytest.param(asked("new:"), AS_BEFORE, id="only a colon"),
        pytest.param(asked("new::"), AS_BEFORE, id="two colons"),
        pytest.param(asked("new:٣:x"), AS_BEFORE, id="digits of another script"),
        pytest.param(asked("new:" + "9" * 100_000 + ":x"), AS_BEFORE, id="huge"),
        pytest.param(asked(override_token(KEY, "other", "new", NOW_S + 60)), AS_BEFORE, id="of another route"),
        pytest.param(
            asked(override_token(SigningKey(b"x" * 32), "r", "new", NOW_S + 60)), AS_BEFORE, id="of another key"
        ),
    ],
)  # fmt: skip
def test_a_choice_is_obeyed_or_ignored(request_: Facts, result: tuple[str, str]) -> None:
    assert decided(request_) == result


@pytest.mark.parametrize(("now_s", "is_valid"), [(NOW_S + 59.9, True), (NOW_S + 60, False)])
def test_a_token_expires(now_s: float, is_valid: bool) -> None:
    assert (decided(asked(TOKEN), now_s=now_s) == CHOSEN) == is_valid


def test_without_its_key_no_token_is_valid() -> None:
    bare = table(LEGACY)
    assert decide(bare, matched(LEGACY), asked(TOKEN), Moment(now_s=NOW_S)).reason == "stage"


def test_a_route_without_a_key_file_takes_no_token() -> None:
    only_networks = replace(LEGACY, override=replace(BY_HEADER, token_key_file=None))
    assert decided(asked(TOKEN), only_networks) == AS_BEFORE
    assert decided(asked("new", TESTER), only_networks) == CHOSEN


def test_the_first_valid_choice_of_a_few_counts() -> None:
    by_cookie = replace(LEGACY, override=BY_COOKIE)
    of = "; ".join(["choice=bad", "choice=new:1:x", f"choice={TOKEN}"])
    assert decided(asked(of, name="cookie"), by_cookie) == CHOSEN
    many = "; ".join(["choice=new:9999999999:x"] * 4 + [f"choice={TOKEN}"])
    assert decided(asked(many, name="cookie"), by_cookie) == AS_BEFORE


@pytest.mark.parametrize("stage", ["legacy", "shadow", "canary", "live", None])
def test_a_choice_holds_at_every_stage_both_ways(stage: str | None) -> None:
    weight = {"canary": 50, "live": 100}.get(stage or "", 0)
    to = refs(legacy=100 - weight, new=weight)
    by_route = replace(LEGACY, stage=stage, backend_refs=to)
    for backend in ("legacy", "new"):
        assert decided(asked(backend, TESTER), by_route) == (backend, "override")


def test_the_kill_switch_and_retirement_win() -> None:
    request = asked("new", TESTER)
    killed = table(LEGACY, kill_switch=True)
    assert decided(request, of=killed) == ("legacy", "kill_switch")
    assert decided(asked(TOKEN), of=killed) == ("legacy", "kill_switch")
    without_stage = replace(LEGACY, stage=None)
    assert decided(request, without_stage, of=table(without_stage, kill_switch=True)) == (
        "legacy",
        "draw",
    )
    gone = replace(LEGACY, stage="retired", direct_response=DirectResponse(410))
    assert decided(request, gone) == (None, "retired")


def test_a_choice_that_is_known_needs_no_field() -> None:
    for known, backend in (("new", "new"), ("third", "legacy")):
        moment = Moment(known=Known(override=known))
        assert decide(table(LEGACY), matched(LEGACY), facts(), moment).backend == backend
    plain = replace(LEGACY, override=None)
    assert (
        decide(table(plain), matched(plain), facts(), Moment(known=Known(override="new"))).backend
        == "legacy"
    )


@given(st.text(max_size=200), st.sampled_from([STRANGER, TESTER]))
def test_no_text_of_a_stranger_is_a_choice(value: str, client: str) -> None:
    backend, _ = decided(asked(value, client))
    assert backend == ("new" if client == TESTER and value == "new" else "legacy")


def test_the_key_is_in_no_text() -> None:
    assert "kkk" not in repr(replace(table(LEGACY), keys={"k": KEY}))
