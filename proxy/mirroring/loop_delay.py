"""How late the event loop is while copies are sent: their durations mean nothing while the process gets no CPU."""

import asyncio
import time
from collections import deque

_BEAT_S = 0.025
_KEPT = 1_000


class LoopDelay:
    """Beats while at least one user has begun and not ended."""

    def __init__(self) -> None:
        self._users = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._late: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        """The times of late beats, and by how much they were late."""

    def begin(self) -> None:
        """Observe the loop, until `end`."""
        self._users += 1
        if self._timer is None:
            self._schedule()

    def end(self) -> None:
        """One user less."""
        self._users -= 1
        if not self._users and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sum_s(self, since: float) -> float:
        """The sum of the delays since that `time.monotonic()`: many short ones make a copy late, too."""
        delays_s = sum(delay_s for at, delay_s in self._late if at >= since)
        overdue_s = time.monotonic() - self._due if self._timer is not None else 0.0
        return delays_s + max(overdue_s, 0.0)

    def _schedule(self) -> None:
        self._due = time.monotonic() + _BEAT_S
        self._timer = asyncio.get_running_loop().call_later(_BEAT_S, self._beat)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._due > _BEAT_S:
            self._late.append((now, now - self._due))
        self._schedule()
