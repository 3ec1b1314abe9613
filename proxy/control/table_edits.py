"""The edits of the command line and of the dashboard, as functions of an `EditInput`. `edit_transaction` makes them."""

import contextlib
from collections.abc import Mapping

from proxy.control.edit_transaction import Edit, EditInput
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.operations import (
    Consent,
    change_stage,
    kill,
    restore_state,
    resume,
    shift,
)
from proxy.control.history.entries import Entry, earlier_state
from proxy.errors import EditError
from proxy.model.stage import Stage

KILL_SWITCH = "kill switch"
"""The action of an edit that sets the kill switch."""


def shift_edit(route: str, weights: Mapping[str, int], consent: Consent) -> Edit:
    """Set weights, in hundredths of a per cent."""

    def edit(edit_input: EditInput) -> EditedTable | None:
        return shift(edit_input.require_table(), route, weights, consent)

    return edit


def stage_edit(route: str, stage: Stage, weight_bp: int | None, consent: Consent) -> Edit:
    """Set a stage, and the weights that it needs."""

    def edit(edit_input: EditInput) -> EditedTable | None:
        return change_stage(edit_input.require_table(), route, stage, weight_bp, consent)

    return edit


def rollback_edit(route: str, option: str = "") -> Edit:
    """Restore the last recorded state of a route. `option` completes a command in an error message."""

    def edit(edit_input: EditInput) -> EditedTable | None:
        table = edit_input.require_table()
        table.route(route)
        state = earlier_state(edit_input.entries(), route)
        if state is None:
            raise EditError(
                f"no earlier state of {route} is recorded: `facade rollback --all{option}` "
                "sends every route with a stage to its incumbent"
            )
        return restore_state(table, route, state)

    return edit


def kill_edit(shown: str, option: str = "") -> Edit:
    """Set the kill switch. `shown` is the file as error messages name it."""

    def edit(edit_input: EditInput) -> EditedTable | None:
        if edit_input.parsed is None:
            raise EditError(
                f"{shown} does not load, so a kill switch in it would have no effect; the "
                "running facade still obeys the last table that loaded. "
                f"{_advice(edit_input, option)}\n{edit_input.error}"
            )
        return kill(edit_input.parsed)

    return edit


def resume_edit() -> Edit:
    """Reset the kill switch."""

    def edit(edit_input: EditInput) -> EditedTable | None:
        return resume(edit_input.require_table())

    return edit


def _advice(edit_input: EditInput, option: str) -> str:
    entries: tuple[Entry, ...] = ()
    # Without a history there is no version to revert to: the operator has to repair the table.
    with contextlib.suppress(OSError):
        entries = edit_input.entries()
    if not entries:
        return "Mend it first:"
    revert = f"facade revert {entries[-1].version_after} --force{option}"
    return f"Mend it, or run `{revert} && facade rollback --all{option}`:"
