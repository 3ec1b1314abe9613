"""The bucket of a request in its cohort: where its key comes from, and what the hash promises."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model import ALL_BP, Cohort, Decision, Facts, HashKey, Known, Match, Moment, Route
from proxy.routing.cohort import bucket_of, id_cookie, key_of, place_of
from proxy.routing.decide import decide
from tests.make import facts, matched, refs, route, table, template

COOKIE, HEADER = HashKey("cookie", "uid"), HashKey("header", "x-user")
PARAMETER, ADDRESS = HashKey("path_parameter", "id"), HashKey("source_ip")
GENERATED = HashKey("cookie", "cid", True, 90.5)
PEOPLE = Cohort("people", "s", (COOKIE, HEADER, GENERATED))
CANARY = replace(route(to=refs(legacy=75, new=25), stage="canary"), cohort=PEOPLE)
ITEMS = route(match=Match(path=template("/a/{id}/b")))
VECTORS = re.findall(
    r"^\| `([^`]+)` \| `([^`]+)` \| `([0-9a-f]{8})` \| ([0-9.]+) \|$",
    (Path(__file__).parents[3] / "docs" / "routes.md").read_text(),
    re.MULTILINE,
)
KEYS = 100_000


def by(*keys: HashKey) -> Cohort:
    return Cohort("c", "s", keys)


def asked(**headers: str) -> Facts:
    return facts(headers={name.replace("_", "-"): value for name, value in headers.items()})


# --- the key --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cohort", "request_", "key"),
    [
        pytest.param(by(COOKIE), asked(cookie="a=1; uid=7"), b"7", id="a cookie"),
        pytest.param(by(COOKIE), asked(cookie="uid=7; uid=8"), b"7", id="the first of two"),
        pytest.param(by(COOKIE), asked(cookie="uid=; uid=8"), b"8", id="an empty one is none"),
        pytest.param(by(COOKIE), asked(cookie="xuid=7; uidx=8"), None, id="names are whole"),
        pytest.param(by(COOKIE), asked(cookie="uid"), None, id="no value"),
        pytest.param(by(COOKIE), asked(cookie="uid=a=b"), b"a=b", id="all behind the first ="),
        pytest.param(by(COOKIE), asked(uid="7"), None, id="a header is no cookie"),
        pytest.param(by(HEADER), asked(x_user="u 1"), b"u 1", id="a header"),
        pytest.param(by(HEADER), asked(x_user=""), None, id="an empty header"),
        pytest.param(by(COOKIE, HEADER), asked(x_user="u", cookie="uid=7"), b"7", id="in order"),
        pytest.param(by(COOKIE, HEADER), asked(x_user="u"), b"u", id="the next one"),
        pytest.param(by(COOKIE, ADDRESS), asked(), b"192.0.2.1", id="the address"),
        pytest.param(
            by(HashKey("header", "x-forwarded-for")),
            asked(x_forwarded_for="6.6.6.6"),
            b"192.0.2.1",
            id="what a stranger reports is not believed",
        ),
    ],
)
def test_the_key_is(cohort: Cohort, request_: Facts, key: bytes | None) -> None:
    found = key_of(cohort, CANARY.matches[0], request_)
    assert (None if found is None else found[1]) == key


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/a/7/b", b"7"),
        ("/a/%37/b", b"7"),
        ("/a/7;v=1/b", b"7"),
        ("/a/7;jsessionid=x/b", b"7"),
        ("/a", None),
    ],
)
def test_a_parameter_of_the_path_is_a_key(path: str, key: bytes | None) -> None:
    found = key_of(by(PARAMETER), ITEMS.matches[0], facts(path))
    assert (None if found is None else found[1]) == key


def test_a_decision_reads_the_parameter_of_the_match_that_took_the_request() -> None:
    place = place_of(by(PARAMETER), ITEMS.matches[0], facts("/a/7/b"), Moment())
    assert (place.bucket_bp, place.reason) == (bucket_of(by(PARAMETER).salt, b"7"), "cohort")


@pytest.mark.parametrize("without", [route(), route(path=template("/a/{x}")), CANARY])
def test_a_route_without_the_parameter_has_no_key(without: Route) -> None:
    assert key_of(by(PARAMETER), without.matches[0], facts("/a/7/b")) is None


@pytest.mark.parametrize(
    "cookie", ["uid=" + "x" * 7000, "uid=\u00ff\u20ac", "uid=0; uid=1; uid=2", "uid='; DROP"]
)
def test_any_key_is_an_ordinary_key(cookie: str) -> None:
    place = place_of(PEOPLE, CANARY.matches[0], asked(cookie=cookie), Moment())
    assert place.reason == "cohort"
    assert not place.new_id
    assert 0 <= place.bucket_bp < ALL_BP


# --- the hash ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("salt", "key", "digits", "bucket"), VECTORS)
def test_the_vectors_of_the_page_hold(salt: str, key: str, digits: str, bucket: str) -> None:
    assert bucket_of(salt, key.encode()) == int(digits, 16) % 10_000 == round(float(bucket) * 100)


def test_the_page_has_vectors() -> None:
    assert len(VECTORS) >= 5


def test_shares_are_within_one_per_cent_over_100_000_keys() -> None:
    buckets = [bucket_of("flights-1", b"user-%d" % number) for number in range(KEYS)]
    for weight_bp in (50, 500, 1_000, 2_500, 5_000, 7_500, 9_500):
        share = sum(bucket < weight_bp for bucket in buckets) / KEYS
        assert abs(share - weight_bp / ALL_BP) < 0.01


def test_two_salts_are_independent() -> None:
    """Pearson's chi-squared over a table of 10 by 10: 81 degrees of freedom, 126 at 0.1 %."""
    cells = Counter(
        (bucket_of("one", key) // 1000, bucket_of("two", key) // 1000)
        for key in (b"user-%d" % number for number in range(KEYS))
    )
    expected = KEYS / 100
    chi_squared = sum(
        (cells[(a, b)] - expected) ** 2 / expected for a in range(10) for b in range(10)
    )
    assert chi_squared < 126


@given(st.text(max_size=20), st.binary(max_size=100), st.integers(0, 100), st.integers(0, 100))
def test_raising_a_weight_moves_no_key_back(salt: str, key: bytes, one: int, two: int) -> None:
    """The newcomer's clients at the lower weight are among those at the higher one."""
    bucket_bp = bucket_of(salt, key)
    on_newcomer = [bucket_bp < weight * 100 for weight in sorted((one, two))]
    assert on_newcomer == sorted(on_newcomer)


# --- the decision -------------------------------------------------------------------------------


def decided(
    by_route: Route = CANARY, request_: Facts | None = None, draw_bp: int = 0, bits: int = 0
) -> Decision:
    return decide(
        table(by_route), matched(by_route), request_ or asked(), Moment(draw_bp, 0.0, bits)
    )


def at_weight(newcomer: int, key: bytes) -> str | None:
    canary = replace(CANARY, backend_refs=refs(legacy=100 - newcomer, new=newcomer), stage=None)
    return decided(canary, asked(cookie=f"uid={key.decode()}")).backend


def test_the_set_at_5_per_cent_is_within_that_at_10_and_empty_at_0() -> None:
    keys = [b"%d" % number for number in range(3_000)]
    served = {
        weight: {key for key in keys if at_weight(weight, key) == "new"}
        for weight in (0, 5, 10, 100)
    }
    assert not served[0]
    assert served[5] < served[10] < served[100] == set(keys)


def test_a_key_decides_whatever_the_draw() -> None:
    request_ = asked(cookie="uid=7")
    decisions = {
        (d.backend, d.reason)
        for d in (decided(request_=request_, draw_bp=bp) for bp in range(0, ALL_BP, 500))
    }
    assert len(decisions) == 1
    assert decided(request_=request_).bucket_bp == bucket_of("s", b"7")


def test_routes_of_one_cohort_agree() -> None:
    other = replace(CANARY, name="other", backend_refs=refs(old=75, fresh=25))
    for number in range(200):
        request_ = asked(cookie=f"uid={number}")
        sides = (decided(request_=request_).backend, decided(other, request_).backend)
        assert sides in (("legacy", "old"), ("new", "fresh"))


def test_a_client_without_a_key_gets_an_id_that_decides_at_once() -> None:
    first = decided(bits=1 << 100)
    cookie = id_cookie(first, asked())
    assert cookie is not None
    assert re.fullmatch(rb"cid=[0-9a-f]{32}; Path=/; Max-Age=91; HttpOnly; SameSite=Lax", cookie)
    again = decided(request_=asked(cookie=cookie.partition(b";")[0].decode()), bits=7)
    assert (again.backend, again.bucket_bp) == (first.backend, first.bucket_bp)
    assert id_cookie(again, asked()) is None


def test_ids_differ_with_the_random_bits() -> None:
    assert decided(bits=1).new_id != decided(bits=2).new_id


@pytest.mark.parametrize(
    ("request_", "secure"),
    [
        pytest.param(asked(), False, id="http"),
        pytest.param(replace(asked(), scheme="https"), True, id="https"),
        pytest.param(
            replace(asked(x_forwarded_proto="https"), peer_trusted=True), True, id="a proxy's https"
        ),
        pytest.param(asked(x_forwarded_proto="https"), False, id="a stranger's report"),
    ],
)
def test_the_cookie_is_secure_as_the_scheme_is(request_: Facts, secure: bool) -> None:
    cookie = id_cookie(decided(request_=request_), request_)
    assert cookie is not None
    assert cookie.endswith(b"; Secure") == secure


def test_without_a_key_and_without_ids_the_draw_decides() -> None:
    drawn = replace(CANARY, cohort=by(COOKIE))
    for draw_bp, backend in ((2_499, "new"), (2_500, "legacy")):
        decision = decided(drawn, draw_bp=draw_bp)
        assert (decision.backend, decision.reason) == (backend, "draw")
        assert (decision.bucket_bp, decision.new_id) == (draw_bp, b"")


def test_no_id_is_made_where_no_bucket_decides() -> None:
    live = replace(CANARY, backend_refs=refs(legacy=0, new=100), stage="live")
    for fixed in (live, replace(live, stage="retired")):
        decision = decided(fixed)
        assert (decision.bucket_bp, decision.new_id) == (None, b"")
        assert id_cookie(decision, asked()) is None
    killed = decide(table(CANARY, kill_switch=True), matched(CANARY), asked(), Moment())
    assert (killed.reason, killed.new_id) == ("kill_switch", b"")


def test_a_bucket_that_is_known_decides_in_place_of_the_key() -> None:
    for bucket_bp, backend in ((2_499, "new"), (2_500, "legacy")):
        moment = Moment(known=Known(bucket_bp))
        for by_route in (CANARY, replace(CANARY, cohort=None)):
            decision = decide(table(by_route), matched(by_route), asked(cookie="uid=7"), moment)
            assert (decision.backend, decision.bucket_bp) == (backend, bucket_bp)
