"""Liveness and readiness: of the only process of a facade, or of all workers by their shared statistics."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from proxy.telemetry.shared_memory import SharedStats, StatField, WorkerState, WorkerStats

HUNG_S = 10.0
"""A worker without a heartbeat for this long counts as hung."""


class Health(Protocol):
    """The health of the facade, for the probes of the admin listener."""

    def alive(self) -> bool:
        """False if the facade has to be restarted."""

    def readiness(self) -> str:
        """`ready` for traffic, `starting` or `stopping`."""

    def details(self) -> dict[str, Any]:
        """More members for the readiness probe."""

    def refresh(self) -> None:
        """Bring the shared statistics up to date, if this process writes them."""


class OwnHealth:
    """Of a facade with one process: it is alive if it can respond."""

    def __init__(self, worker: WorkerStats, publish: Callable[[], None]) -> None:
        self._worker = worker
        self.refresh = publish

    def alive(self) -> bool:
        return True

    def readiness(self) -> str:
        return _READINESS[WorkerState(self._worker.state)]

    def details(self) -> dict[str, Any]:
        return {}


class FleetHealth:
    """Of all workers. `clock` is `time.monotonic`."""

    def __init__(self, stats: SharedStats, clock: Callable[[], float] = time.monotonic) -> None:
        self._stats = stats
        self._clock = clock

    def alive(self) -> bool:
        now = self._clock()
        return not any(is_hung(worker, now) for worker in self._stats)

    def readiness(self) -> str:
        """`ready` if all workers serve: with fewer, the facade would have less capacity than configured."""
        if self._stats.stopping:
            return "stopping"
        return "ready" if self._stats.serving == len(self._stats) else "starting"

    def details(self) -> dict[str, Any]:
        return {"workers": len(self._stats), "workers_serving": self._stats.serving}

    def refresh(self) -> None:
        """Nothing to do: workers publish twice a second."""


def is_hung(worker: WorkerStats, now: float) -> bool:
    """Whether a worker that began to serve has no heartbeat any more. `now` is `time.monotonic()`."""
    beating = worker.state in (WorkerState.SERVING, WorkerState.STOPPING)
    return beating and now - worker.head[StatField.HEARTBEAT_MS] / 1000 > HUNG_S


_READINESS = {
    WorkerState.DOWN: "starting",
    WorkerState.STARTING: "starting",
    WorkerState.SERVING: "ready",
    WorkerState.STOPPING: "stopping",
}
