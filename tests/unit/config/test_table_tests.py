"""A table's own tests, and why none of them can block a shift (rule 9)."""

import pytest
from msgspec.structs import replace

from proxy.config.checks.table_tests import as_given, run_tests
from proxy.model import (
    BackendRef,
    Cohort,
    DirectResponse,
    HashKey,
    Networks,
    Override,
    QueryEdits,
    ReadYourWrites,
    Redirect,
    RequestValue,
    Rewrite,
    Route,
    RouteTable,
)
from proxy.model.match import Match, StringMatch
from proxy.model.stage import Stage
from proxy.model.table_test import Expectation, Given, TableTest
from proxy.routing.cohort import bucket_of
from proxy.routing.match import Index
from tests.make import exact, prefix, refs, route, table

CANARY = route("c", prefix("/c"), to=refs(legacy=95, new=5), stage="canary")
GONE = Route(
    "gone", (Match(path=exact("/gone")),), stage="retired", direct_response=DirectResponse(410)
)
HOME = Route("home", (Match(path=exact("/")),), redirect=Redirect(308, path="/c"))
REST = route("rest")
TABLE = table(HOME, GONE, CANARY, REST)


def test_of(path: str, expect: Expectation, **more: object) -> TableTest:
    return TableTest("t", "GET", "h", path, expect, **more)  # type: ignore[arg-type]


test_of.__test__ = False  # type: ignore[attr-defined]


def failures(test: TableTest, tested: RouteTable = TABLE) -> tuple[str, ...]:
    return run_tests(replace(tested, tests=(test,)), Index(tested.routes)).results[0].failures


def expect(**fields: object) -> Expectation:
    return Expectation(**fields)  # type: ignore[arg-type]


GIVEN = Given(stage="canary", weights_bp=(("legacy", 9500), ("new", 500)))


@pytest.mark.parametrize(
    "test",
    [
        test_of(
            "/c/x", expect(route="c", backend="new", reason="draw"), given=GIVEN, bucket_bp=499
        ),
        test_of("/c/x", expect(backend="legacy"), given=GIVEN, bucket_bp=500),
        test_of("/c", expect(backend="legacy", reason="stage"), given=Given(stage="legacy")),
        test_of("/c", expect(backend="new"), given=Given(weights_bp=(("new", 10_000),))),
        test_of("/c", expect(backend="legacy"), given=Given(kill_switch=True)),
        test_of("/c", expect(mirrored_to=("new",)), given=Given(stage="shadow")),
        test_of("/c?x=1", expect(route="c", upstream_path="/c")),
        test_of("/gone", expect(route="gone", status=410, reason="retired")),
        test_of("/", expect(route="home", status=308, location="/c")),
        test_of("/x", expect(route="rest", backend="legacy")),
        test_of("/c%2Fx", expect(status=400)),
    ],
)
def test_a_true_test_holds(test: TableTest) -> None:
    assert failures(test) == ()
    killed = replace(TABLE, kill_switch=True)
    assert failures(test, killed) == (), "the kill switch cannot be refused by it"


@pytest.mark.parametrize(
    ("test", "failure"),
    [
        (test_of("/x", expect(route="c")), "expected route c, got rest"),
        (test_of("/gone", expect(backend="new")), "expected backend new, got none"),
        (test_of("/gone", expect(status=404)), "expected status 404, got 410"),
        (test_of("/x", expect(status=200)), "expected status 200, got none"),
        (test_of("/c%2Fx", expect(route="c")), "expected route c, got none"),
        (
            test_of("/c", expect(mirrored_to=("new",)), given=Given(stage="legacy")),
            "expected mirrored_to [new], got []",
        ),
        (
            test_of("/c", expect(backend="new"), given=GIVEN),
            "expected backend new, got legacy",
        ),
        (
            test_of("/c", expect(backend="legacy")),
            "what it expects depends on the stage or weights of `c`, which a shift changes: "
            "add `given: {stage: …, weights: {…}}`",
        ),
    ],
)
def test_a_false_test_says_what_it_got(test: TableTest, failure: str) -> None:
    assert failures(test) == (failure,)


PEOPLE = Cohort("people", "s", (HashKey("cookie", "uid"),))


@pytest.mark.parametrize("number", range(20))
def test_a_key_decides_a_test(number: int) -> None:
    tested = table(replace(CANARY, cohort=PEOPLE))
    bucket_bp = bucket_of("s", b"%d" % number)
    expected = expect(backend="new" if bucket_bp < 500 else "legacy", reason="cohort")
    asked = test_of("/c", expected, given=GIVEN, cookies=(("uid", str(number)),))
    assert failures(asked, tested) == ()
    other = 9_999 if bucket_bp < 500 else 0
    assert failures(replace(asked, bucket_bp=other), tested) != ()


def test_an_override_and_a_last_write_can_be_assumed() -> None:
    written = replace(PEOPLE, read_your_writes=ReadYourWrites(10.0))
    chosen = replace(
        CANARY, cohort=written, override=Override("header", "x", Networks(("10.0.0.0/8",)))
    )
    tested = table(chosen)
    for key, reason in (("override", "override"), ("last_write", "read_your_writes")):
        for backend in ("legacy", "new"):
            expected = expect(backend=backend, reason=reason)
            assumed = {key: backend}
            assert failures(test_of("/c", expected, given=GIVEN, **assumed), tested) == ()
    at_0 = Given(stage="legacy")
    by_stage = expect(backend="legacy", reason="stage")
    assert failures(test_of("/c", by_stage, given=at_0, last_write="new"), tested) == ()
    dark = expect(backend="new", reason="override")
    assert failures(test_of("/c", dark, given=at_0, override="new"), tested) == ()


def test_without_a_key_the_result_for_each_bucket_counts() -> None:
    tested = table(replace(CANARY, cohort=PEOPLE))
    assert failures(test_of("/c", expect(backend="new"), given=GIVEN), tested) != ()


def test_a_request_without_a_route_is_a_404() -> None:
    bare = table(GONE)
    assert failures(test_of("/x", expect(status=404)), bare) == ()
    assert failures(test_of("/x", expect(route="gone")), bare) == ("expected route gone, got none",)


@pytest.mark.parametrize("host", ["no host", "a:99999"])
def test_a_request_that_the_facade_refuses_gets_its_status(host: str) -> None:
    refused = replace(test_of("/x", expect(status=400)), host=host)
    assert failures(refused) == ()
    expected = replace(test_of("/x", expect(route="rest")), host=host)
    assert failures(expected) == ("expected route rest, got none",)


def test_a_test_that_assumes_nothing_has_to_hold_whatever_the_weights() -> None:
    """So the shift of a route from 5 to 100 cannot be refused by it."""
    to = (refs(legacy=95)[0], replace(refs(new=5)[0], rewrite=Rewrite(prefix="/n")))
    tested = table(route("c", prefix("/c"), to=to, stage="canary"))
    assert failures(test_of("/c", expect(route="c")), tested) == ()
    assert failures(test_of("/c", expect(upstream_path="/c")), tested) != ()
    assert (
        failures(test_of("/c", expect(upstream_path="/c"), given=Given(stage="legacy")), tested)
        == ()
    )


@pytest.mark.parametrize(
    ("given", "stage", "becomes"),
    [
        (Given(weights_bp=(("legacy", 10_000), ("new", 0))), "canary", "legacy"),
        (Given(weights_bp=(("legacy", 10_000), ("new", 0))), "shadow", "shadow"),
        (Given(weights_bp=(("legacy", 1), ("new", 9_999))), "legacy", "canary"),
        (Given(weights_bp=(("legacy", 0), ("new", 10_000))), "canary", "live"),
        (Given(weights_bp=(("legacy", 0), ("new", 10_000))), None, None),
        (Given(), "canary", "canary"),
    ],
)
def test_weights_alone_bring_the_stage_they_need(
    given: Given, stage: Stage | None, becomes: Stage | None
) -> None:
    assert as_given(replace(CANARY, stage=stage), given).stage == becomes


def test_coverage_counts_the_routes_that_a_holding_test_reaches() -> None:
    tests = (test_of("/c", expect(route="c")), test_of("/x", expect(route="c")))
    report = run_tests(replace(TABLE, tests=tests), Index(TABLE.routes))
    assert report.coverage == 25.0
    assert report.uncovered == ("home", "gone", "rest")


def test_a_table_is_refused_for_a_failing_test_and_for_too_little_coverage() -> None:
    tests = (replace(test_of("/x", expect(route="c")), line=7, column=3),)
    tested = replace(TABLE, tests=tests, min_route_coverage=100.0)
    problems = run_tests(tested, Index(tested.routes)).problems(tested)
    assert [each.located("f") for each in problems] == [
        "f:7:3: test 't' fails: expected route c, got rest — mend the route or the test",
        "f:0:0: the tests reach 0 % of the routes, test_policy.min_route_coverage wants 100 % "
        "— add a test for home, gone, c, rest",
    ]
    assert run_tests(TABLE, Index(TABLE.routes)).problems(TABLE) == []


def test_an_empty_table_is_covered() -> None:
    assert run_tests(table(), Index(())).coverage == 100.0


@pytest.mark.parametrize(
    ("path", "headers"), [("*", ()), ("/c", (("Max-Forwards", "0"),))], ids=["*", "no further hop"]
)
def test_options_for_the_facade_itself_reaches_no_route(
    path: str, headers: tuple[tuple[str, str], ...]
) -> None:
    def options(expected: Expectation) -> TableTest:
        return TableTest("t", "OPTIONS", "h", path, expected, headers=headers)

    assert failures(options(expect(status=204))) == ()
    assert failures(options(expect(status=404))) == ("expected status 404, got 204",)
    assert failures(options(expect(route="c"))) == ("expected route c, got none",)
    tests = (options(expect(status=204)),)
    assert run_tests(replace(TABLE, tests=tests), Index(TABLE.routes)).coverage == 0.0


def test_headers_and_cookies_of_a_test_reach_the_match() -> None:
    wanted = Match(
        headers=(StringMatch("v", "exact", "1"),), cookies=(StringMatch("b", "exact", "2"),)
    )
    tested = table(route("m", match=wanted), REST)
    test = test_of("/", expect(route="m"), headers=(("V", "1"),), cookies=(("a", "1"), ("b", "2")))
    assert failures(test, tested) == ()


def test_a_test_says_which_stage_it_assumes_of_a_route_that_was_retired() -> None:
    retired = replace(CANARY, stage="retired", direct_response=DirectResponse(410))
    tested = table(retired, REST)
    assert failures(test_of("/c", expect(backend="new"), given=Given(stage="live")), tested) == ()
    assert failures(test_of("/c", expect(status=410), given=Given(stage="retired")), tested) == ()
    live = table(replace(CANARY, stage="live"), REST)
    assert failures(test_of("/c", expect(status=410), given=Given(stage="retired")), live) == ()


ITEM = RequestValue("query", "item")
VALUES = (("{query.item}", ITEM),)
VIEW = route(
    "view",
    exact("/view.do"),
    to=(
        BackendRef(
            "new",
            rewrite=Rewrite(
                template="/items/{query.item}",
                values=VALUES,
                query=QueryEdits((("v", (b"2",)),), ("item",)),
            ),
        ),
    ),
)
MOVED = Route(
    "moved",
    (Match(path=exact("/old.do")),),
    redirect=Redirect(template="/items/{query.item}", values=VALUES),
)


@pytest.mark.parametrize(
    "test",
    [
        test_of("/view.do?item=7", expect(upstream_path="/items/7")),
        test_of("/view.do?item=7", expect(upstream_path="/items/7?v=2")),
        test_of("/view.do", expect(route="view", status=400)),
        test_of("/old.do?item=7", expect(location="/items/7?item=7")),
        test_of("/old.do?item=..", expect(route="moved", status=400)),
    ],
)
def test_a_test_sees_values_of_the_request(test: TableTest) -> None:
    assert failures(test, table(VIEW, MOVED)) == ()
