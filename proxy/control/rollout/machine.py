"""What a rollout does next: a function of the table, the last mark of the history, the figures and the clock. Pure.

The state of a rollout is its last mark (`rollout_mark`). A runner that was killed reads it, and does what is next.
"""

from msgspec import Struct

from proxy.analysis.verdicts import MetricVerdict, Verdict, overall
from proxy.control.changes import state_of, state_text
from proxy.control.rollout_mark import ENDED, MarkEvent, RolloutMark, fits, plan_of
from proxy.model import ALL_BP, Analysis, Rollout, RolloutStep, Route

MAX_LOOKS = 60
"""The looks of an analysis without a duration. If it has no verdict then, it is inconclusive."""
MAX_BLIND_LOOKS = 3
"""The looks in a row that may lack a replica's figures."""


class Look(Struct, frozen=True):
    """One evaluation of the figures since the step began."""

    metrics: tuple[MetricVerdict, ...] = ()
    missing: str = ""
    """Why the figures are incomplete: the look is inconclusive then."""
    blind: int = 0
    """How many looks in a row were incomplete, this one included."""

    @property
    def verdict(self) -> Verdict:
        return "inconclusive" if self.missing else overall(self.metrics)


class Situation(Struct, frozen=True):
    """Everything that decides what comes next."""

    route: Route
    now: float
    """`time.time()`."""
    mark: RolloutMark | None = None
    kill_switch: bool = False
    begun: float = 0.0
    """When the runner began to look at the figures of this step: an analysis is not older than its figures."""
    look: Look | None = None
    """A new look, if there is one."""
    open_breaker: str = ""
    """The newcomer's backend, if its breaker is open."""
    restart: bool = False
    """The operator wants a rollout that has ended from its first step."""


class Begin(Struct, frozen=True):
    """Record that the rollout begins."""


class Take(Struct, frozen=True):
    """Take the step: edit the table."""

    step: int


class Watch(Struct, frozen=True):
    """Look at the figures again. `left_s` is the rest of the step, if its end is known."""

    step: int
    left_s: float | None = None


class Next(Struct, frozen=True):
    """Record that a wait is over."""

    step: int


class Pause(Struct, frozen=True):
    """Stop for a person. `is_new`: it has to be recorded, since nothing else in the state says it."""

    reason: str
    is_new: bool = False


class RollBack(Struct, frozen=True):
    """Return to the way back of the table, now."""

    reason: str


class Complete(Struct, frozen=True):
    """Record that the last step is done."""


class Ended(Struct, frozen=True):
    """The rollout has ended before."""

    event: MarkEvent


class Refuse(Struct, frozen=True):
    """There is nothing to roll out."""

    reason: str


Action = Begin | Take | Watch | Next | Pause | RollBack | Complete | Ended | Refuse


def next_action(situation: Situation) -> Action:
    """The order of the checks is the order of the lines."""
    route, mark = situation.route, situation.mark
    rollout = route.rollout
    if rollout is None:
        return Refuse(f"route {route.name} has no `rollout`: write its steps into the table")
    if mark is None or (mark.event in ENDED and situation.restart):
        return _begin(route, rollout)
    if mark.event in ENDED:
        return Ended(mark.event)
    change = _foreign_change(situation, rollout, mark)
    if change:
        return Pause(change)
    if mark.event == "paused":
        return Pause(f"{step_text(rollout, mark.step)} is paused")
    if mark.step >= len(rollout.steps):
        return Complete()
    step = rollout.steps[mark.step]
    if not step.waits:
        return Take(mark.step)
    if step.is_pause and step.duration_s is None:
        return Pause(f"{step_text(rollout, mark.step)}: a person has to promote it")
    return _waiting(situation, rollout, mark, step)


def _begin(route: Route, rollout: Rollout) -> Action:
    if len(route.backend_refs) != 2:
        return Refuse(f"route {route.name} has no newcomer: name it second in its `backend_refs`")
    weight_bp = route.backend_refs[1].weight_bp
    if route.stage in ("live", "retired"):
        return Refuse(f"route {route.name} is {route.stage} already: there is nothing to roll out")
    for number, step in enumerate(rollout.steps, 1):
        if step.weight_bp is not None and step.weight_bp < weight_bp:
            return Refuse(
                f"step {number} sets weight {step.weight_bp / 100:g}, and route {route.name} is at "
                f"{weight_bp / 100:g} already: bring it to its beginning with `facade shift`, or leave the step out"
            )
    return Begin()


def _foreign_change(situation: Situation, rollout: Rollout, mark: RolloutMark) -> str:
    route = situation.route
    if situation.kill_switch:
        return "the kill switch is on: the rollout goes on after `facade resume`"
    how = "go on from here with `facade rollout promote`, or go back with `facade rollout abort`"
    if not fits(mark, route):
        return (
            f"somebody else has changed route {route.name}: it was {state_text(mark.state)} after step "
            f"{mark.step}, and is {state_text(state_of(route))} now, or its mirror differs: {how}"
        )
    if mark.plan != plan_of(rollout):
        return f"somebody has changed the steps of route {route.name}: {how}"
    return ""


def _waiting(
    situation: Situation, rollout: Rollout, mark: RolloutMark, step: RolloutStep
) -> Action:
    look = situation.look
    if situation.open_breaker:
        return RollBack(f"the breaker of {situation.open_breaker} is open")
    if look is not None and look.verdict == "failed":
        failed = ", ".join(each.name for each in look.metrics if each.verdict == "failed")
        return RollBack(f"failed: {failed}")
    if step.is_pause:
        left_s = (step.duration_s or 0.0) - (situation.now - mark.at)
        return Watch(mark.step, left_s) if left_s > 0 else Next(mark.step)
    analysis = rollout.analysis
    assert analysis is not None, "the table is not loaded without it"
    return _analysing(situation, rollout, mark.step, analysis)


def _analysing(situation: Situation, rollout: Rollout, number: int, analysis: Analysis) -> Action:
    step, look = rollout.steps[number], situation.look
    duration_s, began = step.duration_s, situation.begun
    left_s = (MAX_LOOKS * analysis.interval_s if duration_s is None else duration_s) - (
        situation.now - began
    )
    if look is None:
        return Watch(number, left_s)
    if look.blind >= MAX_BLIND_LOOKS:
        return Pause(f"{step_text(rollout, number)} is inconclusive: {look.missing}", is_new=True)
    if look.verdict == "passed" and (duration_s is None or left_s <= 0):
        return Next(number)
    if left_s > 0:
        return Watch(number, left_s)
    return _inconclusive(rollout, number, analysis, look)


def _inconclusive(rollout: Rollout, number: int, analysis: Analysis, look: Look) -> Action:
    open_ones = ", ".join(each.name for each in look.metrics if each.verdict != "passed")
    reason = look.missing or open_ones or "no metric can be measured at this weight"
    text = f"{step_text(rollout, number)} is inconclusive: {reason}"
    if analysis.inconclusive == "fail":
        return RollBack(text)
    return Next(number) if analysis.inconclusive == "proceed" else Pause(text, is_new=True)


def step_text(rollout: Rollout, number: int) -> str:
    """`step 3 of 9 (set_weight 5)`."""
    total = len(rollout.steps)
    if number >= total:
        return f"the end of {total} steps"
    return f"step {number + 1} of {total} ({_what(rollout.steps[number])})"


def _what(step: RolloutStep) -> str:
    if step.weight_bp is not None:
        return f"set_weight {step.weight_bp / 100:g}"
    if step.mirror_bp is not None:
        return f"set_mirror {step.mirror_bp / 100:g}"
    if step.stage is not None:
        return f"set_stage {step.stage}"
    return "analysis" if step.is_analysis else "pause"


def newcomer_weight(route: Route) -> int:
    """In hundredths of a per cent; 0 for a route that has given its backends up."""
    if route.stage == "retired" or len(route.backend_refs) != 2:
        return 0
    return min(route.backend_refs[1].weight_bp, ALL_BP)
