"""Tables that decide otherwise since the host goes first (ADR 23): a warning with both routes and an example."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.checks.changed_precedence import changed_pairs, warning_of
from proxy.config.load import load
from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.match import Index
from tests.make import exact, facts, prefix, route, template
from tests.unit.config.config_tables import HEAD
from tests.unit.routing import naive_match


def warned(*routes: Route) -> list[str]:
    return [warning_of(pair, routes).text for pair in changed_pairs(routes, Index(routes))]


def changed(now: str, before: str, example: str) -> str:
    return (
        f"`{now}` now goes before `{before}`, which took {example} until 0.1: "
        "precedence has changed (rule 2)"
    )


def strings(**values: str) -> tuple[StringMatch, ...]:
    return tuple(StringMatch(name, "exact", value) for name, value in values.items())


REGEX = PathMatch("regex", "/a/[a-z]+")


@pytest.mark.parametrize(
    ("before", "now", "example"),
    [
        pytest.param(
            Match(path=prefix("/admin")),
            Match(hosts=("api.example",)),
            "GET api.example/admin",
            id="a path without a host, a host without a path",
        ),
        pytest.param(
            Match(hosts=("*.example",), methods=("GET",)),
            Match(hosts=("*.foo.example",), methods=("GET", "POST")),
            "GET any.foo.example/",
            id="the longer wildcard",
        ),
        pytest.param(
            Match(hosts=("www.example", "*.example"), methods=("GET",)),
            Match(hosts=("api.example",)),
            "GET api.example/",
            id="a list of hosts ranked as its best one",
        ),
        pytest.param(
            Match(path=template("/{x}/b")),
            Match(path=template("/a/{y}")),
            "GET www.example/a/b",
            id="the earlier literal",
        ),
        pytest.param(
            Match(path=template("/{x}/b", x="[0-9]")),
            Match(path=template("/{x}/{y}/"), hosts=("a.b",)),
            None,
            id="no path of both is found",
        ),
        pytest.param(
            Match(path=template("/{x}/b", x="[0-9]")),
            Match(path=template("/{x}/{y}"), hosts=("a.b",)),
            "GET a.b/1/b",
            id="a parameter with a constraint",
        ),
        pytest.param(
            Match(path=template("/{x}/b", x="[a-c]{2}")),
            Match(path=template("/{x}/{y}"), hosts=("a.b",)),
            None,
            id="no value for a constraint is known",
        ),
        pytest.param(
            Match(path=prefix("/a"), methods=("GET",)),
            Match(path=template("/a/{y}"), methods=("PUT", "GET")),
            "GET www.example/a/x",
            id="a template before a prefix",
        ),
        pytest.param(
            Match(cookies=strings(a="1", b="2"), query=strings(q="a b")),
            Match(headers=strings(v="1", w="2")),
            "GET www.example/?q=a+b with v: 1, w: 2, cookie: a=1; b=2",
            id="conditions were counted together",
        ),
        pytest.param(
            Match(path=REGEX, methods=("POST",)),
            Match(path=prefix("/a/b"), hosts=("a.b",)),
            None,
            id="a prefix went before a regex, too",
        ),
        pytest.param(
            Match(path=REGEX, methods=("POST",)),
            Match(hosts=("a.b",)),
            None,
            id="a path that fits a regex is not made up",
        ),
        pytest.param(
            Match(path=exact("/a/b")),
            Match(path=REGEX, hosts=("a.b",)),
            "GET a.b/a/b",
            id="a regex that the other path fits",
        ),
        pytest.param(
            Match(path=exact("/a"), hosts=("a.b",)), Match(hosts=("c.d",)), None, id="other hosts"
        ),
        pytest.param(
            Match(path=exact("/a"), methods=("GET",)),
            Match(hosts=("c.d",), methods=("PUT",)),
            None,
            id="other methods",
        ),
        pytest.param(
            Match(path=exact("/a"), headers=strings(v="1")),
            Match(hosts=("c.d",), headers=(StringMatch("v", "present", "false"),)),
            None,
            id="other headers",
        ),
        pytest.param(
            Match(path=exact("/a")),
            Match(hosts=("c.d",), headers=(StringMatch("v", "present", "false"),)),
            "GET c.d/a",
            id="a header that is absent",
        ),
        pytest.param(
            Match(path=prefix("/a")),
            Match(path=prefix("/b"), hosts=("a.b",)),
            None,
            id="other paths",
        ),
        pytest.param(
            Match(path=exact("/a/"), hosts=("a.b",)),
            Match(path=exact("/a"), hosts=("a.b",)),
            None,
            id="a slash more",
        ),
        pytest.param(
            Match(path=exact("/a/")),
            Match(path=template("/a/{y}"), hosts=("a.b",)),
            None,
            id="a parameter is not empty",
        ),
    ],
)
def test_two_routes_are_named_if_another_one_goes_first(
    before: Match, now: Match, example: str | None
) -> None:
    one, other = route("before", match=before), route("now", match=now)
    expected = [] if example is None else [changed("now", "before", example)]
    assert warned(one, other) == expected
    raised = route("before", match=before, priority=1)
    assert warned(raised, other) == []


def test_a_table_that_decides_as_before_is_not_searched() -> None:
    assert warned(route("a", prefix("/a")), route("b", exact("/a")), route("c")) == []


def test_a_route_with_several_matches_or_a_tail_is_written_for_the_order_of_today() -> None:
    tail = route("now", PathMatch("template", "/{x}/b", tail=True))
    assert warned(route("before", prefix("/a"), priority=0), tail) == []
    for new in (
        Match(("api.example",), scheme="http"),
        Match(("api.example",), excluded=(Match(methods=("PUT",)),)),
        Match(("api.example",), headers=(StringMatch("v", "exact", "1", True),)),
    ):
        assert warned(route("before", prefix("/admin")), route("now", match=new)) == []
    several = Route("now", (Match(hosts=("api.example",)), Match(hosts=("b.example",))))
    assert warned(route("before", prefix("/admin")), several) == []
    assert warned(several, route("before", prefix("/admin"))) == []


def test_a_third_route_that_takes_the_example_before_and_after_is_no_change() -> None:
    routes = [
        route("path", exact("/a")),
        route("host", match=Match(hosts=("a.b",))),
        route("both", match=Match(hosts=("a.b",), path=exact("/a"))),
    ]
    assert warned(*routes) == []


def test_the_search_is_bounded() -> None:
    hosts = [route(f"h{at}", match=Match(hosts=(f"h{at}.example",))) for at in range(600)]
    paths = [route(f"p{at}", exact(f"/p{at}")) for at in range(600)]
    assert len(warned(*hosts, *paths)) == 100
    shared = [
        route(f"t{at}", match=Match(path=template("/{x}/{y}"), headers=strings(v=str(at))))
        for at in range(600)
    ]
    assert warned(*shared) == []


def test_a_load_warns_at_the_line_of_the_route_that_goes_first_now() -> None:
    text = (
        f"{HEAD}routes:\n"
        "- {name: admin, match: {path: {prefix: /admin}}, backend_refs: legacy}\n"
        "- {name: api, match: {hosts: [api.example]}, backend_refs: new}\n"
    )
    (warning,) = load(text.encode(), "t").warnings
    assert str(warning.located("t")) == (
        "t:6:1: warning: `api` now goes before `admin` (line 5), which took GET api.example/admin until 0.1: "
        "precedence has changed (rule 2) — give the one that has to go first a higher `priority`"
    )


# --- each warning is true -------------------------------------------------------------------------


def old_key(position: int, match: Match, priority: int) -> tuple[object, ...]:
    """Rule 2 until 0.1."""
    count = len(match.headers) + len(match.query) + len(match.cookies)
    path = match.path
    kind = 3 if path is None else {"exact": 0, "prefix": 1, "template": 1, "regex": 2}[path.kind]
    literals = [s for s in path.value.split("/") if s and s[0] != "{"] if path and kind == 1 else []
    hosts = min([host.startswith("*") for host in match.hosts], default=2)
    return (-priority, kind, -len(literals), hosts, not match.methods, -count, position)


MATCHES = st.builds(
    Match,
    hosts=st.sampled_from([(), ("x.example",), ("*.example",), ("x.example", "*.x.example")]),
    path=st.sampled_from(
        [None, prefix("/a"), prefix("/a/b"), exact("/a/b"), template("/{x}/b"), template("/a/{y}")]
    ),
    methods=st.sampled_from([(), ("GET",)]),
    headers=st.sampled_from([(), strings(h="1")]),
    query=st.sampled_from([(), strings(q="1"), strings(q="1", r="1")]),
)
REQUESTS = [
    facts(path, host=host, query=query, headers=headers)
    for path in ("/", "/a", "/a/b", "/a/x", "/x/b")
    for host in ("x.example", "y.example", "y.x.example", "z")
    for query in ("", "q=1", "q=1&r=1")
    for headers in ({}, {"h": "1"})
]


def first(routes: list[Route], request: Facts) -> str | None:
    """The route of the old order."""
    order = sorted(range(len(routes)), key=lambda at: old_key(at, routes[at].matches[0], 0))
    taking = (routes[at].name for at in order if naive_match.holds(routes[at].matches[0], request))
    return next(taking, None)


def differs(routes: list[Route]) -> bool:
    """Whether some request goes elsewhere."""
    index = Index(routes)
    found = [index.find(request, request.path) for request in REQUESTS]
    old = [first(routes, request) for request in REQUESTS]
    return [None if each is None else each.route.name for each in found] != old


@settings(max_examples=150, deadline=None)
@given(st.lists(MATCHES, min_size=2, max_size=2))
def test_of_two_routes_every_change_is_found(matches: list[Match]) -> None:
    routes = [route(f"r{at}", match=match) for at, match in enumerate(matches)]
    assert bool(warned(*routes)) == differs(routes)


@settings(max_examples=100, deadline=None)
@given(st.lists(MATCHES, min_size=3, max_size=5))
def test_each_warning_is_true(matches: list[Match]) -> None:
    routes = [route(f"r{at}", match=match) for at, match in enumerate(matches)]
    assert differs(routes) or not warned(*routes)
