"""Routes with a rollout, and marks, for tests."""

from msgspec.structs import replace

from proxy.control.changes import state_of
from proxy.control.rollout_mark import MarkEvent, RolloutMark, mirror_of, plan_of
from proxy.model import (
    Analysis,
    BackendRef,
    Match,
    Metric,
    Mirror,
    Rollout,
    RolloutStep,
    Route,
)
from proxy.model.stage import Stage

ANALYSIS = Analysis((Metric("success_rate", "new >= 0.9"),), 10.0, 100)
STEPS = (
    RolloutStep(mirror_bp=5000),
    RolloutStep(weight_bp=500),
    RolloutStep(is_analysis=True, duration_s=60.0),
    RolloutStep(is_pause=True, duration_s=30.0),
    RolloutStep(is_pause=True),
    RolloutStep(is_analysis=True),
    RolloutStep(stage="live"),
)
ROLLOUT = Rollout(STEPS, ANALYSIS)


def route(
    weight_bp: int = 500, stage: Stage | None = "canary", rollout: Rollout | None = ROLLOUT
) -> Route:
    refs = (BackendRef("legacy", 10_000 - weight_bp), BackendRef("new", weight_bp))
    return Route("list", (Match(),), refs, stage, mirror=Mirror(5000), rollout=rollout)


def mark(step: int, event: MarkEvent = "step", of: Route | None = None) -> RolloutMark:
    of = route() if of is None else of
    assert of.rollout is not None
    return RolloutMark(
        of.name, event, step, plan_of(of.rollout), state_of(of), mirror_of(of), 100.0
    )


def without_newcomer(of: Route) -> Route:
    return replace(of, backend_refs=of.backend_refs[:1])
