"""The heartbeat of a worker: it shows that the event loop runs and how late it is, and publishes the status."""

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Callable

from proxy.telemetry.shared_memory import StatField, WorkerStats, WorkerStatus

_BEAT_S = 0.1
_BEATS_PER_STATUS = 5
_KEPT_BEATS = 150
"""15 s, the usual time between two scrapes."""


class Heartbeat:
    """Ten beats a second; the status is published twice a second. `status` is called on the event loop.

    `on_beat` is called at each beat.
    """

    def __init__(
        self,
        worker: WorkerStats,
        status: Callable[[float], WorkerStatus],
        on_beat: Callable[[], None],
    ) -> None:
        self._on_beat = on_beat
        self._worker = worker
        self._status = status
        self._delays_s: deque[float] = deque([0.0], maxlen=_KEPT_BEATS)

    @property
    def lag_s(self) -> float:
        """The largest delay of a beat in the last 15 s."""
        return max(self._delays_s)

    def publish(self) -> None:
        """Publish the current status."""
        self._worker.publish(self._status(self.lag_s))

    def beat(self) -> None:
        """Write the time of this beat."""
        self._worker.head[StatField.HEARTBEAT_MS] = int(time.monotonic() * 1000)

    async def run(self) -> None:
        """Run until cancelled. `Facade.running` owns the task."""
        beats = 0
        while True:
            due = time.monotonic() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self._delays_s.append(max(0.0, time.monotonic() - due))
            self.beat()
            self._on_beat()
            beats += 1
            if beats % _BEATS_PER_STATUS == 0:
                self.publish()


def resident_bytes() -> int:
    """The resident memory of this process; its maximum where there is no /proc; 0 on Windows."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _max_resident_bytes()


def _max_resident_bytes() -> int:
    if sys.platform == "win32":
        return 0
    import resource  # Not on Windows.

    maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return maximum if sys.platform == "darwin" else maximum * 1024
