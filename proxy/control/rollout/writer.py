"""Writes the steps of a rollout through the edit transaction, and gives the new table to `--apply`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from proxy.control.edit_transaction import NOT_RECORDED, EditInput, EditRequest, EditResult, perform
from proxy.control.edits.editable import EditableTable, EditedTable
from proxy.control.history.entries import Entry
from proxy.control.rollout.apply import apply
from proxy.control.rollout.edits import check_unmoved, last_mark
from proxy.control.rollout_mark import ENDED, RolloutMark
from proxy.errors import EditError

ACTION = "rollout"
_RETRY_S = 1.0
_TRIES = 5
_WAY_BACK_TRIES = 600
"""Ten minutes: the newcomer fails while they pass."""
_MAX_REASON = 500

MakeEdit = Callable[[EditableTable], EditedTable]


class Moved(EditError):
    """The table or the rollout is not what the decision was based on: it has to be made again."""


class RolloutWriter:
    """Writes for one runner. `warn` tells a person about a write that has to be tried again."""

    def __init__(self, path: Path, route: str, who: str, command: str = "") -> None:
        self._path = path
        self._route = route
        self._who = who
        self._command = command

    async def write(
        self, expected: RolloutMark | None, reason: str, make: MakeEdit, *, whole: bool
    ) -> None:
        """One edit. Raises Moved if the rollout is not at `expected`; EditError or OSError: nothing was written."""
        result = await asyncio.to_thread(
            perform,
            self._path,
            self._request(reason, whole=whole),
            _edit(expected, self._route, make),
        )
        await self._give_on(result, _TRIES)

    async def go_back(
        self, expected: RolloutMark, reason: str, make: MakeEdit, warn: Callable[[str], None]
    ) -> bool:
        """The way back. It is tried again for ten minutes, for example while the disk is full.

        Returns whether it is in the history, too: the table matters more.
        """
        request = self._request(reason, whole=False, may_skip_history=True)
        edit = _edit(expected, self._route, make)
        for left in range(_WAY_BACK_TRIES, 0, -1):
            try:
                result = await asyncio.to_thread(perform, self._path, request, edit)
                break
            except Moved:
                raise
            except (EditError, OSError) as error:
                if left == 1:
                    raise
                if left == _WAY_BACK_TRIES:
                    warn(f"the way back cannot be written, and is tried again: {error}")
            await asyncio.sleep(_RETRY_S)
        for text in result.warnings:
            warn(text)
        await self._give_on(result, _WAY_BACK_TRIES)
        return not any(text.startswith(NOT_RECORDED) for text in result.warnings)

    async def give_on(self, table: bytes) -> None:
        """Give a table to `--apply`, if there is one. Raises EditError."""
        await self._apply(table, _TRIES)

    async def _give_on(self, result: EditResult, tries: int) -> None:
        if result.written:
            await self._apply(result.after, tries)

    async def _apply(self, table: bytes, tries: int) -> None:
        if not self._command:
            return
        for left in range(tries, 0, -1):
            try:
                await apply(self._command, table)
                return
            except EditError:
                if left == 1:
                    raise
            await asyncio.sleep(_RETRY_S)

    def _request(self, reason: str, *, whole: bool, may_skip_history: bool = False) -> EditRequest:
        return EditRequest(
            ACTION,
            self._who,
            time.time(),
            reason[:_MAX_REASON],
            may_skip_history=may_skip_history,
            route="" if whole else self._route,
        )


def _edit(
    expected: RolloutMark | None, route: str, make: MakeEdit
) -> Callable[[EditInput], EditedTable | None]:
    def edit(edit_input: EditInput) -> EditedTable | None:
        table = edit_input.require_table()
        _check(edit_input.entries(), table, expected, route)
        return make(table)

    return edit


def _check(
    entries: Sequence[Entry], table: EditableTable, expected: RolloutMark | None, route: str
) -> None:
    try:
        if expected is None or expected.event in ENDED:
            if last_mark(entries, route) != expected:
                raise EditError(f"the rollout of {route} has begun already")
        else:
            check_unmoved(entries, table, expected)
    except EditError as error:
        raise Moved(str(error)) from None
