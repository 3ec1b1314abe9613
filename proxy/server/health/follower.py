"""Applies the health of endpoints to the upstreams of one worker (ADR 25)."""

import time
from collections.abc import Callable

from msgspec import Struct

from proxy.health.availability import is_starting, seen_by, turns
from proxy.model import Backend, BackendHealth, Endpoint, Health
from proxy.routing.current_health import CurrentHealth
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.health_report import health_in
from proxy.telemetry.outcomes import EndpointOutcomes, WorkerOutcomes
from proxy.telemetry.shared_health import SharedHealth
from proxy.telemetry.shared_memory import SharedStats
from proxy.upstream import HttpUpstream
from proxy.upstream.http_upstream import Turn
from proxy.upstream.registry import UpstreamRegistry

_SLOW_START_TICKS = 10
"""During slow start, weights change once a second."""


class _Applied(Struct):
    """What was applied to an upstream last."""

    upstream: HttpUpstream
    order: tuple[Turn, ...]
    trial: Endpoint | None
    outcomes: EndpointOutcomes | None = None
    """Of the endpoint `trial`."""
    is_trying: bool = False


class HealthFollower:
    """The worker `number`. `follow` is called ten times a second; mostly it compares two numbers."""

    def __init__(
        self,
        table: CurrentTable,
        upstreams: UpstreamRegistry,
        stats: SharedStats,
        number: int,
        outcomes: WorkerOutcomes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.health = CurrentHealth()
        self._table = table
        self._upstreams = upstreams
        self._shared: SharedHealth = stats.health
        self._outcomes = outcomes
        self._number = number
        self._clock = clock
        self._generation = -1
        self._version: object = None
        self._ticks = 0
        self._applied: dict[str, _Applied] = {}

    def follow(self) -> None:
        """Apply what was published since the last call."""
        self._ticks += 1
        if self.health.has_ended_trials:
            self.health.has_ended_trials, self._generation = False, -1
        generation, snapshot = self._shared.generation, self._table.current
        is_due = self._ticks % _SLOW_START_TICKS == 0 and any(
            map(is_starting, self.health.current.backends.values())
        )
        if generation != self._generation or snapshot is not self._version or is_due:
            self._generation, self._version = generation, snapshot
            published = health_in(snapshot, self._shared.read(), self._clock())
            tried = self.health.tried
            self.health.current = health = Health(
                {
                    name: seen_by(self._number, each, is_tried=name in tried)
                    for name, each in published.backends.items()
                }
            )
            self._apply(health)
        for applied in self._applied.values():
            if applied.trial is not None:
                _follow_trial(applied)

    def _apply(self, health: Health) -> None:
        backends, before = self._table.current.backends, self._applied
        self._applied = {}
        for backend in backends.values():
            of_backend = health.backends.get(backend.name)
            upstream = None if of_backend is None else self._upstreams.of(backend)
            if of_backend is not None and isinstance(upstream, HttpUpstream):
                upstream.set_available(_available(backend, of_backend))
                order, trial = _choice(backend, of_backend, self._number)
                last = before.get(backend.name)
                same = last is not None and last.upstream is upstream
                if same and last is not None and (last.order, last.trial) == (order, trial):
                    self._applied[backend.name] = last
                    continue
                if last is not None and last.outcomes is not None:
                    last.outcomes.set_trying(False)
                upstream.choose_from(order, trial)
                outcomes = None if trial is None else self._outcomes.of(backend.name, trial.label)
                self._applied[backend.name] = _Applied(upstream, order, trial, outcomes)


def _available(backend: Backend, health: BackendHealth) -> list[Endpoint]:
    """The endpoints that requests are sent to, or that one request tries."""
    return [
        endpoint
        for endpoint, each in zip(backend.endpoints, health.endpoints, strict=True)
        if each.is_available or each.state == "half_open"
    ]


def _choice(
    backend: Backend, health: BackendHealth, number: int
) -> tuple[tuple[Turn, ...], Endpoint | None]:
    """The turns of a backend's endpoints, and the endpoint that a request of the worker `number` may try."""
    if health.is_panicking:
        return tuple((endpoint, 100) for endpoint in backend.endpoints), None
    available: list[Turn] = []
    trial: Endpoint | None = None
    for endpoint, each in zip(backend.endpoints, health.endpoints, strict=True):
        if each.is_available:
            available.append((endpoint, each.weight))
        elif each.state == "half_open" and each.trial_worker == number and trial is None:
            trial = endpoint
    order = turns([weight for _, weight in available])
    return tuple(available[at] for at in order), trial


def _follow_trial(applied: _Applied) -> None:
    """Let another request try the endpoint if the last one has ended, and publish whether one does."""
    upstream, outcomes = applied.upstream, applied.outcomes
    upstream.offer_trial()
    if outcomes is not None and upstream.is_trying != applied.is_trying:
        applied.is_trying = upstream.is_trying
        outcomes.set_trying(applied.is_trying)
