"""`pause`, `resume`, `promote` and `abort`: marks in the history, which a runner sees within a second."""

import time
from collections.abc import Callable
from pathlib import Path

from proxy.control.edit_transaction import Edit, EditInput, EditRequest, EditResult, perform
from proxy.control.edits.editable import EditedTable
from proxy.control.rollout import edits
from proxy.control.rollout.machine import step_text
from proxy.control.rollout.writer import ACTION
from proxy.control.rollout_mark import RolloutMark, fits
from proxy.errors import EditError
from proxy.model import Rollout, Route

Command = Callable[[EditInput, Route, Rollout, RolloutMark], EditedTable]


def command_edit(route: str, command: Command) -> Edit:
    """The edit of a command. Raises EditError if no rollout of the route is in progress."""

    def edit(edit_input: EditInput) -> EditedTable | None:
        found = edit_input.require_table().route(route)
        mark = edits.last_mark(edit_input.entries(), route)
        if found.rollout is None:
            raise EditError(f"route {route} has no `rollout`: write its steps into the table")
        if mark is None or not edits.is_active(mark):
            raise EditError(
                f"no rollout of {route} is in progress: `facade rollout run {route}` begins one"
            )
        return command(edit_input, found, found.rollout, mark)

    return edit


def run_command(path: Path, route: str, who: str, reason: str, command: Command) -> EditResult:
    """Write the mark of a command. Raises EditError."""
    request = EditRequest(ACTION, who, time.time(), reason)
    return perform(path, request, command_edit(route, command))


def pause(edit_input: EditInput, route: Route, rollout: Rollout, mark: RolloutMark) -> EditedTable:
    """Stay at the step until `resume` or `promote`. The weights stay as they are."""
    if not fits(mark, route):
        raise EditError(
            f"route {route.name} was changed by somebody else, so its rollout waits already"
        )
    table = edit_input.require_table()
    return edits.marked(table, route, "paused", mark.step, time.time())


def resume(edit_input: EditInput, route: Route, rollout: Rollout, mark: RolloutMark) -> EditedTable:
    """Go on with the step that was paused; its analysis begins again. What was changed by hand stays."""
    step = rollout.steps[mark.step] if mark.step < len(rollout.steps) else None
    if mark.event != "paused" and fits(mark, route):
        if step is not None and step.is_pause and step.duration_s is None:
            raise EditError(
                f"{step_text(rollout, mark.step)} lasts until `facade rollout promote {route.name}`"
            )
        raise EditError(f"the rollout of {route.name} is not paused")
    return edits.marked(edit_input.require_table(), route, "resumed", mark.step, time.time())


def promote(
    edit_input: EditInput, route: Route, rollout: Rollout, mark: RolloutMark
) -> EditedTable:
    """Go on behind the pause or analysis, whatever its verdict is. What was changed by hand stays."""
    number = edits.next_step(mark, rollout)
    return edits.marked(edit_input.require_table(), route, "promoted", number, time.time())


def abort(edit_input: EditInput, route: Route, rollout: Rollout, mark: RolloutMark) -> EditedTable:
    """End the rollout, and return as after a failure."""
    return edits.returned(
        edit_input.require_table(), rollout.on_failure, mark, "aborted", time.time()
    )
