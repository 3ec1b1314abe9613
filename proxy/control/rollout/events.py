"""What a runner tells: one event for each thing that happened, and its progress in between."""

from datetime import UTC, datetime
from typing import Literal, Protocol

from msgspec import Struct

from proxy.analysis.verdicts import MetricVerdict
from proxy.control.rollout.machine import Look
from proxy.model import Route
from proxy.model.stage import Stage

EventName = Literal["step", "verdict", "paused", "promoted", "rolled_back", "completed", "aborted"]


class Event(Struct, frozen=True):
    """One line of `--json`."""

    at: str
    """UTC, ISO 8601."""
    route: str
    event: EventName
    step: int
    """The number of the step, from 1."""
    weight: float | None
    """The newcomer's, in per cent."""
    stage: Stage | None
    metrics: tuple[MetricVerdict, ...] = ()


class Progress(Struct, frozen=True):
    """Where a runner waits."""

    step: str
    weight: float | None
    stage: Stage | None
    look: Look | None
    left_s: float | None
    note: str = ""
    """Why there are no figures yet."""


class Observer(Protocol):
    """Sees what a runner does."""

    def event(self, event: Event, text: str) -> None:
        """`text` is the event for people."""
        ...

    def progress(self, progress: Progress) -> None: ...

    def warn(self, text: str) -> None: ...


def event_of(name: EventName, route: Route, step: int, now: float, look: Look | None) -> Event:
    """The event with the state of the route."""
    return Event(
        datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        route.name,
        name,
        step,
        weight_of(route),
        route.stage,
        () if look is None else look.metrics,
    )


def weight_of(route: Route) -> float | None:
    """The newcomer's weight in per cent. None for a route without one."""
    if route.stage == "retired" or len(route.backend_refs) != 2:
        return None
    return route.backend_refs[1].weight_bp / 100
