"""What a new table would change for recorded traffic."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.control.replay.plan import (
    Destination,
    Expected,
    Move,
    Plan,
    Side,
    Tally,
    destination_of,
    parse_expected,
)
from proxy.control.replay.recorded_requests import (
    Logged,
    Unreadable,
    bucket_of,
    facts_of_recorded,
    read_line,
)
from proxy.errors import FacadeError
from proxy.model import (
    Cohort,
    DirectResponse,
    Endpoint,
    Facts,
    HashKey,
    Rewrite,
    Route,
    RouteTable,
    UnimplementedField,
)
from proxy.model.match import Match, StringMatch
from proxy.routing.decide import decide
from proxy.routing.logged_names import names_that_rules_read
from proxy.routing.match import Index
from proxy.telemetry.log_line import log_line
from proxy.telemetry.request_record import Record
from tests.make import backend, exact, facts, prefix, refs, rewriting, route, table

OLD = table(route("list", prefix("/l"), to=refs(legacy=95, new=5), stage="canary"), route("rest"))
NEW = table(route("list", prefix("/l"), to=refs(legacy=80, new=20), stage="canary"), route("rest"))
GONE = Route("gone", Match(path=exact("/gone")), direct_response=DirectResponse(410))


def side(of: RouteTable, version: str = "v") -> Side:
    return Side(of, Index(of.routes), version)


def line(target: str = "/l", bucket: float | None = 10.0, **more: object) -> bytes:
    said = {"method": "GET", "host": "h", "target": target, "table": "v", **more}
    if bucket is not None:
        said["bucket"] = bucket
    return json.dumps(said).encode()


def planned(
    old: RouteTable, new: RouteTable, *lines: bytes, expect: list[Expected] | None = None
) -> Plan:
    plan = Plan(side(old), side(new), expect)
    for each in lines:
        plan.feed(each)
    return plan


def moves(plan: Plan) -> dict[tuple[str, str, str, str], int]:
    return {
        (move.old_route, move.new_route, move.from_, move.to): tally.requests
        for move, tally in plan.sorted_moves()
    }


def test_a_shift_moves_the_recorded_buckets_between_the_weights() -> None:
    plan = planned(OLD, NEW, *(line(bucket=b / 100) for b in range(0, 10_000, 50)))
    assert (plan.moved, plan.requests) == (30, 200)
    assert moves(plan) == {("list", "list", "legacy", "new"): 30}


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [("a", "a", "a"), ("a", "b", "a -> b"), ("", "b", "(none) -> b"), ("", "", "(none)")],
)
def test_a_move_shows_its_route_once_where_it_stays_the_same(
    old: str, new: str, shown: str
) -> None:
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
def test_moves_to_and_from_the_facades_own_answers_are_moves(
    new: RouteTable, target: str, move: tuple[str, str, str, str]
) -> None:
    assert moves(planned(OLD, new, line(target))) == {move: 1}


def test_what_keeps_its_backend_is_no_move_but_is_told() -> None:
    rewritten = table(route("rest", prefix("/"), to=rewriting(Rewrite(prefix="/n"))))
    other = table(route("other"))
    rest = table(route("rest"))
    plan = planned(rest, rewritten, line("/x"))
    assert (plan.moved, plan.asked_otherwise, plan.rerouted) == (0, 1, 0)
    plan = planned(rest, other, line("/x"))
    assert (plan.moved, plan.asked_otherwise, plan.rerouted) == (0, 0, 1)


def test_options_for_the_facade_itself_goes_to_no_backend_of_either_table() -> None:
    asks_the_facade = facts("/l", "OPTIONS", headers={"max-forwards": "0"})
    assert destination_of(side(OLD), asks_the_facade, 0) == Destination(None, "204")
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
        plan.feed(line(target))
    assert len(plan.moves) == 10_001, "all further kinds are one"
    assert plan.moved == 3


# --- what may move -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("list", Expected("list")),
        ("legacy:new", Expected(None, "legacy", "new")),
        ("legacy->new", Expected(None, "legacy", "new")),
        ("list=legacy:410", Expected("list", "legacy", "410")),
        ("none", None),
    ],
)
def test_an_expectation_is_a_route_a_move_or_both(said: str, expected: Expected | None) -> None:
    assert parse_expected(said, (OLD, NEW)) == expected


@pytest.mark.parametrize(
    "said", ["lst", "legacy-", "legacy:nwe", "list=legacy", "x=legacy:new", ":new", ""]
)
def test_an_expectation_of_something_unknown_gets_a_sentence(said: str) -> None:
    with pytest.raises(FacadeError, match="--expect"):
        parse_expected(said, (OLD, NEW))


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


# --- lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "truncated"),
        (b"[]", "object"),
        (b'{"method": "GET"}', "it has no host and no target"),
        (b'{"method": 1, "host": "h", "target": "/"}', "str"),
        (b'{"method": "GET", "host": "h", "target": "x"}', "slash"),
        (b'{"method": "GET", "host": "h", "target": "/", "bucket": 100}', "bucket"),
        (b'{"method": "GET", "host": "\xe2\x82\xac", "target": "/"}', "no request can hold"),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_line_of_no_use_is_counted_and_named_and_never_fatal(text: bytes, why: str) -> None:
    plan = planned(OLD, NEW, line(), text, line())
    assert (plan.requests, plan.bad_lines) == (2, 1)
    ((number, said),) = plan.first_bad
    assert number == 2
    assert why in said


def test_only_the_first_lines_of_no_use_are_named() -> None:
    plan = planned(OLD, NEW, *[b"{"] * 50)
    plan.feed_cut()
    assert (plan.bad_lines, len(plan.first_bad), plan.lines) == (51, 5, 51)


def test_a_request_that_was_refused_unread_is_not_replayed_and_that_is_said() -> None:
    plan = planned(OLD, NEW, b'{"reason": "bad_request", "status": 400}', b"\n")
    assert (plan.requests, plan.bad_lines, plan.refused_unread) == (0, 0, 1)
    assert any("not replayed" in caution for caution in plan.cautions())


def test_requests_without_a_bucket_get_evenly_spread_ones() -> None:
    plan = planned(OLD, NEW, *(line(bucket=None) for _ in range(1000)))
    assert 140 <= plan.moved <= 160
    assert any("without a bucket: 1,000" in caution for caution in plan.cautions())


@pytest.mark.parametrize("draw_bp", [0, 1, 499, 1234, 9_999])
def test_a_logged_bucket_is_the_draw_again(draw_bp: int) -> None:
    said = log_line(Record("v", draw_bp, facts()), names_that_rules_read(OLD), 0.0)
    assert bucket_of(read_line(msgspec.json.encode(said)) or Logged(), 1) == draw_bp


def test_a_logged_request_is_the_same_to_the_rules_that_it_was_logged_for() -> None:
    wanted = Match(
        hosts=("www.example",),
        path=prefix("/l"),
        headers=(StringMatch("v", "exact", "ü 1"),),
        query=(StringMatch("q", "exact", "a b&c"),),
        cookies=(StringMatch("beta", "prefix", "x"),),
    )
    tested = table(route("picky", match=wanted, to=refs(new=100)), route("rest"))
    request = facts(
        "/l/%C3%BC",
        headers={"v": "ü 1", "cookie": "a=1; beta=xy", "authorization": "s3cret"},
        query="z=1&q=a+b%26c",
    )
    record = Record("v", 7, request, decide(tested, tested.routes[0], request, 7))
    logged = read_line(msgspec.json.encode(log_line(record, names_that_rules_read(tested), 0.0)))
    assert logged is not None
    assert destination_of(side(tested), facts_of_recorded(logged), 7).route == "picky"


def test_a_logged_host_header_is_not_doubled() -> None:
    logged = Logged("GET", "h", "/", headers={"host": ["h"]})
    assert facts_of_recorded(logged).headers == [(b"host", b"h")]


# --- what is said of the replay's limits -----------------------------------------------------------


def reading(name: str, cohort: Cohort | None = None) -> RouteTable:
    wanted = Match(headers=(StringMatch(name, "present", "true"),))
    return table(replace(route("r", match=wanted), cohort=cohort), route("rest"))


COHORT = Cohort("people", "s", (HashKey("header", "x-user"), HashKey("cookie", "uid")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (reading("a"), reading("a"), []),
        (reading("a"), reading("host"), []),
        (
            reading("a"),
            reading("b"),
            ["the new table reads header b, which the log does not hold: it is replayed as absent"],
        ),
        (
            replace(
                reading("x-user", COHORT),
                not_implemented=(UnimplementedField("routes", "r", "cohort"),),
            ),
            reading("a"),
            [
                "the old table reads header x-user, which the log holds only as a hash: "
                "only whether it is there is replayed",
                "the new table reads header a, which the log does not hold: it is replayed as absent",
            ],
        ),
    ],
)
def test_what_the_log_does_not_hold_is_said(
    old: RouteTable, new: RouteTable, said: list[str]
) -> None:
    assert planned(old, new).cautions() == said


def test_a_cohort_that_decides_cannot_be_replayed_one_by_one() -> None:
    plan = planned(reading("a", COHORT), reading("a", COHORT))
    assert [caution[:40] for caution in plan.cautions()] == [
        "the old table's route r draws by the coh",
        "the new table's route r draws by the coh",
    ]


def test_lines_of_other_tables_are_said_to_be_so() -> None:
    plan = planned(OLD, NEW, line(), line(table="other"))
    (caution,) = plan.cautions()
    assert "(v): 1 requests" in caution


def test_other_endpoints_are_no_move_but_are_told() -> None:
    moved = replace(backend("legacy"), endpoints=(Endpoint("http", "elsewhere", 80),))
    new = replace(OLD, backends=(moved, backend("new")))
    plan = planned(OLD, new, line("/x"))
    assert plan.moved == 0
    assert "http://elsewhere" in plan.cautions()[0]


TARGETS = st.sampled_from(["/", "/l", "/l/x", "/gone", "/l%2Fx", "/l//x", "/é", "/x;a=b"])


@settings(deadline=None)
@given(
    st.lists(st.tuples(TARGETS, st.integers(0, 9_999), st.sampled_from(["GET", "POST"]))),
    st.integers(0, 100),
)
def test_a_table_planned_with_itself_moves_nothing(
    asked: list[tuple[str, int, str]], weight: int
) -> None:
    tested = table(GONE, route("l", prefix("/l"), to=refs(a=100 - weight, b=weight)))
    lines = (line(target, draw / 100, method=method) for target, draw, method in asked)
    plan = planned(tested, tested, *lines)
    assert (plan.moved, plan.asked_otherwise, plan.rerouted) == (0, 0, 0)
    assert plan.requests == len(asked)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_line_is_fatal(text: bytes) -> None:
    try:
        logged = read_line(text)
    except Unreadable:
        return
    if logged is not None:
        assert isinstance(facts_of_recorded(logged), Facts)
