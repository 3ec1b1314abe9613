"""What a replay of recorded requests cannot know, as sentences."""

import pytest
from msgspec.structs import replace

from proxy.model import (
    Cohort,
    Endpoint,
    HashKey,
    RouteTable,
    UnimplementedField,
)
from proxy.model.match import Match, StringMatch
from tests.make import backend, route, table
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
def test_the_limits_of_the_log_are_reported(
    old: RouteTable, new: RouteTable, cautions: list[str]
) -> None:
    assert planned(old, new).cautions() == cautions


def test_a_cohort_that_decides_cannot_be_replayed_one_by_one() -> None:
    plan = planned(reading("a", COHORT), reading("a", COHORT))
    assert [caution[:40] for caution in plan.cautions()] == [
        "the old table's route r draws by the coh",
        "the new table's route r draws by the coh",
    ]


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
