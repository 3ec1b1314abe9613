"""Why a request goes where it goes, told by the functions of live traffic."""

import pytest
from msgspec.structs import replace

from proxy.model import (
    Cohort,
    CookieRules,
    Endpoint,
    HashKey,
    RouteTable,
)
from proxy.routing.cohort import bucket_of
from proxy.routing.explain import explain
from proxy.routing.request_spec import RequestSpec
from tests.make import refs, route, snapshot, table
from tests.unit.routing.explained import (
    CANARY,
    TABLE,
    explained,
)


def test_a_drawn_route_shows_both_ways_with_their_shares() -> None:
    said = explained("/c/x?q=1")
    assert (said.route, said.stage, said.target) == ("c", "canary", "/c/x?q=1")
    assert [(way.backend, way.share, way.buckets) for way in said.ways] == [
        ("new", 5.0, (0.0, 5.0)),
        ("legacy", 95.0, (5.0, 100.0)),
    ]
    assert [way.mirrored_to for way in said.ways] == [(), ("new",)]
    assert {way.urls for way in said.ways} == {("http://127.0.0.1/c/x?q=1",)}


PEOPLE = Cohort("people", "s", (HashKey("cookie", "uid"), HashKey("source_ip")))
BY_COHORT = replace(CANARY, cohort=PEOPLE)


def by_keys(*keys: HashKey) -> RouteTable:
    return table(replace(CANARY, cohort=Cohort("people", "s", keys)))


def test_a_request_with_a_key_has_one_decision_and_its_bucket() -> None:
    said = explained("/c", of=table(BY_COHORT), headers=(("cookie", "uid=7"),))
    assert said.cohort == "people, by cookie uid"
    (way,) = said.ways
    assert (way.bucket, way.reason) == (bucket_of("s", b"7") / 100, "cohort")
    assert way.buckets is not None
    assert way.buckets[0] <= bucket_of("s", b"7") / 100 < way.buckets[1]


def test_the_address_is_a_key_without_a_name() -> None:
    assert explained("/c", of=table(BY_COHORT)).cohort == "people, by source ip"


@pytest.mark.parametrize(
    ("key", "cohort", "reason"),
    [
        (HashKey("cookie", "id", True), "people, but the request has no key for it: it gets an id", "cohort"),
        (HashKey("cookie", "id"), "people, but the request has no key for it: it is drawn", "draw"),
    ],
)  # fmt: skip
def test_a_request_without_a_key_has_every_decision(key: HashKey, cohort: str, reason: str) -> None:
    said = explained("/c", of=by_keys(key))
    assert said.cohort == cohort
    assert [(way.backend, way.buckets, way.bucket, way.reason) for way in said.ways] == [
        ("new", (0.0, 5.0), None, reason),
        ("legacy", (5.0, 100.0), None, reason),
    ]


def test_a_bucket_replaces_that_of_the_key() -> None:
    said = explained("/c", of=table(BY_COHORT), headers=(("cookie", "uid=7"),), bucket_bp=499)
    assert [(way.backend, way.bucket) for way in said.ways] == [("new", 4.99)]


@pytest.mark.parametrize(
    ("bucket_bp", "backend"), [(499, "new"), (500, "legacy"), (9_999, "legacy")]
)
def test_a_bucket_shows_the_way_that_it_leads(bucket_bp: int, backend: str) -> None:
    (way,) = explained("/c", bucket_bp=bucket_bp).ways
    assert way.backend == backend


def test_under_the_kill_switch_nothing_is_drawn() -> None:
    said = explained("/c", of=replace(TABLE, kill_switch=True))
    (way,) = said.ways
    assert (way.backend, way.reason, way.buckets, way.share) == ("legacy", "kill_switch", None, 100)
    assert said.kill_switch


def test_a_reference_without_weight_is_no_way() -> None:
    three = table(route("r", to=refs(a=30, b=0, c=70)))
    assert [way.backend for way in explained("/", of=three).ways] == ["c", "a"]


def test_a_lone_reference_is_the_only_way() -> None:
    (way,) = explained("/p", bucket_bp=7).ways
    assert (way.backend, way.reason, way.buckets) == ("new", "only", None)


def test_the_endpoint_of_a_cookie_is_shown_for_each_backend_that_has_it() -> None:
    bound = Endpoint("http", "10.0.0.2", 80)
    said = explain(
        snapshot(TABLE),
        RequestSpec("GET", "/c"),
        0.0,
        lambda backend, facts: bound if backend.name == "new" and facts.host else None,
    )
    assert [(way.backend, way.endpoint) for way in said.ways] == [
        ("new", "http://10.0.0.2"),
        ("legacy", None),
    ]
    assert [way.endpoint for way in explained("/gone").ways] == [None]


def test_the_cookies_of_a_backend_are_shown_in_words() -> None:
    of = table(route("r"))
    rules = CookieRules(remove=frozenset(("SID",)))
    of = replace(of, backends=tuple(replace(each, cookies=rules) for each in of.backends))
    (way,) = explained("/", of=of).ways
    assert way.cookies == "all but SID"


def test_an_answer_by_the_facade_itself_has_a_status_and_no_backend() -> None:
    (gone,) = explained("/gone").ways
    assert (gone.status, gone.backend, gone.reason) == (410, None, "direct_response")
    (home,) = explained("/home?a=b").ways
    assert (home.status, home.headers) == (308, (("location", "/c?a=b"),))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("rest", "holds, but c goes first"),
        ("plain", "path /c is not exact /p"),
        ("item", "path /c is not template /i/{id}"),
        ("posts", "method GET is none of POST"),
    ],
)
def test_each_other_route_says_what_does_not_hold(name: str, why: str) -> None:
    assert {other.name: other.why for other in explained("/c").others}[name] == why


def test_the_nearest_routes_come_first() -> None:
    others = explained("/c").others
    assert [other.name for other in others[:3]] == ["rest", "posts", "plain"]
    assert [other.holds for other in others[:3]] == [True, False, False]
    assert [other.same_path for other in others[:3]] == [True, True, False]


def test_a_template_parameter_that_does_not_fit_is_named() -> None:
    said = explained("/i/x")
    assert said.route == "rest"
    assert said.others[0].why.startswith("path parameter id is 'x'")
