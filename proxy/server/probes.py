"""What the probes tell: of one process by itself, or of workers by what they write on the board."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from proxy.telemetry.shared_memory import SharedStats, State, StatField, WorkerStats

HUNG_S = 10.0
"""A worker whose event loop did not turn for that long is not alive."""


class Health(Protocol):
    """Asked by the admin listener."""

    def alive(self) -> bool:
        """It makes sense to wait for this facade; else to start it anew."""

    def readiness(self) -> str:
        """`ready` for traffic, `starting` or `stopping`."""

    def details(self) -> dict[str, Any]:
        """What else there is to say."""

    def refresh(self) -> None:
        """Make what is on the board as new as it can be."""


class OwnHealth:
    """Of the process that asks: it is alive, or could not answer."""

    def __init__(self, part: WorkerStats, publish: Callable[[], None]) -> None:
        self._part = part
        self.refresh = publish

    def alive(self) -> bool:
        return True

    def readiness(self) -> str:
        return _WORDS[State(self._part.state)]

    def details(self) -> dict[str, Any]:
        return {}


class FleetHealth:
    """Of all workers. `clock` is `time.monotonic`."""

    def __init__(self, board: SharedStats, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._clock = clock

    def alive(self) -> bool:
        now = self._clock()
        return not any(hung(part, now) for part in self._board)

    def readiness(self) -> str:
        """Ready when all workers serve: a part of them would be less than what was asked for."""
        if self._board.stopping:
            return "stopping"
        return "ready" if self._board.serving == len(self._board) else "starting"

    def details(self) -> dict[str, Any]:
        return {"workers": len(self._board), "workers_serving": self._board.serving}

    def refresh(self) -> None:
        """Workers publish by themselves, twice a second."""


def hung(part: WorkerStats, now: float) -> bool:
    """The worker has begun to serve, and its heart does not beat any more. `now` is `time.monotonic()`."""
    beating = part.state in (State.SERVING, State.STOPPING)
    return beating and now - part.head[StatField.HEARTBEAT_MS] / 1000 > HUNG_S


_WORDS = {
    State.DOWN: "starting",
    State.STARTING: "starting",
    State.SERVING: "ready",
    State.STOPPING: "stopping",
}
