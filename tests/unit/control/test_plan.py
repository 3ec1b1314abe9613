"""What a new table changes for recorded requests."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.control.replay.plan import (
    Destination,
    Expected,
    Move,
    Tally,
    destination_of,
    parse_expected,
)
from proxy.control.replay.recorded_requests import LoggedRequest
from proxy.errors import FacadeError
from proxy.model import (
    Cohort,
    Cors,
    DirectResponse,
    HashKey,
    Known,
    Mirror,
    Networks,
    Override,
    QueryEdits,
    ReadYourWrites,
    RequestValue,
    Rewrite,
    Route,
    RouteTable,
)
from proxy.model.match import Match
from proxy.routing.logged_names import names_that_rules_read
from tests.make import exact, facts, prefix, refs, rewriting, route, table
from tests.unit.control.plans import NEW, OLD, line, moves, planned, side

GONE = Route("gone", (Match(path=exact("/gone")),), direct_response=DirectResponse(410))


def test_a_shift_moves_the_recorded_buckets_between_the_weights() -> None:
    plan = planned(OLD, NEW, *(line(bucket=b / 100) for b in range(0, 10_000, 50)))
    assert (plan.moved, plan.requests) == (30, 200)
    assert moves(plan) == {("list", "list", "legacy", "new"): 30}


COHORT = Cohort("people", "s", (HashKey("cookie", "uid"),), ReadYourWrites(10.0))
CHOOSING = table(
    replace(
        OLD.routes[0], cohort=COHORT, override=Override("header", "x", Networks(("10.0.0.0/8",)))
    ),
    route("rest"),
)
DARK = table(
    replace(CHOOSING.routes[0], stage="legacy", backend_refs=refs(legacy=100, new=0)),
    route("rest"),
)


def test_requests_that_an_override_or_a_last_write_moved_are_replayed_by_that() -> None:
    lines = [
        line(bucket=50.0, reason="override", backend="new"),
        line(bucket=50.0, reason="read_your_writes", backend="new"),
        line(bucket=50.0, reason="cohort", backend="legacy"),
        line(bucket=1.0, reason="cohort", backend="new"),
    ]
    assert moves(planned(CHOOSING, CHOOSING, *lines)) == {}
    # The override still reaches the newcomer at weight 0; the last write does not, and nor does a bucket.
    assert moves(planned(CHOOSING, DARK, *lines)) == {("list", "list", "new", "legacy"): 2}


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [("a", "a", "a"), ("a", "b", "a -> b"), ("", "b", "(none) -> b"), ("", "", "(none)")],
)
def test_a_move_shows_its_route_once_if_it_stays_the_same(old: str, new: str, shown: str) -> None:
    assert Move(old, new, "legacy", "new").routes == shown


@pytest.mark.parametrize(
    ("new", "target", "move"),
    [
        (table(GONE, *OLD.routes), "/gone", ("rest", "gone", "legacy", "410")),
        (table(OLD.routes[0]), "/x", ("rest", "", "legacy", "404")),
        (table(route("all")), "/l%2Fx", ("", "all", "400", "legacy")),
        (table(route("all", to=refs(new=100))), "/x", ("rest", "all", "legacy", "new")),
    ],
)
def test_moves_to_and_from_responses_of_the_facade_count(
    new: RouteTable, target: str, move: tuple[str, str, str, str]
) -> None:
    assert moves(planned(OLD, new, line(target))) == {move: 1}


def test_another_path_or_route_to_the_same_backend_is_no_move_but_is_counted() -> None:
    rewritten = table(route("rest", prefix("/"), to=rewriting(Rewrite(prefix="/n"))))
    other = table(route("other"))
    rest = table(route("rest"))
    plan = planned(rest, rewritten, line("/x"))
    assert (plan.moved, plan.sent_differently, plan.rerouted) == (0, 1, 0)
    plan = planned(rest, other, line("/x"))
    assert (plan.moved, plan.sent_differently, plan.rerouted) == (0, 0, 1)


def test_options_for_the_facade_itself_goes_to_no_backend_of_either_table() -> None:
    asks_the_facade = facts("/l", "OPTIONS", headers={"max-forwards": "0"})
    assert destination_of(side(OLD), asks_the_facade, Known(0)) == Destination(None, "204")
    plan = planned(OLD, NEW, line("/l", method="OPTIONS", headers={"max-forwards": ["0"]}))
    assert (plan.requests, plan.moved) == (1, 0)


def test_examples_are_few_and_different() -> None:
    plan = planned(OLD, NEW, *(line(f"/l/{n % 7}") for n in range(100)), line("/l/" + "x" * 999))
    ((_, tally),) = plan.sorted_moves()
    assert tally.examples == [f"GET h/l/{n} (bucket 10)" for n in range(3)]


def test_memory_is_bounded_by_kinds_of_moves() -> None:
    plan = planned(OLD, table(route("list", prefix("/l"), to=refs(new=100)), GONE))
    other = Move("a", "b", "c", "d")
    for number in range(10_000):
        plan.moves[replace(other, to=str(number))] = Tally(True)
    for target in ("/l", "/x", "/gone"):
        plan.count(LoggedRequest("GET", "h", target), 1)
    assert len(plan.moves) == 10_001, "all further kinds are one"
    assert plan.moved == 3


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("list", Expected("list")),
        ("legacy:new", Expected(None, "legacy", "new")),
        ("legacy->new", Expected(None, "legacy", "new")),
        ("list=legacy:410", Expected("list", "legacy", "410")),
        ("none", None),
    ],
)
def test_an_expectation_is_a_route_a_move_or_both(argument: str, expected: Expected | None) -> None:
    assert parse_expected(argument, (OLD, NEW)) == expected


@pytest.mark.parametrize(
    "argument", ["lst", "legacy-", "legacy:nwe", "list=legacy", "x=legacy:new", ":new", ""]
)
def test_an_expectation_of_something_unknown_gets_a_sentence(argument: str) -> None:
    with pytest.raises(FacadeError, match="--expect"):
        parse_expected(argument, (OLD, NEW))


@pytest.mark.parametrize(
    ("expect", "unexpected"),
    [
        (None, 0),
        ([], 1),
        ([Expected("list")], 0),
        ([Expected("rest")], 1),
        ([Expected(None, "legacy", "new")], 0),
        ([Expected(None, "new", "legacy")], 1),
        ([Expected(None, "legacy", "410")], 1),
        ([Expected("rest", "legacy", "new"), Expected("list", "legacy", "new")], 0),
    ],
)
def test_a_move_is_counted_as_unexpected_unless_it_is_allowed(
    expect: list[Expected] | None, unexpected: int
) -> None:
    assert planned(OLD, NEW, line(), expect=expect).unexpected == unexpected


TARGETS = st.sampled_from(["/", "/l", "/l/x", "/gone", "/l%2Fx", "/l//x", "/é", "/x;a=b"])


@settings(deadline=None)
@given(
    st.lists(st.tuples(TARGETS, st.integers(0, 9_999), st.sampled_from(["GET", "POST"]))),
    st.integers(0, 100),
)
def test_a_table_planned_with_itself_moves_nothing(
    requests: list[tuple[str, int, str]], weight: int
) -> None:
    tested = table(GONE, route("l", prefix("/l"), to=refs(a=100 - weight, b=weight)))
    lines = (line(target, draw / 100, method=method) for target, draw, method in requests)
    plan = planned(tested, tested, *lines)
    assert (plan.moved, plan.sent_differently, plan.rerouted) == (0, 0, 0)
    assert plan.requests == len(requests)


def test_values_of_the_request_are_replayed_as_far_as_the_log_has_them() -> None:
    values = (("{query.item}", RequestValue("query", "item")),)
    rewrite = Rewrite(template="/items/{query.item}", values=values)
    edited = replace(rewrite, query=QueryEdits((("user", (RequestValue("header", "x-user"),)),)))
    plain = table(route("view", exact("/view.do"), to=rewriting(Rewrite(full_path="/items/7"))))
    carved = table(route("view", exact("/view.do"), to=rewriting(rewrite)))
    with_query = table(route("view", exact("/view.do"), to=rewriting(edited)))
    asked = line("/view.do", query={"item": ["7"]})
    plan = planned(plain, carved, asked)
    assert (plan.moved, plan.sent_differently) == (0, 0)
    plan = planned(carved, with_query, asked)
    assert (plan.moved, plan.sent_differently) == (0, 1)
    plan = planned(plain, with_query, line("/view.do"))
    assert moves(plan) == {("view", "view", "legacy", "400"): 1}
    notes = plan.cautions()
    absent = "which the log does not hold: it is replayed as absent"
    assert f"the new table reads query parameter item, {absent}" in notes
    assert f"the new table reads header x-user, {absent}" in notes


def test_preflights_are_replayed_if_the_log_has_their_headers() -> None:
    policy = Cors(("https://a.example",), ("GET",))
    shared = replace(route("shared", match=Match(methods=("GET",))), cors=policy)
    new = table(shared, route("rest"))
    headers = {"origin": ["https://a.example"], "access-control-request-method": ["GET"]}
    plan = planned(table(route("rest")), new, line("/", method="OPTIONS", headers=headers))
    assert moves(plan) == {("rest", "shared", "legacy", "204"): 1}
    assert (
        "the new table reads header origin, which the log does not hold: it is replayed as absent"
        in plan.cautions()
    )
    names = names_that_rules_read(new)
    assert names.headers == ("access-control-request-method", "origin")


def test_copies_are_counted_under_both_tables() -> None:
    shadowed = route("list", prefix("/l"), to=refs(legacy=100, new=0), stage="shadow")
    half = replace(shadowed, mirror=Mirror(5_000))
    plan = planned(table(half, route("rest")), table(shadowed, route("rest")), *[line()] * 4)
    assert plan.copies == (2, 4)
    assert planned(OLD, NEW, line()).copies == (0, 0)
