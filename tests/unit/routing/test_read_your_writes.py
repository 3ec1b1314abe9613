"""Reads that follow a write: the cookie, and where it leads."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model import (
    Cohort,
    Facts,
    HashKey,
    Known,
    Moment,
    ReadYourWrites,
    Route,
    RouteTable,
    SigningKey,
)
from proxy.routing.cohort import bucket_of
from proxy.routing.decide import decide
from proxy.routing.read_your_writes import write_cookie
from tests.make import facts, matched, refs, route, table

UNSIGNED = Cohort("p", "s", (HashKey("cookie", "uid"),), ReadYourWrites(10.0))
SIGNED = replace(UNSIGNED, read_your_writes=ReadYourWrites(10.0, "k"))
KEY = SigningKey(b"k" * 32)
NOW_S = 1_000_000.5


def canary(newcomer: float = 50, cohort: Cohort = UNSIGNED) -> Route:
    return replace(route(to=refs(legacy=100 - newcomer, new=newcomer)), cohort=cohort)


def tabled(by_route: Route, *, kill_switch: bool = False) -> RouteTable:
    return replace(table(by_route, kill_switch=kill_switch), keys={"k": KEY})


def user(number: int, method: str = "GET", cookie: str = "") -> Facts:
    return facts(method=method, headers={"cookie": f"uid={number}; {cookie}"})


def cookie_of(by_route: Route, number: int, method: str = "POST", now_s: float = NOW_S) -> str:
    """What the client keeps of a write."""
    request = user(number, method)
    decision = decide(tabled(by_route), matched(by_route), request, Moment(now_s=now_s))
    value = write_cookie(tabled(by_route), decision, request, now_s)
    return "" if value is None else value.decode().partition(";")[0]


OLD_USER = next(n for n in range(100) if 3_000 < bucket_of("s", b"%d" % n) < 4_000)
"""On the incumbent at 30 %, on the newcomer at 50 %."""


def read(
    cookie: str, by_route: Route, *, now_s: float = NOW_S, method: str = "GET", killed: bool = False
) -> tuple[str | None, str]:
    of = tabled(by_route, kill_switch=killed)
    decision = decide(of, matched(by_route), user(OLD_USER, method, cookie), Moment(now_s=now_s))
    return decision.backend, decision.reason


WRITTEN, BY_BUCKET = ("legacy", "read_your_writes"), ("new", "cohort")


@pytest.mark.parametrize("cohort", [UNSIGNED, SIGNED], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    ("after_s", "result"), [(0.0, WRITTEN), (9.99, WRITTEN), (10.0, BY_BUCKET), (-1.0, WRITTEN), (-10.0, BY_BUCKET)]
)  # fmt: skip
def test_reads_go_where_the_write_went_for_the_ttl(
    cohort: Cohort, after_s: float, result: tuple[str, str]
) -> None:
    cookie = cookie_of(canary(30, cohort), OLD_USER)
    assert read(cookie, canary(50, cohort), now_s=NOW_S + after_s) == result


def test_the_cookie_holds_time_and_backend() -> None:
    by_route = canary(30)
    request = user(OLD_USER, "POST")
    decision = decide(tabled(by_route), matched(by_route), request, Moment())
    assert (
        write_cookie(tabled(by_route), decision, request, NOW_S)
        == b"facade_writes_p=1000000500.legacy; Path=/; Max-Age=10; HttpOnly; SameSite=Lax"
    )
    signed = cookie_of(canary(30, SIGNED), OLD_USER)
    assert re.fullmatch(r"facade_writes_p=1000000500\.[0-9a-f]{64}\.legacy", signed)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_read_sets_no_cookie(method: str) -> None:
    assert cookie_of(canary(30), OLD_USER, method) == ""


def test_without_its_key_no_cookie_is_set_and_none_is_valid() -> None:
    by_route = canary(30, SIGNED)
    request = user(OLD_USER, "POST")
    decision = decide(table(by_route), matched(by_route), request, Moment())
    assert write_cookie(table(by_route), decision, request, NOW_S) is None
    cookie = cookie_of(by_route, OLD_USER)
    later = canary(50, SIGNED)
    reading = user(OLD_USER, "GET", cookie)
    assert decide(table(later), matched(later), reading, Moment(now_s=NOW_S)).reason == "cohort"


def test_a_route_without_a_backend_or_without_the_rule_sets_no_cookie() -> None:
    for by_route in (
        replace(canary(30), cohort=None),
        replace(canary(30), cohort=replace(UNSIGNED, read_your_writes=None)),
        replace(canary(30), stage="retired"),
    ):
        assert cookie_of(by_route, OLD_USER) == ""


def test_writes_go_by_the_bucket() -> None:
    cookie = cookie_of(canary(30), OLD_USER)
    assert read(cookie, canary(50), method="POST") == BY_BUCKET


def test_weight_0_the_kill_switch_and_the_stage_win() -> None:
    cookie = cookie_of(canary(50), OLD_USER)
    assert cookie.endswith(".new")
    assert read(cookie, canary(0)) == ("legacy", "cohort")
    staged = replace(canary(50), stage="canary")
    assert read(cookie, staged, killed=True) == ("legacy", "kill_switch")
    assert read(cookie, canary(30), killed=True) == ("legacy", "cohort")
    assert read(cookie, replace(canary(0), stage="legacy")) == ("legacy", "stage")


@pytest.mark.parametrize(
    "value",
    [
        "", ".", "legacy", "1000000500", "1000000500.", "1000000500.third", "x.legacy", "-1.legacy",
        "9999999999999.legacy", "0.legacy", "1" * 100 + ".legacy", "٣.legacy", "1000000500.legacy.x",
        "1000000500." + "l" * 7000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("cohort", [UNSIGNED, SIGNED], ids=["unsigned", "signed"])
def test_a_malformed_cookie_is_ignored(value: str, cohort: Cohort) -> None:
    assert read(f"facade_writes_p={value}", canary(50, cohort)) == BY_BUCKET


def test_a_forged_signature_is_ignored() -> None:
    cookie = cookie_of(canary(30, SIGNED), OLD_USER)
    name, _, value = cookie.partition("=")
    written, mac, backend = value.split(".")
    later = canary(50, SIGNED)
    assert read(cookie, later) == WRITTEN
    for forged in (
        f"{written}.{backend}",
        f"{written}.{mac[:-1]}.{backend}",
        f"{int(written) + 1}.{mac}.{backend}",
        f"{written}.{'0' * 64}.{backend}",
    ):
        assert read(f"{name}={forged}", later) == BY_BUCKET
    of_another = cookie.replace("facade_writes_p", "facade_writes_q")
    assert read(of_another, later) == BY_BUCKET
    for_new = cookie_of(canary(50, SIGNED), OLD_USER)
    assert read(for_new.replace(".new", ".legacy"), later) == BY_BUCKET


def test_the_first_valid_one_of_a_few_counts() -> None:
    name = "facade_writes_p"
    few = "; ".join([f"{name}=x", f"{name}=1.legacy", f"{name}=1000000500.legacy"])
    assert read(few, canary(50)) == WRITTEN
    many = "; ".join([*[f"{name}=x"] * 4, f"{name}=1000000500.legacy"])
    assert read(many, canary(50)) == BY_BUCKET


def test_a_last_write_that_is_known_needs_no_cookie() -> None:
    for known, backend in (("legacy", "legacy"), ("third", "new")):
        moment = Moment(known=Known(last_write=known))
        by_route = canary(50)
        assert decide(table(by_route), matched(by_route), user(OLD_USER), moment).backend == backend


@given(st.lists(st.tuples(st.integers(1, 99), st.booleans(), st.floats(0, 3)), max_size=30))
def test_no_read_within_the_ttl_misses_the_write(steps: list[tuple[int, bool, float]]) -> None:
    """Whatever the weights do between 1 and 99 per cent."""
    now_s, cookie, written = NOW_S, "", None
    for weight, writes, pause_s in steps:
        now_s += pause_s
        by_route = canary(weight, SIGNED)
        method = "POST" if writes else "GET"
        decision = decide(
            tabled(by_route), matched(by_route), user(OLD_USER, method, cookie), Moment(now_s=now_s)
        )
        if writes:
            value = write_cookie(tabled(by_route), decision, user(OLD_USER, "POST"), now_s)
            assert value is not None
            cookie, written = value.decode().partition(";")[0], (decision.backend, now_s)
        elif written is not None and now_s - written[1] < 9.9:
            assert decision.backend == written[0]
