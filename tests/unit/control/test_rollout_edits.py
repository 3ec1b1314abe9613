"""The edits of a rollout, their marks in the history, and the figures of several replicas."""

import msgspec
import pytest

from proxy.analysis.figures import Figures, FiguresReport
from proxy.analysis.verdicts import Sides
from proxy.control.changes import Changes, RouteState
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.operations import set_mirror
from proxy.control.edits.parsed_table import ParsedTable, parsed_table
from proxy.control.history.entries import (
    NOT_CARRIED_OUT,
    Entry,
    NewEntry,
    chained,
    line_of,
    read_entry,
    read_history,
)
from proxy.control.rollout import edits
from proxy.control.rollout.window import (
    Pair,
    Window,
    after,
    open_breaker,
    other_table,
    sides,
    unique,
)
from proxy.control.rollout_mark import RolloutMark, fits, plan_of
from proxy.errors import EditError
from proxy.model import OnFailure, Rollout, RolloutStep, Route
from tests.unit.control.rollouts import ROLLOUT, mark

TABLE = """\
version: 1
backends: {legacy: "http://a:1", new: "http://b:1"}
routes:
  - name: list
    stage: shadow
    backend_refs: {legacy: 100, new: 0}
    mirror: MIRROR
    rollout:
      steps: [{set_mirror: {percent: 50}}, {set_weight: 5}, {pause: {}}, {set_stage: live}]
"""


def table(mirror: str = "{percent: 0} # copies") -> ParsedTable:
    return parsed_table(TABLE.replace("MIRROR", mirror).encode(), "routes.yaml")


def rollout_of(route: Route) -> Rollout:
    assert route.rollout is not None
    return route.rollout


def begun(of: ParsedTable) -> RolloutMark:
    edited = edits.marked(of, of.route("list"), "begun", 0, 1.0)
    assert edited.mark is not None
    return edited.mark


def mark_of(edited: EditedTable) -> RolloutMark:
    assert edited.mark is not None
    return edited.mark


def test_a_mark_alone_leaves_the_table_as_it_is() -> None:
    before = table()
    edited = edits.marked(before, before.route("list"), "begun", 0, 1.0)
    assert (edited.text, edited.changes) == (before.text, Changes())
    state = RouteState("shadow", {"legacy": 100, "new": 0})
    plan = plan_of(rollout_of(before.route("list")))
    assert edited.mark == RolloutMark("list", "begun", 0, plan, state, 0, 1.0)


def test_each_step_edits_the_table_and_its_mark_has_the_state_after_it() -> None:
    now = table()
    last = begun(now)
    for number, step in enumerate(rollout_of(now.route("list")).steps):
        if step.waits:
            continue
        edited = edits.taken(now, step, last, 2.0)
        now = parsed_table(edited.text, "routes.yaml")
        last = mark_of(edited)
        assert last.step >= number
        assert fits(last, now.route("list"))
    assert (last.event, last.state) == ("step", RouteState("live", {"legacy": 0, "new": 100}))
    assert b"mirror: {percent: 50} # copies" in now.text


def test_a_step_that_is_taken_already_leaves_its_mark() -> None:
    now = table("{percent: 50}")
    edited = edits.taken(now, RolloutStep(mirror_bp=5000), begun(now), 2.0)
    assert (edited.text, mark_of(edited).step, mark_of(edited).mirror_bp) == (now.text, 1, 5000)


@pytest.mark.parametrize(
    ("mirror", "after_edit"),
    [
        ("{percent: 0}", b"mirror: {percent: 12.5}"),
        ("{timeout: 5s}", b"mirror: {timeout: 5s, percent: 12.5}"),
        ("\n      timeout: 5s\n      percent: 1 # few", b"      percent: 12.5 # few"),
        ("\n      timeout: 5s", b"      timeout: 5s\n      percent: 12.5\n"),
    ],
)
def test_the_percentage_of_copies_is_set_in_place(mirror: str, after_edit: bytes) -> None:
    edited = set_mirror(table(mirror), "list", 1250)
    assert edited is not None
    assert after_edit in edited.text
    assert edited.changes == Changes(changed=("list",))


def test_a_mirror_without_a_key_cannot_be_edited_in_place() -> None:
    with pytest.raises(EditError, match="`mirror` has no key"):
        set_mirror(table("{}"), "list", 1250)


def test_a_route_without_a_mirror_has_no_copies_to_change() -> None:
    text = TABLE.replace("    mirror: MIRROR\n", "").replace("{set_mirror: {percent: 50}}, ", "")
    with pytest.raises(EditError, match="route list has no `mirror`"):
        set_mirror(parsed_table(text.encode(), "routes.yaml"), "list", 1250)


@pytest.mark.parametrize(
    ("way", "stage", "weight"),
    [(OnFailure(), "shadow", 0), (OnFailure(0, "legacy"), "legacy", 0), (OnFailure(100, "canary"), "canary", 1)],
)  # fmt: skip
def test_the_way_back(way: OnFailure, stage: str, weight: int) -> None:
    canary = TABLE.replace("shadow", "canary").replace("100, new: 0", "50, new: 50")
    now = parsed_table(canary.replace("MIRROR", "{percent: 0}").encode(), "routes.yaml")
    edited = edits.returned(now, way, begun(now), "rolled_back", 3.0)
    state = RouteState(stage, {"legacy": 100 - weight, "new": weight})  # type: ignore[arg-type]
    assert (mark_of(edited).event, mark_of(edited).state) == ("rolled_back", state)
    assert fits(mark_of(edited), parsed_table(edited.text, "routes.yaml").route("list"))


@pytest.mark.parametrize(("step", "expected"), [(0, 0), (2, 3), (6, 6), (7, 7)])
def test_a_promotion_leaves_out_a_wait_and_no_edit(step: int, expected: int) -> None:
    assert edits.next_step(mark(step), ROLLOUT) == expected


# --- marks in the history -------------------------------------------------------------------


def history(*marks: RolloutMark | None) -> list[Entry]:
    entries: list[Entry] = []
    for each in marks:
        new = NewEntry("w", "rollout", Changes(), b"text", "why", each)
        entries.append(chained(new, entries[-1] if entries else None, 0.0))
    return entries


def test_a_mark_survives_in_its_line_and_others_have_no_trace_of_it() -> None:
    with_mark, without = history(mark(1), None)
    assert read_entry(line_of(with_mark)) == with_mark
    assert b'rollout":{' in line_of(with_mark)
    assert set(msgspec.json.decode(line_of(without))) == {
        "number", "time", "who", "action", "reason", "version_before", "version_after", "changes",
        "table", "previous", "hash",
    }  # fmt: skip
    lines = line_of(with_mark) + line_of(without)
    assert read_history(lines).broken_at == 0
    assert read_history(lines.replace(b'"step":1', b'"step":2')).broken_at == 1


def test_the_last_mark_of_the_route_counts() -> None:
    entries = history(mark(1), mark(2), None)
    assert edits.last_mark(entries, "list") == mark(2)
    assert edits.last_mark(entries, "other") is None


def test_a_mark_that_was_not_carried_out_does_not_count() -> None:
    entries = history(mark(1), mark(2))
    entries.append(chained(NewEntry("?", NOT_CARRIED_OUT, Changes(), b"text"), entries[-1], 0.0))
    assert edits.last_mark(entries, "list") == mark(1)


@pytest.mark.parametrize(("event", "active"), [("step", True), ("paused", True), ("aborted", False)])  # fmt: skip
def test_a_rollout_is_active_until_its_end(event: str, active: bool) -> None:
    assert edits.is_active(mark(1, event)) is active  # type: ignore[arg-type]
    assert not edits.is_active(None)


def test_nothing_is_written_over_the_change_of_somebody_else() -> None:
    now = table()
    expected = begun(now)
    edits.check_unmoved(history(expected), now, expected)
    for entries, moved in (
        (history(expected, mark(3)), now),
        (history(expected), parsed_table(now.text.replace(b"shadow", b"legacy"), "routes.yaml")),
    ):
        with pytest.raises(EditError, match="was changed while the rollout looked at it"):
            edits.check_unmoved(entries, moved, expected)


# --- replicas -------------------------------------------------------------------------------

PAIR = Pair("list", "legacy", "new")


def report(
    replica: str, requests: int, tables: tuple[str, ...] = ("v",), breaker: str = "closed"
) -> FiguresReport:
    backends = {"new": Figures(1, 0, {5: requests}), "legacy": Figures(0, 0, {5: 2 * requests})}
    return FiguresReport(
        replica, f"host-{replica}", 1, tables, {"new": breaker}, {"list": backends}
    )


def test_the_figures_since_the_step_began_are_added_over_replicas() -> None:
    window: Window = after({}, (report("a", 10), report("b", 100)), PAIR)
    window = after(window, (report("a", 15),), PAIR)
    window = after(window, (report("b", 103), report("c", 1000)), PAIR)
    assert sides(window, None) == Sides(Figures(0, 0, {5: 8}), Figures(0, 0, {5: 16}))


def test_a_replica_without_the_route_counts_nothing() -> None:
    window = after({}, (FiguresReport("a", "h", 1, ("v",)),), PAIR)
    assert sides(window, None) == Sides()


def test_a_replica_with_another_table_is_named() -> None:
    assert other_table((report("a", 1), report("b", 1, ("v", "w"))), "v") == (
        "host-b serves version w of the table, not v"
    )
    assert other_table((report("a", 1),), "v") == ""


def test_one_open_breaker_is_enough() -> None:
    reports = (report("a", 1), report("b", 1, breaker="open"))
    assert (open_breaker(reports, "new"), open_breaker(reports, "legacy")) == ("new", "")


def test_a_replica_with_two_addresses_counts_once() -> None:
    assert len(unique((report("a", 1), report("a", 2), report("b", 1)))) == 2
