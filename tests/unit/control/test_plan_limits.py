"""What a replay of recorded requests cannot know, as sentences."""

import pytest
from msgspec.structs import replace

from proxy.model import (
    Cohort,
    Endpoint,
    HashKey,
    RouteTable,
)
from proxy.model.match import Match, StringMatch
from tests.make import backend, refs, route, table
from tests.unit.control.plans import NEW, OLD, line, planned


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
