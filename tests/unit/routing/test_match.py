"""Which route takes a request: rules 1 and 2."""

import pytest
from msgspec.structs import replace

from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch, StringMatch
from proxy.routing.hosts import host_name
from proxy.routing.match import Index, first_failure
from proxy.routing.predicates import describe, describe_all
from tests.make import exact, facts, prefix, route, template
from tests.unit.routing.matching import TENANT, any_case, taken

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
        pytest.param(
            [route("p", any_case("prefix", "/Shop"))], "/sHOP/x", "p", id="a prefix in any case"
        ),
        pytest.param([route("p", prefix("/Shop"))], "/shop", None, id="case counts by default"),
        pytest.param(
            [route("e", any_case("exact", "/A/b"))], "/a/B", "e", id="an exact path in any case"
        ),
        pytest.param(
            [route("t", any_case("template", "/A/{x}"))], "/a/B", "t", id="a template in any case"
        ),
        pytest.param(
            [route("i", any_case("prefix", "/a")), route("p", prefix("/a"))],
            "/a/x",
            "p",
            id="one that heeds case first",
        ),
        pytest.param(
            [route("i", any_case("prefix", "/a")), route("p", prefix("/a"))],
            "/A/x",
            "i",
            id="the other one takes the other spelling",
        ),
        pytest.param(
            [route("i", any_case("prefix", "/\u00c9t\u00c9"))],
            "/%C3%A9t%C3%89",
            "i",
            id="letters that are not ASCII, escaped",
        ),
        pytest.param(
            [route("i", any_case("prefix", "/a"))], "/%80/a", None, id="bytes that are not UTF-8"
        ),
        *[
            pytest.param([route("t", TENANT)], path, "t", id=f"a tail takes {path}")
            for path in ("/api/x/orders", "/api/x/orders/", "/api/x/orders/7/8")
        ],
        *[
            pytest.param([route("t", TENANT)], path, None, id=f"a tail does not take {path}")
            for path in ("/api/x/ordersx", "/api//orders/7", "/api/x", "/api/orders/7")
        ],
        pytest.param(
            [route("t", replace(TENANT, params=(("tenant", "[0-9]+"),)))],
            "/api/x/orders/7",
            None,
            id="a constraint of a template with a tail",
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
            {"path": Match(path=exact("/a")), "host": Match(hosts=("www.example",))},
            facts("/a"),
            "host",
            id="the host goes before the path",
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


def test_the_first_failure_is_named_in_order() -> None:
    wanted = route(
        match=Match(
            ("www.example",),
            template("/f/{id}", id="[0-9]+"),
            ("GET",),
            (StringMatch("secret", "exact", "1"),),
        )
    )
    assert first_failure(wanted.matches[0], facts(host="x.example"), b"/f/1") == (
        "host x.example is none of www.example"
    )
    assert first_failure(wanted.matches[0], facts(), b"/g") == "path /g is not template /f/{id}"
    assert (
        first_failure(wanted.matches[0], facts(), b"/f/x") == "path parameter id is 'x', not [0-9]+"
    )
    assert (
        first_failure(wanted.matches[0], facts(method="PUT"), b"/f/1")
        == "method PUT is none of GET"
    )
    assert first_failure(wanted.matches[0], facts(), b"/f/1") == "header secret is missing"
    shown = first_failure(wanted.matches[0], facts(headers={"secret": "hunter2"}), b"/f/1")
    assert shown == "header secret does not match exact '1'"
    assert first_failure(wanted.matches[0], facts(headers={"secret": "1"}), b"/f/1") is None
    regex = route(path=REGEX)
    assert (
        first_failure(regex.matches[0], facts(), b"/b")
        == "path /b does not match the regex /a/[a-z]+"
    )
    absent = route(match=Match(cookies=(StringMatch("c", "present", "false"),)))
    assert (
        first_failure(absent.matches[0], facts(headers={"cookie": "c=1"}), b"/")
        == "cookie c is there"
    )


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
    assert describe(Match(path=TENANT)) == "path template /api/{tenant}/orders/**"
    without = Match(
        headers=(StringMatch("v", "exact", "1", True),),
        scheme="https",
        excluded=(Match(("office.example",)),),
    )
    assert describe(without) == ("scheme https, header v member exact 1, not (host office.example)")
    assert first_failure(without, replace(facts(headers={"v": "1"}), scheme="https"), b"/") is None
    assert first_failure(Match(excluded=(ANY,)), facts(), b"/") == (
        "it is excluded by `not`: everything"
    )
    assert describe_all((ANY, Match(path=exact("/x")))) == "everything; or path exact /x"


def test_an_index_has_all_its_nodes_each_before_those_below_it() -> None:
    matches = [
        Match(hosts=("h.example",), path=PathMatch("prefix", "/a/b")),
        Match(hosts=("*.example",), path=PathMatch("template", "/a/{x}/c")),
        Match(path=any_case("exact", "/A")),
        ANY,
    ]
    index = Index([Route(str(number), (each,)) for number, each in enumerate(matches)])
    nodes = list(index.nodes())
    # A root for each host, and one for those that ignore case; then the segments.
    assert len(nodes) == 4 + 2 + 3 + 1
    above = {id(child): number for number, node in enumerate(nodes) for child in node.below()}
    assert all(above.get(id(node), -1) < number for number, node in enumerate(nodes))
    assert len(list(Index([]).nodes())) == 0
