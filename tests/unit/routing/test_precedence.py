"""Which of several routes goes first: rule 2, by a table and against a naive implementation of the rule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.hosts import matching_host
from proxy.routing.match import Index, first_failures, match
from proxy.routing.precedence import in_order, ranked
from tests.make import exact, facts, prefix, route, template
from tests.unit.routing import naive_match


def taken(routes: list[Route], request: Facts) -> str | None:
    found = match(Index(routes), request)
    return None if found is None else found.route.name


def hosts(*patterns: str, **more: object) -> Match:
    return Match(hosts=patterns, **more)  # type: ignore[arg-type]


def conditions(headers: int = 0, query: int = 0, cookies: int = 0) -> Match:
    """A match with so many conditions, all of which hold."""
    kinds = (headers, query, cookies)
    names = [tuple(StringMatch(f"n{at}", "exact", "1") for at in range(kind)) for kind in kinds]
    return Match(headers=names[0], query=names[1], cookies=names[2])


ALL_CONDITIONS = facts(
    "/a/b/c",
    host="bar.foo.example",
    query="n0=1&n1=1&n2=1",
    headers={"n0": "1", "n1": "1", "n2": "1", "cookie": "n0=1; n1=1; n2=1"},
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            hosts("bar.foo.example"), Match(path=exact("/a/b/c")), id="a host before a path"
        ),
        pytest.param(
            hosts("bar.foo.example"), hosts("*.foo.example"), id="an exact host before a wildcard"
        ),
        pytest.param(
            hosts("*.foo.example"),
            hosts("*.example", path=exact("/a/b/c")),
            id="the longer wildcard before the shorter one, whatever the path",
        ),
        pytest.param(
            hosts("*.foo.example", methods=("GET", "POST")),
            hosts("*.example", methods=("GET",)),
            id="the longer wildcard, where both have methods",
        ),
        pytest.param(
            hosts("bar.foo.example"),
            hosts("other.example", "*.foo.example", methods=("GET",)),
            id="a list of hosts ranks by the host that matched",
        ),
        pytest.param(hosts("*.example"), Match(path=exact("/a/b/c")), id="a wildcard before none"),
        pytest.param(Match(path=exact("/a/b/c")), Match(path=prefix("/a/b/c")), id="exact, prefix"),
        pytest.param(
            Match(path=prefix("/a/b")), Match(path=template("/{x}/b/{z}")), id="more literals"
        ),
        pytest.param(
            Match(path=template("/a/{y}/{z}")),
            Match(path=template("/{x}/b/{z}")),
            id="as many literals: the earlier literal",
        ),
        pytest.param(
            Match(path=prefix("/a/b")),
            Match(path=template("/a/{y}/c")),
            id="as many literals: the earlier literal, of a prefix",
        ),
        pytest.param(
            Match(path=template("/a/{y}/{z}")),
            Match(path=prefix("/a")),
            id="the same literals: a template before a prefix",
        ),
        pytest.param(
            Match(path=template("/a/{y}/{z}")),
            Match(path=PathMatch("template", "/a/{y}", tail=True)),
            id="the same literals: a template before one with a tail",
        ),
        pytest.param(
            Match(path=PathMatch("template", "/a/{y}", tail=True)),
            Match(path=prefix("/a")),
            id="the same literals: a tail behind a parameter before a prefix",
        ),
        pytest.param(
            Match(path=prefix("/a")),
            Match(path=PathMatch("prefix", "/A", ignore_case=True)),
            id="the same segments: one that heeds case",
        ),
        pytest.param(
            Match(path=PathMatch("exact", "/A/B/c", ignore_case=True)),
            Match(path=prefix("/a/b/c")),
            id="an exact path that ignores case before a prefix",
        ),
        pytest.param(
            Match(path=prefix("/a")), Match(path=PathMatch("regex", "/.*")), id="a prefix, a regex"
        ),
        pytest.param(
            Match(path=PathMatch("regex", "/.*")), Match(methods=("GET",)), id="a regex, no path"
        ),
        pytest.param(Match(methods=("GET",)), conditions(1, 1, 1), id="a method before conditions"),
        pytest.param(Match(methods=("GET",)), Match(scheme="http"), id="a method before a scheme"),
        pytest.param(Match(scheme="http"), conditions(1, 1, 1), id="a scheme before conditions"),
        pytest.param(
            Match(excluded=(Match(methods=("PUT",)),)), Match(), id="what leaves something out"
        ),
        pytest.param(conditions(2), conditions(1, 3, 3), id="more headers, whatever else"),
        pytest.param(conditions(1, 2), conditions(1, 1, 3), id="then more query parameters"),
        pytest.param(conditions(1, 1, 2), conditions(1, 1, 1), id="then more cookies"),
    ],
)
def test_goes_first_wherever_it_stands(first: Match, second: Match) -> None:
    one, other = route("first", match=first), route("second", match=second)
    assert taken([one, other], ALL_CONDITIONS) == "first"
    assert taken([other, one], ALL_CONDITIONS) == "first"


def test_a_route_of_a_wider_host_takes_what_the_narrower_one_leaves() -> None:
    routes = [
        route("host", match=hosts("www.example", path=prefix("/a"))),
        route("wildcard", match=hosts("*.example", path=prefix("/b"))),
        route("rest"),
    ]
    expected = {"/a": "host", "/b": "wildcard", "/c": "rest"}
    assert {path: taken(routes, facts(path)) for path in expected} == expected


def test_priority_goes_before_the_host() -> None:
    routes = [route("host", match=hosts("www.example")), route("first", priority=1)]
    assert taken(routes, facts()) == "first"
    routes.append(route("wildcard", match=hosts("*.example"), priority=2))
    assert taken(routes, facts()) == "wildcard"
    assert taken(routes, facts(host="example")) == "first"


@pytest.mark.parametrize(
    ("host", "pattern"),
    [
        ("a.b.example", "a.b.example"),
        ("c.b.example", "*.b.example"),
        ("c.example", "*.example"),
        ("example", None),
    ],
)
def test_the_most_specific_of_several_hosts_matches(host: str, pattern: str | None) -> None:
    assert matching_host(("*.example", "*.b.example", "a.b.example"), host) == pattern


# --- against the naive implementation -------------------------------------------------------------

SEGMENT = st.sampled_from(["a", "b", "B"])
LITERAL = st.lists(SEGMENT, max_size=3).map(lambda parts: "/" + "/".join(parts))
PATTERN = st.lists(st.one_of(SEGMENT, st.just("{x}")), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(f"{{p{i}}}" if p == "{x}" else p for i, p in enumerate(parts))
)
NO_PARAMS = st.just(())
PATHS = st.one_of(
    st.none(),
    st.builds(PathMatch, st.just("prefix"), LITERAL, st.just(False), NO_PARAMS, st.booleans()),
    st.builds(PathMatch, st.just("exact"), LITERAL, st.booleans(), NO_PARAMS, st.booleans()),
    st.builds(PathMatch, st.just("template"), PATTERN, st.booleans(), NO_PARAMS, st.booleans()),
    PATTERN.map(lambda value: PathMatch("template", value, tail=True)),
    st.sampled_from(["/a/.*", "/[ab]", ".*/c"]).map(lambda value: PathMatch("regex", value)),
)
HOSTS = st.lists(
    st.sampled_from(["x.example", "y.example", "*.example", "*.x.example"]), max_size=2, unique=True
).map(tuple)
STRINGS = st.lists(st.sampled_from(["h", "i"]), max_size=2, unique=True).map(
    lambda names: tuple(StringMatch(name, "exact", "1") for name in names)
)
PARTS = {
    "hosts": HOSTS,
    "path": PATHS,
    "methods": st.sampled_from([(), ("GET",), ("POST", "PUT")]),
    "headers": STRINGS,
    "query": STRINGS,
    "cookies": STRINGS,
    "scheme": st.sampled_from([None, None, "http", "https"]),
}
MATCHES = st.builds(
    Match,
    **PARTS,
    excluded=st.lists(st.builds(Match, **PARTS), max_size=2).map(tuple),
)
ROUTES = st.lists(
    st.tuples(st.lists(MATCHES, min_size=1, max_size=3).map(tuple), st.sampled_from([0, 0, 0, 1])),
    max_size=6,
).map(
    lambda drawn: [
        Route(f"r{at}", matches, priority=level) for at, (matches, level) in enumerate(drawn)
    ]
)
REQUESTS = st.builds(
    facts,
    st.tuples(LITERAL, st.sampled_from(["", "/"])).map(
        lambda parts: (parts[0] + parts[1]).replace("//", "/")
    ),
    st.sampled_from(["GET", "POST"]),
    host=st.sampled_from(["x.example", "y.example", "a.x.example", "other"]),
    query=st.sampled_from(["", "h=1", "h=1&i=1", "h=2"]),
    headers=st.sampled_from([{}, {"h": "1"}, {"h": "1", "i": "1", "cookie": "h=1; i=1"}]),
).flatmap(
    lambda request: st.sampled_from(["http", "https"]).map(
        lambda scheme: replace(request, scheme=scheme)
    )
)


@settings(max_examples=200, deadline=None)
@given(ROUTES, st.lists(REQUESTS, min_size=1, max_size=5))
def test_the_index_agrees_with_a_naive_implementation(
    routes: list[Route], requests: list[Facts]
) -> None:
    index = Index(routes)
    for request in requests:
        found = index.find(request, request.path)
        expected = naive_match.first_match(routes, request)
        assert (None if found is None else (found.route, found.match)) == expected
        for each in routes:
            failure = first_failures(each, request, request.path)
            holds = any(naive_match.holds(match, request) for match in each.matches)
            assert (failure is None) == holds


@settings(max_examples=200, deadline=None)
@given(ROUTES)
def test_the_order_is_the_one_of_all_ranks(routes: list[Route]) -> None:
    assert list(in_order(routes)) == sorted(ranked(routes))
