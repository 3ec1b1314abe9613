"""Which route takes a request: rule 2, rule 12, and the index held against a plain reading of the rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import AmbiguousPath
from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.match import Index, first_failure, host_name, match, precedence
from proxy.routing.predicates import describe
from tests.make import exact, facts, prefix, route, template


def taken(routes: list[Route], request: Facts) -> str | None:
    found = match(Index(routes), request)
    return None if found is None else found.name


ANY = Match()
REGEX = PathMatch("regex", "/a/[a-z]+")


@pytest.mark.parametrize(
    ("routes", "path", "winner"),
    [
        pytest.param(
            [route("p", prefix("/flights"))], "/flightspecials", None, id="ends at a segment"
        ),
        pytest.param([route("p", prefix("/flights"))], "/flights", "p", id="takes its own path"),
        pytest.param([route("p", prefix("/flights"))], "/flights/1/2", "p", id="takes all below"),
        pytest.param([route("p", prefix("/"))], "/x", "p", id="the root takes all"),
        pytest.param(
            [route("p", prefix("/a/b")), route("e", exact("/a/b"))], "/a/b", "e", id="exact first"
        ),
        pytest.param(
            [route("s", prefix("/a")), route("l", prefix("/a/b"))],
            "/a/b/c",
            "l",
            id="longest prefix",
        ),
        pytest.param(
            [route("p", prefix("/a")), route("t", template("/a/{x}/c"))],
            "/a/b/c",
            "t",
            id="a template counts with its literal segments",
        ),
        pytest.param(
            [route("t", template("/a/{x}/c")), route("p", prefix("/a/b/c"))],
            "/a/b/c",
            "p",
            id="three segments beat two literal ones",
        ),
        pytest.param(
            [route("r", REGEX), route("n")], "/a/b", "r", id="a regex before a route without path"
        ),
        pytest.param(
            [route("r", REGEX), route("p", prefix("/a"))], "/a/b", "p", id="a prefix before a regex"
        ),
        pytest.param([route("r", REGEX)], "/a/b/c", None, id="a regex has to match the whole path"),
        pytest.param(
            [route("t", template("/a/{x}/c")), route("l", template("/a/b/d"))],
            "/a/b/c",
            "t",
            id="the index backtracks",
        ),
        pytest.param([route("t", template("/a/{x}"))], "/a/", None, id="a parameter is not empty"),
        pytest.param([route("e", exact("/a"))], "/a/", None, id="a slash counts"),
        pytest.param([route("e", PathMatch("exact", "/a", True))], "/a/", "e", id="unless ignored"),
        pytest.param([route("e", PathMatch("exact", "/a/", True))], "/a", "e", id="either way"),
        pytest.param([route("e", exact("/"))], "/", "e", id="the root, exactly"),
        pytest.param(
            [route("t", template("/f/{id}", id="[0-9]+"))],
            "/f/x7",
            None,
            id="a constraint does not hold",
        ),
        pytest.param([route("t", template("/f/{id}", id="[0-9]+"))], "/f/7", "t", id="and holds"),
        pytest.param(
            [route("n"), route("p", prefix("/a"), priority=-1)], "/a", "n", id="priority overrides"
        ),
        pytest.param([route("first"), route("second")], "/", "first", id="file order ends a tie"),
        pytest.param(
            [route("e", exact("/a/{x}"))], "/a/b", None, id="an exact path has no parameters"
        ),
        pytest.param([], "/", None, id="an empty table takes nothing"),
    ],
)
def test_a_path_goes_to(routes: list[Route], path: str, winner: str | None) -> None:
    assert taken(routes, facts(path)) == winner


@pytest.mark.parametrize(
    ("matches", "request_", "winner"),
    [
        pytest.param(
            {
                "any": ANY,
                "wild": Match(hosts=("*.example",)),
                "exact": Match(hosts=("www.example",)),
            },
            facts(host="www.example"),
            "exact",
            id="an exact host before a wildcard",
        ),
        pytest.param(
            {"any": ANY, "wild": Match(hosts=("*.example",))},
            facts(host="a.b.EXAMPLE:8080"),
            "wild",
            id="a wildcard takes several labels, in any case, with any port",
        ),
        pytest.param(
            {"any": ANY, "wild": Match(hosts=("*.example",))},
            facts(host="example"),
            "any",
            id="a wildcard does not take the bare domain",
        ),
        pytest.param(
            {
                "reads": Match(path=exact("/a"), methods=("GET",)),
                "writes": Match(path=exact("/a"), methods=("POST",)),
            },
            facts("/a", "GET"),
            "reads",
            id="two routes may end at one path",
        ),
        pytest.param(
            {"host": Match(hosts=("www.example",)), "path": Match(path=prefix("/a"))},
            facts("/a"),
            "path",
            id="the path goes before the host",
        ),
        pytest.param(
            {"any": ANY, "get": Match(methods=("GET",))}, facts(), "get", id="a method before none"
        ),
        pytest.param(
            {"any": ANY, "get": Match(methods=("GET",))},
            facts(method="HEAD"),
            "any",
            id="GET does not take HEAD",
        ),
        pytest.param(
            {
                "one": Match(headers=(StringMatch("a", "exact", "1"),)),
                "two": Match(
                    headers=(StringMatch("a", "exact", "1"),),
                    query=(StringMatch("q", "present", "true"),),
                ),
            },
            facts(headers={"a": "1"}, query="q"),
            "two",
            id="more conditions go first",
        ),
    ],
)
def test_among_equal_paths_goes_first(
    matches: dict[str, Match], request_: Facts, winner: str
) -> None:
    assert taken([route(name, match=each) for name, each in matches.items()], request_) == winner


def only(**parts: tuple[StringMatch, ...]) -> Route:
    return route(match=Match(**parts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "request_", "holds"),
    [
        (only(headers=(StringMatch("v", "exact", "1"),)), facts(headers={"V": "1"}), True),
        (only(headers=(StringMatch("v", "exact", "1"),)), facts(headers={"v": "10"}), False),
        (only(headers=(StringMatch("v", "prefix", "1"),)), facts(headers={"v": "10"}), True),
        (only(headers=(StringMatch("v", "regex", "1+"),)), facts(headers={"v": "111"}), True),
        (only(headers=(StringMatch("v", "regex", "1+"),)), facts(headers={"v": "1112"}), False),
        (only(headers=(StringMatch("v", "present", "true"),)), facts(), False),
        (only(headers=(StringMatch("v", "present", "false"),)), facts(), True),
        (only(query=(StringMatch("v", "exact", "a b"),)), facts(query="x=1&v=a+b"), True),
        (only(query=(StringMatch("v", "exact", "é"),)), facts(query="v=%C3%A9"), True),
        (only(query=(StringMatch("v", "present", "true"),)), facts(query="v"), True),
        (only(query=(StringMatch("v", "exact", "2"),)), facts(query="v=1&v=2"), True),
        (
            only(cookies=(StringMatch("b", "exact", "1"),)),
            facts(headers={"cookie": "a=2; b=1"}),
            True,
        ),
        (only(cookies=(StringMatch("b", "exact", "1"),)), facts(headers={"cookie": "ab=1"}), False),
        (
            only(cookies=(StringMatch("b", "present", "true"),)),
            facts(headers={"cookie": "b"}),
            False,
        ),
    ],
)
def test_a_condition_holds(wanted: Route, request_: Facts, holds: bool) -> None:
    assert (match(Index([wanted]), request_) is wanted) == holds
    assert (first_failure(wanted, request_, request_.path) is None) == holds


@pytest.mark.parametrize(
    "path",
    [
        "/travelbuddy/flightspecials/7%2Fheader",
        "/travelbuddy/x/../flightspecials/7/header",
        "/travelbuddy/x/%2e%2e/flightspecials/7/header",
        "//travelbuddy/flightspecials/7/header",
        "/travelbuddy;v=1/flightspecials/7/header",
        "/travelbuddy/%66lightspecials/7/header",
        "/travelbuddy/flightspecials/7%252Fheader",
    ],
)
def test_a_path_whose_readings_lead_to_different_routes_is_refused(path: str) -> None:
    routes = [route("h", template("/travelbuddy/flightspecials/{id}/header")), route("rest")]
    with pytest.raises(AmbiguousPath, match="different routes"):
        match(Index(routes), facts(path))


def test_an_odd_path_that_all_readings_agree_on_goes_on() -> None:
    assert taken([route("rest")], facts("/a%2Fb/../c//d;v=1")) == "rest"


def test_the_first_failure_is_named_in_order() -> None:
    wanted = route(
        match=Match(
            ("www.example",),
            template("/f/{id}", id="[0-9]+"),
            ("GET",),
            (StringMatch("secret", "exact", "1"),),
        )
    )
    assert first_failure(wanted, facts(host="x.example"), b"/f/1") == (
        "host x.example is none of www.example"
    )
    assert first_failure(wanted, facts(), b"/g") == "path /g is not template /f/{id}"
    assert first_failure(wanted, facts(), b"/f/x") == "path parameter id is 'x', not [0-9]+"
    assert first_failure(wanted, facts(method="PUT"), b"/f/1") == "method PUT is none of GET"
    assert first_failure(wanted, facts(), b"/f/1") == "header secret is missing"
    shown = first_failure(wanted, facts(headers={"secret": "hunter2"}), b"/f/1")
    assert shown == "header secret does not match exact '1'"
    assert first_failure(wanted, facts(headers={"secret": "1"}), b"/f/1") is None
    regex = route(path=REGEX)
    assert first_failure(regex, facts(), b"/b") == "path /b does not match the regex /a/[a-z]+"
    absent = only(cookies=(StringMatch("c", "present", "false"),))
    assert first_failure(absent, facts(headers={"cookie": "c=1"}), b"/") == "cookie c is there"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"WWW.Example:8080", "www.example"),
        (b"www.example.", "www.example"),
        (b"[::1]:80", "[::1]"),
        (b"[::1]", "[::1]"),
        (b"x:", "x"),
        (b"", ""),
    ],
)
def test_a_host_is_compared_without_port_and_case(host: bytes, name: str) -> None:
    assert host_name(host) == name


def test_a_match_is_described_in_one_line() -> None:
    whole = Match(
        ("a.example", "*.b.example"),
        PathMatch("exact", "/x", True),
        ("GET", "HEAD"),
        (StringMatch("v", "exact", "1"),),
        cookies=(StringMatch("c", "present", "true"),),
    )
    assert describe(whole) == (
        "host a.example or *.b.example, path exact /x (slash or not), method GET or HEAD, "
        "header v exact 1, cookie c present true"
    )
    assert describe(ANY) == "everything"


# --- the index against a plain, linear reading of the rules -------------------------------------------

SEGMENT = st.sampled_from(["a", "b", "c"])
LITERAL = st.lists(SEGMENT, max_size=3).map(lambda parts: "/" + "/".join(parts))
PATTERN = st.lists(st.one_of(SEGMENT, st.just("{x}")), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(f"{{p{i}}}" if p == "{x}" else p for i, p in enumerate(parts))
)
PATHS = st.one_of(
    st.none(),
    LITERAL.map(prefix),
    st.builds(PathMatch, st.just("exact"), LITERAL, st.booleans()),
    st.builds(PathMatch, st.just("template"), PATTERN, st.booleans()),
    st.sampled_from(["/a/.*", "/[ab]", ".*/c"]).map(lambda value: PathMatch("regex", value)),
)
MATCHES = st.builds(
    Match,
    hosts=st.sampled_from([(), ("x.example",), ("*.example",), ("*.x.example", "y.example")]),
    path=PATHS,
    methods=st.sampled_from([(), ("GET",), ("POST", "PUT")]),
    headers=st.sampled_from([(), (StringMatch("h", "exact", "1"),)]),
)
REQUESTS = st.builds(
    facts,
    st.tuples(LITERAL, st.sampled_from(["", "/"])).map(
        lambda parts: (parts[0] + parts[1]).replace("//", "/")
    ),
    st.sampled_from(["GET", "POST"]),
    host=st.sampled_from(["x.example", "y.example", "a.x.example", "other"]),
    headers=st.sampled_from([{}, {"h": "1"}]),
)


def plainly_holds(wanted: Match, request: Facts) -> bool:
    host, path = request.host.decode(), request.path.decode()
    if wanted.hosts and not any(
        host.endswith(each[1:]) if each.startswith("*") else host == each for each in wanted.hosts
    ):
        return False
    if wanted.methods and request.method not in wanted.methods:
        return False
    if wanted.headers and (b"h", b"1") not in request.headers:
        return False
    return wanted.path is None or plainly_fits(wanted.path, path)


def plainly_fits(wanted: PathMatch, path: str) -> bool:
    import re

    if wanted.kind == "regex":
        return re.fullmatch(wanted.value, path) is not None
    if wanted.kind == "prefix":
        return (path + "/").startswith(wanted.value.rstrip("/") + "/")
    written = re.sub(r"\{.*?\}", "[^/]+", wanted.value)
    if wanted.ignore_trailing_slash:
        return re.fullmatch(written.rstrip("/") + "/?", path) is not None
    return re.fullmatch(written, path) is not None


@settings(max_examples=400, deadline=None)
@given(st.lists(MATCHES, max_size=8), st.lists(REQUESTS, min_size=1, max_size=5))
def test_the_index_agrees_with_a_plain_reading_of_the_rules(
    matches: list[Match], requests: list[Facts]
) -> None:
    routes = [Route(f"r{position}", each) for position, each in enumerate(matches)]
    index = Index(routes)
    in_order = sorted(enumerate(routes), key=lambda item: precedence(item[1], item[0]))
    for request in requests:
        plain = next((each for _, each in in_order if plainly_holds(each.match, request)), None)
        assert index.find(request, request.path) is plain
        for each in routes:
            failure = first_failure(each, request, request.path)
            assert (failure is None) == plainly_holds(each.match, request)
