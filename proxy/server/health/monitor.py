"""Probes the endpoints of all backends, judges the outcomes of their requests, and publishes their states (ADR 25).

One process of a facade runs it: the only one, or the admin process beside workers.
"""

import asyncio
import contextlib
import logging
import random
import ssl
import time
from collections.abc import Callable

from msgspec.structs import replace

from proxy.health.availability import changes, health_of
from proxy.health.outliers import Interval, States, after_interval, after_outcomes
from proxy.health.probing import after_probe, first_delay_s, next_delay_s
from proxy.health.state import EndpointState
from proxy.model import Backend, BackendHealth, HealthCheck
from proxy.routing.snapshot import CurrentTable, Snapshot
from proxy.server.health.probe import probe
from proxy.telemetry.outcomes import OutcomeReader
from proxy.telemetry.shared_health import HealthReport
from proxy.telemetry.shared_memory import SharedStats, WorkerState

log = logging.getLogger(__name__)

_TICK_S = 0.1
_TRIAL_TICK_S = 0.02
"""While an endpoint is half-open: the outcome of the request that tries it is awaited."""
_IDLE_TICK_S = 0.5
"""While no backend is monitored."""
_COUNTS_S = 1.0
"""How often changes of counts alone are published."""
_TRIAL_S = 1.0
"""How long one worker may try a half-open endpoint before it is another one's turn."""


class _Monitored:
    """A backend and the states of its endpoints. Mutable."""

    def __init__(
        self, backend: Backend, states: States, interval: Interval, tls: ssl.SSLContext | None
    ) -> None:
        self.backend = backend
        self.states = states
        self.interval = interval
        self.tls = tls
        self.tasks: list[asyncio.Task[None]] = []
        self.shown = BackendHealth()
        """What was logged of it last."""


class HealthMonitor:
    """Owns a task for each endpoint with probes. `uniform` returns random numbers from [0, 1).

    `on_change` is called when states that others can see have changed.
    """

    def __init__(
        self,
        table: CurrentTable,
        stats: SharedStats,
        uniform: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._table = table
        self._stats = stats
        self._on_change = on_change
        self._probed = asyncio.Event()
        """A probe has changed a state."""
        self._reader = OutcomeReader(stats)
        self._uniform = uniform
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._backends: dict[str, _Monitored] = {}
        self._ending: set[asyncio.Task[None]] = set()
        """Cancelled tasks that have not ended yet."""
        self._published = stats.health.read()
        self._published_at = self._trial_at = 0.0
        self._is_full = False

    async def run(self) -> None:
        """Run until cancelled. `Facade.running` owns the task."""
        try:
            while True:
                self._adopt()
                self._judge()
                self._publish()
                await self._tick()
        finally:
            for monitored in self._backends.values():
                self._stop(monitored)
            if self._ending:
                await asyncio.wait(self._ending)

    async def _tick(self) -> None:
        """Wait for the next tick, or for a probe that changes a state."""
        tick_s = _TICK_S if self._backends else _IDLE_TICK_S
        if any(state.is_half_open for each in self._backends.values() for state in each.states):
            tick_s = _TRIAL_TICK_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(tick_s):
                await self._probed.wait()
        self._probed.clear()

    # --- the table --------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Follow the table: begin with new backends, keep unchanged ones, end with those that left."""
        snapshot, before = self._table.current, self._backends
        if snapshot is self._snapshot:
            return
        self._snapshot, self._backends = snapshot, {}
        for backend in snapshot.backends.values():
            last = before.get(backend.name)
            if last is not None and last.backend == backend:
                self._backends[backend.name] = before.pop(backend.name)
            elif backend.is_monitored:
                self._backends[backend.name] = self._begin(backend, last, snapshot)
        for monitored in before.values():
            self._stop(monitored)

    def _begin(self, backend: Backend, before: _Monitored | None, snapshot: Snapshot) -> _Monitored:
        states = tuple(
            replace(state, seen=self._reader.read(backend.name, endpoint.label))
            for endpoint, state in zip(
                backend.endpoints, self._first_states(backend, before), strict=True
            )
        )
        interval = Interval(self._clock(), tuple(state.seen for state in states))
        monitored = _Monitored(backend, states, interval, snapshot.contexts.get(backend.tls))
        monitored.shown = health_of(backend, states, self._clock())
        check = backend.health_check
        if check is not None:
            for at in range(len(states)):
                task = asyncio.create_task(self._probe(monitored, at, check))
                task.add_done_callback(_log_failure)
                monitored.tasks.append(task)
        return monitored

    def _first_states(self, backend: Backend, before: _Monitored | None) -> list[EndpointState]:
        """The states of a new or changed backend: those of endpoints that stay under the same rules.

        Without `before`, the process may have replaced one that has published states.
        """
        if before is None:
            known = self._published.backends.get(backend.name, {})
        elif _rules(before.backend) != _rules(backend):
            known = {}
        else:
            labels = (endpoint.label for endpoint in before.backend.endpoints)
            known = dict(zip(labels, before.states, strict=True))
        new = EndpointState(available_since=None if before is None else self._clock())
        return [known.get(endpoint.label, new) for endpoint in backend.endpoints]

    def _stop(self, monitored: _Monitored) -> None:
        for task in monitored.tasks:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    # --- events -----------------------------------------------------------------------------------

    async def _probe(self, monitored: _Monitored, at: int, check: HealthCheck) -> None:
        """Probe the endpoint `at` until cancelled."""
        backend = monitored.backend
        endpoint = backend.endpoints[at]
        wait_s = first_delay_s(check, at, len(backend.endpoints), self._uniform())
        while True:
            await asyncio.sleep(wait_s)
            began = self._clock()
            failure = await probe(backend, endpoint, check, monitored.tls)
            now, states = self._clock(), monitored.states
            state = after_probe(check, states[at], failure, began, now)
            monitored.states = (*states[:at], state, *states[at + 1 :])
            if state.visible != states[at].visible:
                self._probed.set()
            wait_s = max(0.0, next_delay_s(check, state, self._uniform()) - (now - began))

    def _judge(self) -> None:
        """Take the outcomes of requests into account."""
        now = self._clock()
        for monitored in self._backends.values():
            backend, policy = monitored.backend, monitored.backend.outlier_detection
            if policy is None:
                continue
            outcomes = tuple(
                self._reader.read(backend.name, endpoint.label) for endpoint in backend.endpoints
            )
            states = after_outcomes(policy, monitored.states, outcomes, now)
            if now - monitored.interval.began >= policy.interval_s:
                states = after_interval(policy, states, monitored.interval, now)
                monitored.interval = Interval(now, outcomes)
            monitored.states = states
        if now - self._trial_at >= _TRIAL_S:
            self._trial_at = now
            for monitored in self._backends.values():
                monitored.states = tuple(
                    self._with_next_worker(monitored.backend, at, state)
                    for at, state in enumerate(monitored.states)
                )

    def _with_next_worker(self, backend: Backend, at: int, state: EndpointState) -> EndpointState:
        """Let another worker try a half-open endpoint, if no request tries it now: not every worker has requests."""
        workers = self._stats.workers
        serving = [n for n, worker in enumerate(workers) if worker.state == WorkerState.SERVING]
        label = backend.endpoints[at].label
        if not state.is_half_open or not serving or self._reader.is_trying(backend.name, label):
            return state
        after = [number for number in serving if number > state.trial_worker]
        return replace(state, trial_worker=(after or serving)[0])

    # --- what others see ----------------------------------------------------------------------------

    def _publish(self) -> None:
        now = self._clock()
        report = HealthReport(
            {
                name: {
                    endpoint.label: state
                    for endpoint, state in zip(each.backend.endpoints, each.states, strict=True)
                }
                for name, each in self._backends.items()
            }
        )
        is_change = _visible(report) != _visible(self._published)
        if not is_change and (now - self._published_at < _COUNTS_S or report == self._published):
            return
        self._published, self._published_at = report, now
        if self._stats.health.publish(report, is_change=is_change):
            self._is_full = False
        elif not self._is_full:
            self._is_full = True
            log.error("too many endpoints are monitored: their states are not up to date")
        if is_change:
            self._on_change()
            self._log_changes(now)

    def _log_changes(self, now: float) -> None:
        for name, monitored in self._backends.items():
            health = health_of(monitored.backend, monitored.states, now)
            for line in changes(monitored.shown, health):
                log.warning("backend %s: %s", name, line)
            monitored.shown = health


def _rules(backend: Backend) -> tuple[object, ...]:
    return backend.health_check, backend.outlier_detection


def _visible(report: HealthReport) -> dict[str, dict[str, tuple[object, ...]]]:
    return {
        name: {label: state.visible for label, state in states.items()}
        for name, states in report.backends.items()
    }


def _log_failure(task: asyncio.Task[None]) -> None:
    """A bug of ours must not end probes unseen."""
    if not task.cancelled() and task.exception() is not None:
        log.error("a probe failed unexpectedly", exc_info=task.exception())
