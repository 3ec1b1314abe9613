"""The edits of a rollout. Each writes its mark in the same entry of the history as the change of the table. Pure.

An edit is made under the lock of the history, and only if the last mark is still the one that the decision was based
on and the route is in its state. So no step is taken twice, and none over somebody else's change.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from proxy.control.changes import Changes, state_of
from proxy.control.edits.editable import EditableTable, EditedTable
from proxy.control.edits.operations import Consent, change_stage, set_mirror, shift
from proxy.control.history.entries import Entry, carried_out
from proxy.control.rollout_mark import ENDED, MarkEvent, RolloutMark, mirror_of, plan_of
from proxy.errors import EditError
from proxy.model import OnFailure, Rollout, RolloutStep, Route

_CONSENT = Consent()


def last_marked(entries: Sequence[Entry], route: str) -> Entry | None:
    """The last entry with a mark of the route that took effect."""
    found = None
    for entry in carried_out(entries):
        if isinstance(entry.rollout, RolloutMark) and entry.rollout.route == route:
            found = entry
    return found


def last_mark(entries: Sequence[Entry], route: str) -> RolloutMark | None:
    """Its mark."""
    entry = last_marked(entries, route)
    return entry.rollout if entry is not None and isinstance(entry.rollout, RolloutMark) else None


def marked(
    table: EditableTable, route: Route, event: MarkEvent, step: int, now: float
) -> EditedTable:
    """A mark alone: the table stays as it is. `route` is complete."""
    assert route.rollout is not None
    mark = RolloutMark(
        route.name, event, step, plan_of(route.rollout), state_of(route), mirror_of(route), now
    )
    return EditedTable(table.text, table.kill_switch, Changes(), table.nodes, mark)


def taken(table: EditableTable, step: RolloutStep, mark: RolloutMark, now: float) -> EditedTable:
    """The table after a step that edits it, and the mark of the one behind it. Raises EditError."""
    name = mark.route
    if step.mirror_bp is not None:
        edited = set_mirror(table, name, step.mirror_bp)
    elif step.stage is not None:
        edited = change_stage(table, name, step.stage, None, _CONSENT)
    else:
        edited = _weighted(table, name, step.weight_bp or 0)
    mirror_bp = mark.mirror_bp if step.mirror_bp is None else step.mirror_bp
    return _with_mark(
        table, edited, replace(mark, event="step", step=mark.step + 1, at=now), mirror_bp
    )


def returned(
    table: EditableTable, way: OnFailure, mark: RolloutMark, event: MarkEvent, now: float
) -> EditedTable:
    """The table after a failure or an abort."""
    name = mark.route
    edited = change_stage(
        table, name, way.stage, way.weight_bp if way.stage == "canary" else None, _CONSENT
    )
    return _with_mark(table, edited, replace(mark, event=event, at=now), mark.mirror_bp)


def check_unmoved(entries: Sequence[Entry], table: EditableTable, expected: RolloutMark) -> None:
    """Raises EditError if somebody else has moved the rollout or the route."""
    route = table.route(expected.route)
    if last_mark(entries, expected.route) != expected or state_of(route) != expected.state:
        raise EditError(
            f"route {expected.route} was changed while the rollout looked at it: nothing was written"
        )


def next_step(mark: RolloutMark, rollout: Rollout) -> int:
    """The step that a promotion leads to: past a wait, and no edit is left out."""
    step = mark.step
    return step + 1 if step < len(rollout.steps) and rollout.steps[step].waits else step


def is_active(mark: RolloutMark | None) -> bool:
    """Whether a rollout is in progress."""
    return mark is not None and mark.event not in ENDED


def _weighted(table: EditableTable, name: str, weight_bp: int) -> EditedTable | None:
    route = table.route(name)
    newcomer = route.backend_refs[1].backend
    return shift(table, name, {newcomer: weight_bp}, _CONSENT)


def _with_mark(
    table: EditableTable, edited: EditedTable | None, mark: RolloutMark, mirror_bp: int | None
) -> EditedTable:
    if edited is None:
        state = mark.state
        edited = EditedTable(table.text, table.kill_switch, Changes(), table.nodes)
    else:
        states = [each.after for each in edited.changes.routes if each.route == mark.route]
        state = (states[0] if states else None) or mark.state
    return replace(edited, mark=replace(mark, state=state, mirror_bp=mirror_bp))
