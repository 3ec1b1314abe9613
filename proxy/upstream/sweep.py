"""One timer for all deadlines of an upstream. It runs only while there is something to check (finding 9)."""

import asyncio
from collections.abc import Callable

SWEEP_S = 0.1


class Sweep:
    """Calls `check(now)` every `SWEEP_S` seconds, until it returns False: nothing is left to check."""

    def __init__(self, check: Callable[[float], bool]) -> None:
        self._check = check
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the timer, if it does not run."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        # Scheduled first: a callback that raises must not end the checks of all other exchanges.
        self._timer = loop.call_later(SWEEP_S, self._sweep)
        if not self._check(loop.time()):
            self.stop()

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
