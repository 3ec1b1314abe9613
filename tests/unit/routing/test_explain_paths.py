"""`explain` with several matches, odd paths, requests in words, CORS and values of the request."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.errors import AmbiguousPath, FacadeError
from proxy.model import (
    BackendHealth,
    BackendRef,
    Cors,
    Endpoint,
    EndpointHealth,
    HeaderEdits,
    Health,
    Networks,
    PathPolicy,
    RequestValue,
    Rewrite,
    Route,
)
from proxy.model.match import Match, PathMatch
from proxy.routing.explain import explain
from proxy.routing.match import Index, match
from proxy.routing.request_spec import RequestSpec, facts_of_spec, read_request_spec
from tests.make import decided, exact, prefix, refs, rewriting, route, snapshot, table, template
from tests.unit.routing.explained import (
    GONE,
    ITEM,
    PLAIN,
    POSTS,
    PREFIX,
    REST,
    TABLE,
    explained,
)

SEVERAL = Route(
    "several",
    (
        Match(path=prefix("/one")),
        Match(path=prefix("/two"), methods=("POST",)),
        Match(hosts=("h",)),
    ),
    (BackendRef("new", rewrite=Rewrite(full_path="/x")),),
)


def test_the_match_that_took_the_request_is_named() -> None:
    said = explained("/two/x", "POST", of=table(SEVERAL, REST))
    assert (said.route, said.match_number, said.matches) == ("several", 2, 3)
    assert said.match == "path prefix /two, method POST"
    assert (explained("/x").match_number, explained("/x").matches) == (1, 1)


def test_each_match_of_another_route_says_what_does_not_hold() -> None:
    (other,) = explained("/two", of=table(SEVERAL, REST)).others
    assert other.same_path
    assert other.why == (
        "match 1: path /two is not prefix /one; match 2: method GET is none of POST; "
        "match 3: host localhost is none of h"
    )


def test_readings_name_the_match_of_a_route_that_has_several() -> None:
    inner = Route("r", (Match(path=prefix("/a")), Match(path=prefix("/a/b"))), rewriting(PREFIX))
    said = explained("/a/%62", of=table(inner))
    assert [reading.route for reading in said.readings] == ["r match 1", "r match 2"]


def test_a_path_that_leads_to_two_routes_is_refused_with_its_readings() -> None:
    said = explained("/c%2F..%2Fp")
    assert (said.status, said.reason, said.route) == (400, "ambiguous_path", None)
    assert {reading.route for reading in said.readings} == {"rest", "c", "plain"}
    assert said.readings[0].path == "/c%2F..%2Fp"


def test_a_path_that_no_server_should_see_is_refused() -> None:
    said = explained("/a\\b")
    assert (said.status, said.reason, said.readings) == (400, "bad_request", ())
    assert explained("/", headers=(("host", "a b"),)).status == 400


def test_options_for_the_facade_itself_has_a_status_and_no_route() -> None:
    explanation = explained("/c", "OPTIONS", headers=(("max-forwards", "0"),))
    assert (explanation.status, explanation.reason, explanation.route) == (204, "options", None)
    assert "itself" in explanation.detail
    assert (explanation.ways, explanation.others) == ((), ())


def test_without_a_route_it_is_a_404_and_every_route_says_why() -> None:
    said = explained("/x", of=table(PLAIN, GONE))
    assert (said.status, said.reason) == (404, "no_route")
    assert [other.name for other in said.others] == ["plain", "gone"]


def test_contradicting_framing_is_told_as_the_answer_it_gets() -> None:
    headers = (("content-length", "1"), ("transfer-encoding", "chunked"))
    (way,) = explained("/p", "POST", headers=headers).ways
    assert (way.status, way.urls) == (400, ())


def test_what_a_backend_gets_is_what_live_traffic_sends() -> None:
    edits = HeaderEdits(set=((b"x-a", b"1"),), remove=(b"cookie",))
    to = (BackendRef("new", rewrite=Rewrite(prefix="/n", hostname="n.example"), request=edits),)
    said = explained(
        "http://www.example:81/c/x",
        of=table(route("c", prefix("/c"), to=to)),
        headers=(("cookie", "a=b"),),
        client="192.0.2.7",
    )
    (way,) = said.ways
    assert (way.urls, way.host) == (("http://127.0.0.1/n/x",), "n.example")
    assert said.host == "www.example:81"
    assert dict(way.headers)["x-forwarded-for"] == "192.0.2.7"
    assert dict(way.headers)["x-a"] == "1"
    assert "cookie" not in dict(way.headers)


def test_every_endpoint_is_told_and_a_socket_by_its_path() -> None:
    made = table(REST)
    endpoints = (Endpoint("http", "h", 81), Endpoint("http", "localhost", 80, "/run/a.sock"))
    made = replace(made, backends=(replace(made.backends[0], endpoints=endpoints),))
    (way,) = explained("/x", of=made).ways
    assert way.urls == ("http://h:81/x", "unix:/run/a.sock:/x")


def test_the_health_of_a_monitored_backend_is_shown() -> None:
    ill = BackendHealth(
        "open", True, (EndpointHealth("a"), EndpointHealth("b", "ejected", "5 failures"))
    )
    of = explain(snapshot(TABLE), RequestSpec("GET", "/c"), 0.0, health=Health({"new": ill}))
    (new, legacy) = of.ways
    assert (new.breaker, legacy.breaker) == ("open", None)
    assert new.health == (
        "b is ejected: 5 failures",
        "too few endpoints are available: requests go to all of them",
    )
    well = Health({"legacy": BackendHealth()})
    of = explain(snapshot(TABLE), RequestSpec("GET", "/c"), 0.0, health=well)
    assert [(way.breaker, way.health) for way in of.ways] == [(None, ()), ("closed", ())]
    gone = explain(snapshot(TABLE), RequestSpec("GET", "/gone"), 0.0, health=well)
    assert gone.ways[0].breaker is None


# --- what a person writes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "path", "query", "scheme"),
    [
        ("/a", b"localhost", b"/a", b"", "http"),
        ("", b"localhost", b"/", b"", "http"),
        ("/a?b=c?d", b"localhost", b"/a", b"b=c?d", "http"),
        ("https://h.example:8443/a%20b", b"h.example:8443", b"/a%20b", b"", "https"),
        ("HTTP://h.example", b"h.example", b"/", b"", "http"),
        ("http://h?x", b"h", b"/", b"x", "http"),
        ("//h/a", b"localhost", b"//h/a", b"", "http"),
    ],
)
def test_a_url_is_read_as_a_client_would_send_it(
    url: str, host: bytes, path: bytes, query: bytes, scheme: str
) -> None:
    facts = facts_of_spec(RequestSpec("GET", url), Networks(()))
    assert (facts.host, facts.path, facts.query, facts.scheme) == (host, path, query, scheme)


@pytest.mark.parametrize("url", ["ftp://h/a", "flights", "http://", "http:///a", "/a#b"])
def test_what_is_no_url_gets_a_sentence(url: str) -> None:
    with pytest.raises(FacadeError, match=r": write a path|leave out the #"):
        facts_of_spec(RequestSpec("GET", url), Networks(()))


def test_a_host_header_wins_over_the_url() -> None:
    asked = read_request_spec("GET", "http://a/x", ["Host: b"], "::1", "12.34")
    assert asked.bucket_bp == 1234
    assert facts_of_spec(asked, Networks(())).host == b"b"


@pytest.mark.parametrize(
    ("method", "header", "client", "bucket"),
    [
        ("G T", "a: b", "::1", "1"),
        ("GET", "a", "::1", "1"),
        ("GET", "a b: c", "::1", "1"),
        ("GET", "a: b", "localhost", "1"),
        ("GET", "a: b", "::1", "100"),
        ("GET", "a: b", "::1", "-1"),
        ("GET", "a: b", "::1", "1.234"),
    ],
)
def test_what_is_no_request_gets_a_sentence(
    method: str, header: str, client: str, bucket: str
) -> None:
    with pytest.raises(FacadeError, match="write"):
        read_request_spec(method, "/", [header], client, bucket)


# --- for all tables --------------------------------------------------------------------------------

SEGMENTS = st.sampled_from(["a", "b", "{x}"])
PATHS = st.lists(SEGMENTS, max_size=3).map(lambda found: "/" + "/".join(found))


@st.composite
def routes(draw: st.DrawFn) -> list[Route]:
    made = []
    for number in range(draw(st.integers(0, 6))):
        path = draw(PATHS)
        kind = "template" if "{" in path else draw(st.sampled_from(["exact", "prefix"]))
        methods = draw(st.sampled_from([(), ("GET",), ("POST",)]))
        wanted = Match(path=PathMatch(kind, path), methods=methods)  # type: ignore[arg-type]
        weight = draw(st.integers(0, 100))
        priority = draw(st.integers(0, 1))
        to = refs(old=100 - weight, new=weight)
        made.append(route(f"r{number}", match=wanted, to=to, priority=priority))
    return made


@settings(deadline=None)
@given(
    routes(),
    st.sampled_from(["/", "/a", "/a/b", "/b/a/a", "/a%2Fb", "/a//b"]),
    st.integers(0, 9_999),
)
def test_explain_says_what_match_and_decide_do(made: list[Route], path: str, draw_bp: int) -> None:
    tested = table(*made)
    asked = RequestSpec("GET", path)
    said = explained(path, of=tested)
    facts = facts_of_spec(asked, Networks(()))
    try:
        taken = match(Index(tested.routes), facts)
    except AmbiguousPath:
        assert said.reason == "ambiguous_path"
        return
    assert said.route == (None if taken is None else taken.route.name)
    assert {other.name for other in said.others} == {r.name for r in made} - {said.route}
    if taken is not None:
        wanted = decided(tested, taken.route, facts, draw_bp).backend
        (way,) = explained(path, of=tested, bucket_bp=draw_bp).ways
        assert way.backend == wanted
        assert sum(way.share for way in said.ways) == pytest.approx(100)


def test_the_policy_that_decided_is_shown_with_every_reading() -> None:
    item = replace(
        ITEM, matches=(Match(path=template("/i/{id}")),), path_policy=PathPolicy("refuse", "keep")
    )
    said = explained("/i/a%2Fb", of=table(item, REST))
    assert (said.route, said.path_policy) == ("item", ("encoded_slash: keep",))
    assert [(each.path, each.route, each.counts) for each in said.readings] == [
        ("/i/a%2Fb", "item", True),
        ("/i/a/b", "rest", False),
    ]
    assert said.others[0].why == "holds, but item goes first"


def test_a_policy_under_which_all_readings_lead_to_one_route_is_shown_alone() -> None:
    said = explained("/a%5Cb", of=table(replace(REST, path_policy=PathPolicy(backslash="keep"))))
    assert (said.route, said.path_policy, said.readings) == ("rest", ("backslash: keep",), ())


def test_a_policy_that_does_not_matter_for_the_path_is_not_shown() -> None:
    said = explained("/a%41", of=table(replace(REST, path_policy=PathPolicy(backslash="keep"))))
    assert (said.route, said.path_policy) == ("rest", ())


def test_a_preflight_is_explained_on_the_route_of_its_method() -> None:
    cors = Cors(("https://a.example",), ("GET",))
    gets = replace(
        route("gets", match=Match(path=prefix("/c"), methods=("GET",)), to=refs(new=100)),
        cors=cors,
    )
    of = table(gets, POSTS, REST)
    fields = (("origin", "https://a.example"), ("access-control-request-method", "GET"))
    said = explained("/c", "OPTIONS", of=of, headers=fields)
    (way,) = said.ways
    assert (said.route, way.reason, way.status, way.backend) == ("gets", "preflight", 204, None)
    assert ("access-control-allow-methods", "GET") in way.headers
    assert said.cors == (
        "the preflight of GET, on the route of GET, answered by the facade: "
        "allowed for https://a.example"
    )
    whys = {each.name: each.why for each in said.others}
    assert whys == {"posts": "method GET is none of POST", "rest": "holds, but gets goes first"}
    plain = explained("/c", of=of)
    assert (
        plain.cors == "pages of https://a.example may read the response; this request has no Origin"
    )
    assert explained("/", of=of).cors == ""


def test_a_way_with_a_value_that_is_missing_is_a_refusal() -> None:
    values = (("{query.item}", RequestValue("query", "item")),)
    carved = BackendRef("new", 500, Rewrite(template="/items/{query.item}", values=values))
    views = route("views", exact("/view.do"), to=(BackendRef("legacy", 9_500), carved))
    of = table(views)
    refused, kept = explained("/view.do", of=of).ways
    assert (refused.backend, refused.status, refused.reason) == (None, 400, "bad_request")
    assert (refused.share, refused.buckets) == (5.0, (0.0, 5.0))
    assert refused.detail.endswith(
        "the query parameter item, a part of the path for this route, is missing"
    )
    assert (kept.backend, kept.urls) == ("legacy", ("http://127.0.0.1/view.do",))
    sent, _ = explained("/view.do?item=7", of=of).ways
    assert sent.urls == ("http://127.0.0.1/items/7?item=7",)


def test_the_value_of_an_edit_is_shown() -> None:
    parts = (RequestValue("client"), b" ", RequestValue("request_id"))
    edits = HeaderEdits(set_values=((b"x-for", parts),))
    (way,) = explained("/p", of=table(replace(route("p"), request=edits))).ways
    assert ("x-for", "127.0.0.1 {request_id}") in way.headers
