"""What a replay of recorded requests cannot know, as sentences."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.control.replay.log_reader import LogReader
from proxy.control.replay.plan import Plan
from proxy.model import (
    Cohort,
    Endpoint,
    HashKey,
    RouteTable,
)
from proxy.model.match import Match, StringMatch
from tests.make import backend, refs, route, table, template
from tests.unit.control.plans import NEW, OLD, line, planned, read_all, side


def reading(name: str, cohort: Cohort | None = None) -> RouteTable:
    wanted = Match(headers=(StringMatch(name, "present", "true"),))
    return table(replace(route("r", match=wanted), cohort=cohort), route("rest"))


COHORT = Cohort("people", "s", (HashKey("header", "x-user"), HashKey("cookie", "uid")))


@pytest.mark.parametrize(
    ("old", "new", "cautions"),
    [
        (reading("a"), reading("a"), []),
        (reading("a"), reading("host"), []),
        (
            reading("a"),
            reading("b"),
            ["the new table reads header b, which the log does not hold: it is replayed as absent"],
        ),
        (
            reading("x-user", COHORT),
            reading("a"),
            [
                "the old table reads header x-user, which the log holds only as a hash: "
                "only whether it is there is replayed",
                "the new table reads header a, which the log does not hold: it is replayed as absent",
            ],
        ),
    ],
)
def test_the_limits_of_the_log_are_reported(
    old: RouteTable, new: RouteTable, cautions: list[str]
) -> None:
    assert planned(old, new).cautions() == cautions


CANARY = replace(route("r", to=refs(legacy=90, new=10), stage="canary"), cohort=COHORT)
OF_ANOTHER_SALT = replace(CANARY, cohort=replace(COHORT, salt="t"))


@pytest.mark.parametrize(
    ("old", "new", "is_exact"),
    [
        pytest.param(table(CANARY), table(CANARY), True, id="the same cohort"),
        pytest.param(table(CANARY), table(OF_ANOTHER_SALT), False, id="another salt"),
        pytest.param(table(replace(CANARY, cohort=None)), table(CANARY), False, id="a new cohort"),
        pytest.param(table(CANARY), table(replace(CANARY, cohort=None)), True, id="no cohort"),
        pytest.param(table(CANARY, kill_switch=True), table(CANARY), False, id="no bucket so far"),
        pytest.param(table(CANARY), table(CANARY, kill_switch=True), True, id="no bucket any more"),
    ],
)
def test_another_cohort_cannot_be_replayed_one_by_one(
    old: RouteTable, new: RouteTable, is_exact: bool
) -> None:
    expected = [] if is_exact else ["the new table's route r decides by the cohort people, of"]
    assert [caution[:56] for caution in planned(old, new).cautions()] == expected


def test_requests_recorded_under_other_tables_are_reported() -> None:
    plan = planned(OLD, NEW, line(), line(table="other"))
    (caution,) = plan.cautions()
    assert "(v): 1 requests" in caution


def test_other_endpoints_are_no_move_but_are_reported() -> None:
    moved = replace(backend("legacy"), endpoints=(Endpoint("http", "elsewhere", 80),))
    new = replace(OLD, backends=(moved, backend("new")))
    plan = planned(OLD, new, line("/x"))
    assert plan.moved == 0
    assert "http://elsewhere" in plan.cautions()[0]


def common(target: str = "/l", host: str = "") -> bytes:
    before = f"{host} " if host else ""
    return (
        f'{before}192.0.2.1 - - [29/Nov/2026:10:00:00 +0000] "GET {target} HTTP/1.1" 200 5'.encode()
    )


IN_TEXT = Match(
    hosts=("www.example",),
    headers=(StringMatch("b", "present", "true"), StringMatch("host", "present", "true")),
    query=(StringMatch("q", "exact", "1"),),
    cookies=(StringMatch("c", "present", "true"),),
)


def test_a_text_log_has_the_query_but_no_headers_and_cookies() -> None:
    tested = table(route("r", match=IN_TEXT), route("rest"))
    assert planned(tested, tested, common(host="www.example")).cautions() == [
        "without headers and cookies: 1 requests; replayed as absent are header b, cookie c",
        "without a bucket: 1 requests; they were given buckets that are spread evenly",
    ]


def test_a_text_log_without_hosts_needs_one_where_the_tables_read_it() -> None:
    by_host = table(route("r", match=Match(hosts=("www.example",))), route("rest"))
    plan = planned(by_host, table(route("rest")), common())
    assert plan.rerouted == 0
    assert plan.cautions()[-1] == (
        "without a host: 1 requests; no route with `hosts` takes them: give their host with --host"
    )
    plan = planned(by_host, table(route("rest")), common(), host="www.example")
    assert plan.rerouted == 1
    assert len(plan.cautions()) == 1


def test_a_query_of_a_text_log_is_replayed() -> None:
    by_query = table(
        route("r", match=Match(query=(StringMatch("q", "exact", "a b"),))), route("rest")
    )
    plan = planned(by_query, table(route("rest")), common("/x?q=a+b"), common("/x?q=a"))
    assert plan.rerouted == 1


def test_logs_of_both_kinds_have_both_limits() -> None:
    plan = planned(reading("a"), reading("b"), line(), common())
    assert plan.cautions()[:2] == [
        "the new table reads header b, which the log does not hold: it is replayed as absent",
        "without headers and cookies: 1 requests; replayed as absent are header a, header b",
    ]


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=255, exclude_characters="\n"), max_size=30))
def test_every_request_of_a_text_log_is_replayed_or_refused(request: str) -> None:
    wanted = Match(path=template("/a/{id}", id="[0-9]+"), query=IN_TEXT.query)
    tested = table(route("r", match=IN_TEXT), route("t", match=wanted))
    plan = Plan(side(tested), side(NEW), None, "www.example")
    line_ = common().replace(b"/l", b"/" + request.encode("latin-1"))
    reader = read_all(LogReader(plan.count), line_)
    assert plan.requests + reader.without_path + reader.rejected == 1
