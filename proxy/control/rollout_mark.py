"""What the history keeps of a rollout: how far it has come. There is no other state of it (ADR 33)."""

import hashlib
from typing import Literal

import msgspec
from msgspec import Struct

from proxy.control.changes import RouteState, state_of
from proxy.model import Rollout, Route

MarkEvent = Literal[
    "begun",
    "step",
    "passed",
    "paused",
    "resumed",
    "promoted",
    "rolled_back",
    "aborted",
    "completed",
]
ENDED: frozenset[MarkEvent] = frozenset(("rolled_back", "aborted", "completed"))


class RolloutMark(Struct, frozen=True, forbid_unknown_fields=True):
    """One event of a rollout, and the state of the route after it."""

    route: str
    event: MarkEvent
    step: int
    """The index of the step that comes next, or that goes on; the number of steps after the last one."""
    plan: str
    """The digest of the steps."""
    state: RouteState
    mirror_bp: int | None
    at: float
    """`time.time()`."""


def plan_of(rollout: Rollout) -> str:
    """The digest of a rollout's steps and of its way back. It changes when somebody edits them."""
    text = msgspec.json.encode((rollout.steps, rollout.on_failure))
    return hashlib.sha256(text).hexdigest()[:12]


def mirror_of(route: Route) -> int | None:
    """The percentage of copies, in hundredths of a per cent. None without a mirror."""
    return None if route.mirror is None else route.mirror.percent_bp


def fits(mark: RolloutMark, route: Route) -> bool:
    """Whether the route is in the state of the mark."""
    return mark.state == state_of(route) and mark.mirror_bp == mirror_of(route)
