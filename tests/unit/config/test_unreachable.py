"""Routes that nothing reaches. Never a reachable one."""

# ruff: noqa: E501 -- a row of a table stays on one line

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.checks.unreachable import unreachable
from proxy.config.load import load
from proxy.errors import TableError
from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.match import Index


def _route(name: str, match: Match, priority: int = 0, line: int = 0) -> Route:
    return Route(name, (match,), priority=priority, line=line)


def _exact(value: str, ignore: bool = False) -> Match:
    return Match(path=PathMatch("exact", value, ignore))


def _prefix(value: str) -> Match:
    return Match(path=PathMatch("prefix", value))


def _any_case(kind: str, value: str, *params: tuple[str, str]) -> Match:
    return Match(path=PathMatch(kind, value, False, params, True))  # type: ignore[arg-type]


def _without(*excluded: Match) -> Match:
    return Match(excluded=excluded)


def _members(kind: str, value: str) -> Match:
    return Match(headers=(StringMatch("x", kind, value, True),))  # type: ignore[arg-type]


def _tail(value: str) -> Match:
    return Match(path=PathMatch("template", value, tail=True))


def _template(value: str, ignore: bool = False, **params: str) -> Match:
    return Match(path=PathMatch("template", value, ignore, tuple(params.items())))


def _regex(value: str) -> Match:
    return Match(path=PathMatch("regex", value))


def _hosts(*hosts: str) -> Match:
    return Match(hosts=hosts)


def _header(kind: str, value: str = "") -> Match:
    return Match(headers=(_string(kind, value),))


def _string(kind: str, value: str, name: str = "x") -> StringMatch:
    return StringMatch(name, kind, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        pytest.param(Match(), _exact("/a"), id="no match takes everything"),
        pytest.param(_prefix("/"), Match(), id="the prefix / takes everything"),
        pytest.param(_prefix("/"), _regex("/a.*"), id="the prefix / takes any regex"),
        pytest.param(_prefix("/a"), _prefix("/a/b"), id="a prefix takes a longer one"),
        pytest.param(_prefix("/a"), _exact("/a"), id="a prefix takes its own path"),
        pytest.param(_prefix("/a"), _exact("/a/b/c"), id="a prefix takes a path below"),
        pytest.param(_prefix("/a"), _template("/a/{x}"), id="a prefix takes a template below"),
        pytest.param(_exact("/a"), _exact("/a"), id="the same path"),
        pytest.param(_exact("/a", True), _exact("/a/"), id="slash or not takes the slash"),
        pytest.param(_exact("/a", True), _exact("/a/", True), id="slash or not, both ways"),
        pytest.param(_template("/a/{x}"), _exact("/a/b"), id="a template takes a path"),
        pytest.param(_template("/a/{x}"), _template("/a/{y}"), id="the same template by another name"),
        pytest.param(_template("/{x}/{y}"), _template("/a/{y}"), id="a template takes a narrower one"),
        pytest.param(_template("/a/{x}", x="[a-c]"), _exact("/a/b"), id="a path that fits the parameter"),
        pytest.param(_template("/{x}", x="[0-9]+"), _template("/{y}", y="[0-9]+"), id="the same constraint"),
        pytest.param(_template("/a/{x}", True), _template("/a/{x}/"), id="a template, slash or not"),
        pytest.param(Match(), Match(scheme="http"), id="any scheme takes one"),
        pytest.param(Match(scheme="http"), Match(scheme="http"), id="the same scheme"),
        pytest.param(_without(_prefix("/a")), _without(_prefix("/a")), id="the same is left out"),
        pytest.param(_without(_prefix("/a/b")), _without(_prefix("/a")), id="less is left out"),
        pytest.param(_without(_hosts("x.a.b")), _without(_hosts("*.a.b")), id="fewer hosts are left out"),
        pytest.param(_header("present", "true"), _members("exact", "1"), id="a member is there"),
        pytest.param(_members("prefix", "1"), _members("exact", "12"), id="a member with that prefix"),
        pytest.param(_tail("/a/{x}"), _exact("/a/b/c"), id="a tail takes a path below"),
        pytest.param(_tail("/a/{x}"), _prefix("/a/b"), id="a tail takes a prefix below"),
        pytest.param(_tail("/a/{x}"), _template("/a/{y}"), id="a tail takes its own path"),
        pytest.param(_tail("/a/{x}"), _tail("/a/{y}/b"), id="a tail takes a longer one"),
        pytest.param(_prefix("/a"), _tail("/a/{x}"), id="a prefix takes a tail below"),
        pytest.param(_any_case("prefix", "/A"), _prefix("/a/b"), id="a prefix in any case"),
        pytest.param(_any_case("exact", "/A/b"), _any_case("exact", "/a/B"), id="both in any case"),
        pytest.param(_any_case("template", "/A/{x}"), _exact("/a/b"), id="a template in any case"),
        pytest.param(_exact("/1"), _any_case("exact", "/1"), id="a path that has no case"),
        pytest.param(_template("/{x}", x="[0-9]"), _any_case("exact", "/1"), id="a parameter that has no case"),
        pytest.param(_regex("/[0-9]"), _any_case("exact", "/1"), id="a regex takes what has no case"),
        pytest.param(_any_case("prefix", "/\u00c9"), _exact("/\u00e9/a"), id="a letter that is not ASCII"),
        pytest.param(_regex("/a.*"), _regex("/a.*"), id="the same regex"),
        pytest.param(_regex("/[ab]"), _exact("/b"), id="a regex takes a path"),
        pytest.param(_regex(".*"), Match(), id="everything as a regex takes what has no match"),
        pytest.param(_regex("^/.*$"), _prefix("/a"), id="everything as a regex takes a prefix"),
        pytest.param(_regex("/(.*)"), _regex("/a|/b"), id="everything as a regex takes any regex"),
        pytest.param(_regex("/.*"), _template("/{x}"), id="everything as a regex takes a template"),
        pytest.param(_regex("/?.*"), _hosts("a.b"), id="everything as a regex takes a host"),
        pytest.param(_hosts("*.a.b"), _hosts("x.a.b", "*.y.a.b"), id="a wildcard takes all below"),
        pytest.param(_hosts("a.b", "c.d"), _hosts("c.d"), id="one of several hosts"),
        pytest.param(Match(methods=("GET", "PUT")), Match(methods=("PUT",)), id="one of several methods"),
        pytest.param(_header("exact", "1"), _header("exact", "1"), id="the same header"),
        pytest.param(_header("prefix", "1"), _header("exact", "12"), id="a value with that prefix"),
        pytest.param(_header("prefix", "1"), _header("prefix", "12"), id="a longer prefix"),
        pytest.param(_header("regex", "[0-9]+"), _header("exact", "12"), id="a value that fits"),
        pytest.param(_header("regex", "[0-9]+"), _header("regex", "[0-9]+"), id="the same regex of a header"),
        pytest.param(_header("present", "true"), _header("regex", "a"), id="what looks like something is there"),
        pytest.param(_header("present", "false"), _header("present", "false"), id="both want it absent"),
        pytest.param(
            Match(cookies=(_string("exact", "1"),)),
            Match(cookies=(_string("exact", "1"),), query=(_string("exact", "1"),)),
            id="one condition less",
        ),
    ],
)  # fmt: skip
def test_a_route_that_another_takes_all_of_is_named(upper: Match, lower: Match) -> None:
    above, below = _route("above", upper, priority=1, line=3), _route("below", lower, line=9)
    (problem,) = unreachable([below, above])
    assert problem.line == 9
    assert "`below`" in problem.text
    assert "`above` (line 3)" in problem.text


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        pytest.param(_exact("/a"), Match(), id="a path does not take everything"),
        pytest.param(_prefix("/flights"), _exact("/flightspecials"), id="a prefix ends at a segment"),
        pytest.param(_prefix("/a"), _template("/{x}/b"), id="a parameter may be something else"),
        pytest.param(_prefix("/a"), _regex("/a.*"), id="a regex may mean anything"),
        pytest.param(_prefix("/a/b"), _exact("/a"), id="a longer prefix"),
        pytest.param(_exact("/a"), _exact("/a/"), id="a slash is another path"),
        pytest.param(_exact("/a"), _exact("/a", True), id="slash or not is more"),
        pytest.param(_template("/a/{x}"), _exact("/a/b/"), id="a template is strict about the slash"),
        pytest.param(_template("/a/{x}"), _template("/a/{x}", True), id="slash or not is more, in templates"),
        pytest.param(_template("/a/{x}", x="[0-9]"), _exact("/a/b"), id="a path that does not fit"),
        pytest.param(_template("/{x}", x="[0-9]"), _template("/{x}"), id="a constraint is narrower"),
        pytest.param(_template("/{x}", x="[0-9]"), _template("/{x}", x="[0-9]+"), id="another constraint"),
        pytest.param(_template("/a/{x}"), _exact("/a"), id="a template with more segments"),
        pytest.param(_template("/a/b/{x}"), _template("/a/{x}/b"), id="parameters elsewhere"),
        pytest.param(_template("/a/{x}"), _prefix("/a/b"), id="a template takes no prefix"),
        pytest.param(Match(scheme="http"), Match(), id="any scheme is more"),
        pytest.param(Match(scheme="http"), Match(scheme="https"), id="another scheme"),
        pytest.param(_without(_prefix("/a")), Match(), id="something is left out above"),
        pytest.param(_without(_prefix("/a")), _without(_prefix("/a/b")), id="more is left out above"),
        pytest.param(_without(_prefix("/a")), _without(_hosts("a.b")), id="something else is left out"),
        pytest.param(_without(_hosts("a.b")), _without(_prefix("/a")), id="a host is left out above"),
        pytest.param(_header("exact", "1"), _members("exact", "1"), id="a member is not the value"),
        pytest.param(_members("exact", "1"), _header("exact", "1"), id="a value is not taken for its member"),
        pytest.param(_tail("/a/{x}"), _prefix("/a"), id="a tail wants a parameter"),
        pytest.param(_tail("/a/{x}"), _exact("/a/"), id="a parameter of a tail is not empty"),
        pytest.param(_template("/a/{x}"), _tail("/a/{x}"), id="a tail is more"),
        pytest.param(_prefix("/a"), _any_case("prefix", "/a"), id="any case is more"),
        pytest.param(_exact("/a"), _any_case("exact", "/a"), id="any case of a path is more"),
        pytest.param(_template("/{x}", x="a"), _any_case("exact", "/a"), id="any case of a segment is more"),
        pytest.param(_regex("/a"), _any_case("exact", "/a"), id="any case is more than a regex for one"),
        pytest.param(_any_case("prefix", "/A"), _prefix("/b"), id="another prefix in any case"),
        pytest.param(_regex("/[ab]"), _exact("/c"), id="a path that the regex does not take"),
        pytest.param(_regex("/a"), _regex("/a|/b"), id="another regex"),
        pytest.param(_regex("/a.*"), _prefix("/a"), id="a regex takes no prefix for certain"),
        pytest.param(_regex("/.+"), Match(), id="a regex that leaves the root out"),
        pytest.param(_hosts("*.a.b"), _hosts("a.b"), id="a wildcard wants a label"),
        pytest.param(_hosts("*.a.b"), _hosts("x.a.b", "c.d"), id="one host is left"),
        pytest.param(_hosts("a.b"), Match(), id="any host is more"),
        pytest.param(Match(methods=("GET",)), Match(methods=("GET", "PUT")), id="one method is left"),
        pytest.param(Match(methods=("GET",)), Match(), id="any method is more"),
        pytest.param(_header("exact", "1"), _header("exact", "2"), id="another value"),
        pytest.param(_header("exact", "1"), _header("prefix", "1"), id="a prefix is more"),
        pytest.param(_header("regex", "1"), _header("prefix", "1"), id="a prefix may not fit"),
        pytest.param(_header("prefix", "1"), _header("regex", "1.*"), id="a regex may mean anything in a header"),
        pytest.param(_header("present", "false"), _header("exact", "1"), id="absent is not there"),
        pytest.param(_header("prefix", "1"), _header("present", "true"), id="there is not enough"),
        pytest.param(Match(cookies=(_string("exact", "1"),)), Match(query=(_string("exact", "1"),)), id="a cookie is no parameter"),
        pytest.param(Match(query=(_string("exact", "1", "y"),)), Match(query=(_string("exact", "1"),)), id="another parameter"),
    ],
)  # fmt: skip
def test_a_route_that_something_is_left_for_is_not_named(upper: Match, lower: Match) -> None:
    assert unreachable([_route("above", upper, priority=1), _route("below", lower)]) == []


def test_what_goes_first_by_precedence_is_not_hidden_by_what_stands_first() -> None:
    routes = [
        _route("all", Match()),
        _route("prefix", _prefix("/a")),
        _route("exact", _exact("/a")),
    ]
    assert unreachable(routes) == []


def test_a_match_of_which_not_leaves_nothing_is_an_error() -> None:
    nothing = Match(path=PathMatch("exact", "/a"), excluded=(_prefix("/a"),))
    (problem,) = unreachable([_route("one", nothing, line=2)])
    assert problem.text == "no request reaches the route `one`: its `not` leaves nothing of it"
    (problem,) = unreachable([Route("one", (_prefix("/b"), nothing), line=2)])
    assert problem.text == "no request reaches match 2 of `one`: its `not` leaves nothing of it"
    assert unreachable([_route("one", Match(excluded=(_prefix("/a"),)))]) == []


def test_two_identical_matches_are_an_error_at_the_second() -> None:
    (problem,) = unreachable([_route("one", _prefix("/a"), line=2), _route("two", _prefix("/a"))])
    assert problem.text == "the route `two` takes exactly what `one` (line 2) takes"


def test_a_regex_for_everything_in_front_of_the_last_route_is_told_without_any_priority() -> None:
    (problem,) = unreachable([_route("rest", Match(), line=4), _route("any", _regex(".*"), line=2)])
    assert problem.text == "no request reaches the route `rest`: `any` (line 2) takes all of it"


def test_each_hidden_route_is_told_in_the_order_of_the_file() -> None:
    routes = [_route("c", _exact("/c"), line=1), _route("a", _exact("/a"), line=2)]
    found = unreachable([*routes, _route("all", Match(), priority=1)])
    assert [problem.line for problem in found] == [1, 2]
    assert found[0].text == "no request reaches the route `c`: `all` takes all of it"


def test_ten_thousand_routes_that_differ_in_one_header_are_looked_through() -> None:
    routes = [_route(f"r{n}", _header("exact", str(n))) for n in range(10_000)]
    assert unreachable(routes) == []


# --- held against the matcher itself --------------------------------------------------------------

_STRINGS = st.sampled_from(
    [("exact", "1"), ("exact", "12"), ("prefix", "1"), ("regex", "1.?"), ("present", "true"), ("present", "false")]
)  # fmt: skip
_PATHS = st.one_of(
    st.none(),
    st.builds(PathMatch, st.just("prefix"), st.sampled_from(["/", "/a", "/A/b", "/b"]), st.just(False), st.just(()), st.booleans()),
    st.builds(
        PathMatch, st.just("exact"), st.sampled_from(["/", "/a", "/a/", "/A/b", "/b/a"]), st.booleans(),
        st.just(()), st.booleans(),
    ),
    st.builds(
        PathMatch,
        st.just("template"),
        st.sampled_from(["/{x}", "/a/{x}", "/{x}/b", "/{x}/{y}", "/{x}/"]),
        st.booleans(),
        st.sampled_from([(), (("x", "a"),), (("x", "[ab]"),)]),
        st.booleans(),
    ),
    st.sampled_from(["/{x}", "/a/{x}", "/{x}/b"]).map(lambda value: PathMatch("template", value, tail=True)),
    st.builds(PathMatch, st.just("regex"), st.sampled_from(["/.*", "^.+$", "/a", "/[ab]/.*"])),
)  # fmt: skip
_MATCHES = st.builds(
    Match,
    hosts=st.sampled_from([(), ("h.i",), ("*.h.i",), ("x.h.i", "h.i"), ("*.i",)]),
    path=_PATHS,
    methods=st.sampled_from([(), ("GET",), ("GET", "PUT")]),
    headers=st.lists(st.builds(lambda kind: _string(*kind), _STRINGS), max_size=1).map(tuple),
    query=st.lists(st.builds(lambda kind: _string(*kind), _STRINGS), max_size=1).map(tuple),
    scheme=st.sampled_from([None, None, "http"]),
    excluded=st.sampled_from(
        [(), (), (Match(path=PathMatch("prefix", "/a")),), (Match(("x.h.i",), methods=("GET",)),)]
    ),
)
_REQUESTS = [
    Facts(method, host, path, query, [(b"x", value)] if value else [], "")
    for method, host, path, query, value in product(
        ("GET", "PUT", "POST"),
        (b"h.i", b"x.h.i", b"y.i", b"z"),
        (
            b"/",
            b"/a",
            b"/a/",
            b"/a/b",
            b"/a/b/",
            b"/b",
            b"/b/a",
            b"/b/b/",
            b"/c",
            b"/a/b/c",
            b"/A/b",
            b"/B",
        ),
        (b"", b"x=1", b"x=12", b"x=2"),
        (b"", b"1", b"12", b"2"),
    )
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_MATCHES, st.integers(0, 1)), min_size=2, max_size=4))
def test_no_request_ever_reaches_a_route_that_is_called_unreachable(
    drawn: list[tuple[Match, int]],
) -> None:
    routes = [_route(str(n), match, priority) for n, (match, priority) in enumerate(drawn)]
    hidden = {problem.text.split("`")[1] for problem in unreachable(routes)}
    index = Index(routes)
    for facts in _REQUESTS if hidden else ():
        found = index.find(facts, facts.path)
        assert found is None or found.route.name not in hidden


def test_what_cannot_be_reached_is_told_along_with_every_other_problem() -> None:
    text = (
        b"version: 1\nbackends: {a: http://h:1}\ndefaults: {timeouts: {request: 5}}\nroutes:\n"
        b"  - {name: b, match: {path: {exact: /z}}, backend_refs: nobody}\n"
        b"  - {name: c, match: {path: {exact: /z}}, backend_refs: a}\n"
        b"  - {name: d, match: {path: {exact: nope}}, backend_refs: a}\n"
    )
    with pytest.raises(TableError) as refused:
        load(text, "t")
    assert [problem.line for problem in refused.value.problems] == [3, 5, 6, 7]
    assert "`b`" in refused.value.problems[2].text
