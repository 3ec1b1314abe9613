"""A worker's heartbeat: how late its event loop is, that it lives, and how it is."""

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Callable

from proxy.telemetry.shared_memory import StatField, Status, WorkerStats

_BEAT_S = 0.1
_BEATS_A_STATUS = 5
_REMEMBERED = 150
"""Beats: a quarter of a minute, the usual time between two scrapes."""


class Heartbeat:
    """Beats ten times a second, and publishes twice. `status` is asked on the event loop."""

    def __init__(self, part: WorkerStats, status: Callable[[float], Status]) -> None:
        self._part = part
        self._status = status
        self._late: deque[float] = deque([0.0], maxlen=_REMEMBERED)

    @property
    def lag_s(self) -> float:
        """The latest that the loop came to a beat, of those remembered."""
        return max(self._late)

    def publish(self) -> None:
        """Put the status of this moment on the board."""
        self._part.publish(self._status(self.lag_s))

    def beat(self) -> None:
        """The loop turns."""
        self._part.head[StatField.HEARTBEAT_MS] = int(time.monotonic() * 1000)

    async def run(self) -> None:
        """Beat until cancelled. The owner is the application's lifespan."""
        beats = 0
        while True:
            due = time.monotonic() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self._late.append(max(0.0, time.monotonic() - due))
            self.beat()
            beats += 1
            if beats % _BEATS_A_STATUS == 0:
                self.publish()


def resident_bytes() -> int:
    """Memory of this process; where the system does not tell, the most that it ever was, or 0."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _most_bytes()


def _most_bytes() -> int:
    if sys.platform == "win32":
        return 0
    import resource  # Not on Windows.

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
