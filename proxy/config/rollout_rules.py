"""The order of a rollout's steps: each leads forward, and fits the stage that the steps before it lead to.

The rules do not depend on the stage and the weights of the route: those change while the steps are taken.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from proxy.config.faults import Fault
from proxy.config.stage_rules import format_share
from proxy.model import ALL_BP
from proxy.model.stage import STAGES, Stage


class Move(Protocol):
    """Where a step or a failure leads."""

    @property
    def set_weight(self) -> int | None:
        """In hundredths of a per cent."""

    @property
    def set_stage(self) -> Stage | None: ...


def order_faults(steps: Sequence[Move]) -> Iterator[Fault]:
    """The steps that lead back, or to a weight that their stage cannot have."""
    weight: int | None = None
    stage: Stage | None = None
    for position, step in enumerate(steps):
        if step.set_weight is not None:
            text, hint = _weight_fault(step.set_weight, weight, stage)
            at = ("steps", position, "set_weight")
            weight, stage = step.set_weight, _stage_of(step.set_weight, stage)
        elif step.set_stage is not None:
            text, hint = _stage_fault(step.set_stage, weight, stage)
            at = ("steps", position, "set_stage")
            weight, stage = _weight_of(step.set_stage, weight), step.set_stage
        else:
            continue
        if text:
            yield Fault(at, text, hint)


def failure_faults(move: Move) -> Iterator[Fault]:
    """A failure leads to a weight that its stage can have, and to no later stage than canary."""
    weight, stage = move.set_weight, move.set_stage
    if weight is None and stage is None:
        yield Fault((), "nothing is done on failure", "write `set_weight` or `set_stage`")
    elif stage in ("live", "retired") or weight == ALL_BP:
        key = "set_stage" if stage in ("live", "retired") else "set_weight"
        hint = "write `{set_weight: 0, set_stage: shadow}`"
        yield Fault((key,), "a failure leads to more traffic for the newcomer", hint)
    elif stage == "canary" and not weight:
        yield Fault(("set_stage",), "stage canary without a weight", "add `set_weight: 5`")
    elif stage in ("legacy", "shadow") and weight:
        text = f"stage {stage} wants weight 0, not {format_share(weight)}"
        yield Fault(("set_weight",), text, "write `set_weight: 0`, or `set_stage: canary`")


def _weight_fault(new: int, weight: int | None, stage: Stage | None) -> tuple[str, str]:
    if stage == "retired":
        return "a weight after stage retired", "leave it out, or put it before"
    if weight is not None and new < weight:
        text = f"weight {format_share(new)} after {format_share(weight)} moves clients back"
        return text, "put the weights in order; `on_failure` is the way back"
    return "", ""


def _stage_fault(new: Stage, weight: int | None, stage: Stage | None) -> tuple[str, str]:
    if stage is not None and STAGES.index(new) < STAGES.index(stage):
        return f"stage {new} after {stage} moves back", "put the stages in order"
    if new == "canary" and weight == 0:
        return "stage canary after weight 0", "write `set_weight: 5`, which sets the stage, too"
    return "", ""


def _stage_of(weight: int, stage: Stage | None) -> Stage | None:
    if weight:
        return "live" if weight == ALL_BP else "canary"
    return stage


def _weight_of(stage: Stage, weight: int | None) -> int | None:
    if stage in ("legacy", "shadow"):
        return 0
    return ALL_BP if stage == "live" else weight
