"""Runs a rollout: reads the state, asks `machine` what is next, does it, and begins again (ADR 33).

Nothing of the state is kept here but the figures of the current step. So a runner may be killed at any time.
"""

import asyncio
import time
from pathlib import Path

from msgspec import Struct

from proxy.control.atomic_file import resolve_links
from proxy.control.rollout import edits
from proxy.control.rollout.admins import Admins
from proxy.control.rollout.apply import needs_apply
from proxy.control.rollout.events import EventName, Observer, Progress, event_of, weight_of
from proxy.control.rollout.lock import only_runner
from proxy.control.rollout.machine import (
    Action,
    Begin,
    Complete,
    Ended,
    Look,
    Next,
    Pause,
    Refuse,
    RollBack,
    Situation,
    Take,
    Watch,
    next_action,
    step_text,
)
from proxy.control.rollout.observation import Observed, StepObservation
from proxy.control.rollout.state import StateReader, TableState
from proxy.control.rollout.writer import Moved, RolloutWriter
from proxy.control.rollout_mark import ENDED, MarkEvent, RolloutMark, fits
from proxy.errors import EditError, TableError

COMPLETED, ROLLED_BACK, PAUSED = 0, 4, 5
_TICK_S = 0.25
_EVENTS: dict[MarkEvent, EventName] = {
    "step": "step",
    "passed": "step",
    "promoted": "promoted",
    "rolled_back": "rolled_back",
    "aborted": "aborted",
    "completed": "completed",
}


class RunOptions(Struct, frozen=True):
    """What a person wants."""

    path: Path
    route: str
    who: str
    restart: bool = False
    """Begin again after an end."""
    waits: bool = False
    """Wait at a pause, instead of ending."""
    command: str = ""
    """`--apply`."""


class Runner:
    """Runs the rollout of one route."""

    def __init__(self, options: RunOptions, admins: Admins, observer: Observer) -> None:
        self._options = options
        self._name = options.route
        self._table = resolve_links(options.path)
        self._reader = StateReader(self._table, str(options.path))
        self._writer = RolloutWriter(options.path, options.route, options.who, options.command)
        self._admins = admins
        self._observer = observer
        self._restart = options.restart
        self._is_first = True
        self._mark: RolloutMark | None = None
        self._observation: StepObservation | None = None
        self._look: Look | None = None
        self._paused = ""
        self._has_told_end = False

    async def run(self) -> int:
        """Returns the exit status. Raises FacadeError or OSError."""
        with only_runner(self._table, self._name):
            await self._synchronise()
            while True:
                status = await self._turn()
                if status is not None:
                    return status

    async def _turn(self) -> int | None:
        """Do what is next."""
        try:
            state = await asyncio.to_thread(self._reader.read)
        except TableError as error:
            first = str(error).splitlines()[0]
            return await self._rest(f"the table does not load, and stays as it is: {first}", None)
        situation = await self._situation(state)
        try:
            return await self._act(next_action(situation), state)
        except Moved:
            self._reader.forget()
            return None

    async def _synchronise(self) -> None:
        """With `--apply`: give on the table that a killed runner has left behind."""
        if not self._options.command:
            return
        state = await asyncio.to_thread(self._reader.read)
        reports = await self._admins.reports(self._name, 0.01, with_parity=False)
        if reports.missing:
            raise EditError(f"it is not known which table is served: {reports.missing}")
        if needs_apply(reports.reports, state.entries, state.version):
            await self._writer.give_on(state.text)

    # --- what is known --------------------------------------------------------------------------

    async def _situation(self, state: TableState) -> Situation:
        route, mark = state.route(self._name), state.mark(self._name)
        if mark != self._mark:
            is_told = not self._is_first or (mark is not None and mark.event == "promoted")
            if mark is not None and is_told and mark.event in _EVENTS:
                self._emit(_EVENTS[mark.event], state, state.reason(self._name))
                self._has_told_end = mark.event in ENDED
            self._observation = self._look = None
            self._mark, self._paused = mark, ""
        self._is_first = False
        seen = await self._observe(state)
        begun = time.time() if seen is None else seen.begun
        self._look = None if seen is None else seen.look
        return Situation(
            route,
            time.time(),
            mark,
            state.loaded.table.kill_switch,
            begun,
            self._look,
            "" if seen is None else seen.open_breaker,
            self._restart,
        )

    async def _observe(self, state: TableState) -> Observed | None:
        """The figures of the current step; None if they do not matter."""
        route, mark = state.route(self._name), self._mark
        rollout = route.rollout
        if rollout is None or mark is None or mark.event == "paused" or not edits.is_active(mark):
            return None
        is_watched = mark.step < len(rollout.steps) and rollout.steps[mark.step].is_watched
        if not is_watched or not fits(mark, route):
            return None
        if self._observation is None:
            self._observation = StepObservation(self._admins, time.time())
        seen = await self._observation.observe(route, state.version, time.time())
        if seen.is_new and seen.look is not None:
            self._look = seen.look
            self._emit("verdict", state, f"{step_text(rollout, mark.step)}: {seen.look.verdict}")
        return seen

    # --- what is done ---------------------------------------------------------------------------

    async def _act(self, action: Action, state: TableState) -> int | None:
        """Returns the exit status, if the runner ends."""
        if isinstance(action, Refuse):
            raise EditError(action.reason)
        if isinstance(action, Ended):
            return self._ended(action, state)
        if isinstance(action, Watch):
            self._observer.progress(self._progress(action, state))
            await asyncio.sleep(_TICK_S)
            return None
        if isinstance(action, Pause) and not action.is_new:
            return await self._rest(action.reason, state)
        if isinstance(action, RollBack):
            return await self._go_back(action, state)
        await self._write(action, state)
        return None

    async def _write(self, action: Action, state: TableState) -> None:
        route, mark, now = state.route(self._name), self._mark, time.time()
        rollout = route.rollout
        assert rollout is not None
        if isinstance(action, Begin):
            self._restart = False
            await self._write_mark(state, "begun", 0, "the rollout begins")
            return
        assert mark is not None
        if isinstance(action, Take):
            step = rollout.steps[action.step]
            await self._writer.write(
                mark,
                step_text(rollout, action.step),
                lambda table: edits.taken(table, step, mark, now),
                whole=step.mirror_bp is not None,
            )
        elif isinstance(action, Next):
            await self._write_mark(state, "passed", mark.step + 1, step_text(rollout, mark.step))
        elif isinstance(action, Pause):
            await self._write_mark(state, "paused", mark.step, action.reason)
        elif isinstance(action, Complete):
            await self._write_mark(state, "completed", mark.step, "all steps are taken")

    async def _go_back(self, action: RollBack, state: TableState) -> int | None:
        route, mark, now = state.route(self._name), self._mark, time.time()
        assert route.rollout is not None
        assert mark is not None
        way, known = route.rollout.on_failure, mark
        recorded = await self._writer.go_back(
            mark,
            action.reason,
            lambda table: edits.returned(table, way, known, "rolled_back", now),
            self._observer.warn,
        )
        self._reader.forget()
        if recorded:
            return None  # The next turn finds the mark.
        self._emit("rolled_back", await asyncio.to_thread(self._reader.read), action.reason)
        return ROLLED_BACK

    async def _write_mark(
        self, state: TableState, event: MarkEvent, step: int, reason: str
    ) -> None:
        route, now = state.route(self._name), time.time()
        await self._writer.write(
            self._mark,
            reason,
            lambda table: edits.marked(table, route, event, step, now),
            whole=False,
        )

    async def _rest(self, reason: str, state: TableState | None) -> int | None:
        """Stop for a person: once, or until something changes."""
        if reason != self._paused:
            self._paused = reason
            recorded = "" if state is None else state.reason(self._name)
            text = recorded if self._mark is not None and self._mark.event == "paused" else reason
            if state is None:
                self._observer.warn(text)
            else:
                self._emit("paused", state, text or reason)
        if not self._options.waits:
            return PAUSED
        await asyncio.sleep(_TICK_S)
        return None

    def _ended(self, action: Ended, state: TableState) -> int:
        """A runner that finds the end tells it; one that has brought it about has told it already."""
        if not self._has_told_end:
            hint = "" if action.event == "completed" else "; --restart begins again"
            self._emit(_EVENTS[action.event], state, f"{state.reason(self._name)}{hint}")
        return COMPLETED if action.event == "completed" else ROLLED_BACK

    # --- what is told ---------------------------------------------------------------------------

    def _emit(self, name: EventName, state: TableState, text: str) -> None:
        route, mark = state.route(self._name), state.mark(self._name)
        count = 0 if route.rollout is None else len(route.rollout.steps)
        done = name in ("step", "promoted", "completed")
        step = 0 if mark is None else mark.step + (0 if done else 1)
        self._observer.event(event_of(name, route, min(step, count), time.time(), self._look), text)

    def _progress(self, action: Watch, state: TableState) -> Progress:
        route = state.route(self._name)
        assert route.rollout is not None
        return Progress(
            step_text(route.rollout, action.step),
            weight_of(route),
            route.stage,
            self._look,
            action.left_s,
        )
