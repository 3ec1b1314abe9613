"""A brownout: a route is retired for some minutes of each hour, so that its last callers notice before it goes.

Each begin and each end is an edit of the table with an entry in the history. So a runner that was killed within a
brownout leaves its mark: the next one ends it first.
"""

import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from proxy.control.edit_transaction import EditInput, EditRequest, EditResult, perform
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.operations import Consent, change_stage, restore_state
from proxy.control.history.entries import Entry, carried_out, earlier_state
from proxy.errors import EditError

ACTION = "brownout"


class Brownout(Struct, frozen=True):
    """`times` brownouts of `for_s` seconds each; they begin `every_s` seconds apart."""

    path: Path
    route: str
    who: str
    reason: str
    for_s: float
    every_s: float
    times: int


Wait = Callable[[float], bool]
"""Waits so many seconds. Returns whether the runner is to stop."""


def run_brownouts(plan: Brownout, wait: Wait, report: Callable[[str, EditResult], None]) -> bool:
    """Carry out the plan. Returns whether it was stopped early; the route serves then. Raises FacadeError, OSError."""
    _end_old_one(plan, report)
    for number in range(plan.times):
        began = time.monotonic()
        report("begin", _perform(plan, _begin(plan.route)))
        try:
            stopped = wait(plan.for_s)
        finally:
            report("end", _perform(plan, _end(plan.route)))
        if stopped:
            return True
        is_last = number == plan.times - 1
        if not is_last and wait(max(0.0, plan.every_s - (time.monotonic() - began))):
            return True
    return False


def _end_old_one(plan: Brownout, report: Callable[[str, EditResult], None]) -> None:
    """End a brownout that a killed runner has left."""
    result = _perform(plan, _end(plan.route))
    if result.changed:
        report("end", result)


def _perform(plan: Brownout, edit: Callable[[EditInput], EditedTable | None]) -> EditResult:
    return perform(plan.path, EditRequest(ACTION, plan.who, time.time(), plan.reason), edit)


def _begin(route: str) -> Callable[[EditInput], EditedTable | None]:
    def edit(edit_input: EditInput) -> EditedTable | None:
        table = edit_input.require_table()
        if table.route(route).stage == "retired":
            raise EditError(f"route {route} is retired already, so nobody can notice a brownout")
        return change_stage(table, route, "retired", None, Consent())

    return edit


def _end(route: str) -> Callable[[EditInput], EditedTable | None]:
    def edit(edit_input: EditInput) -> EditedTable | None:
        table, entries = edit_input.require_table(), edit_input.entries()
        state = earlier_state(entries, route)
        last = _last_change(entries, route)
        is_ours = last is not None and last.action == ACTION
        if table.route(route).stage != "retired" or not is_ours or state is None:
            return None  # Somebody else has moved the route, and knows why.
        return restore_state(table, route, state)

    return edit


def _last_change(entries: tuple[Entry, ...], route: str) -> Entry | None:
    found = None
    for entry in carried_out(entries):
        if any(change.route == route for change in entry.changes.routes):
            found = entry
    return found
