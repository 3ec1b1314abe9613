"""One timer for all deadlines of an upstream, running only while there is something to watch (finding 9)."""

import asyncio
from collections.abc import Callable

SWEEP_S = 0.1


class Sweep:
    """Calls `look(now)` every `SWEEP_S` seconds, until it says that nothing is left to watch."""

    def __init__(self, look: Callable[[float], bool]) -> None:
        self._look = look
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to watch, if that is not so already."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        # First: a hook that raises must not end the watch over all the others.
        self._timer = loop.call_later(SWEEP_S, self._tick)
        if not self._look(loop.time()):
            self.stop()

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
