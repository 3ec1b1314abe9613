"""Limits how many requests begin in one tick of the event loop (ADR 19). The others begin in the next ticks.

    tick 1: poll; 40 clients send a request; 32 requests begin
    tick 2: flush; 8 requests begin; flush
    tick 3: poll; responses complete, clients send more requests

After a stall or in a burst, the requests that have begun then finish before as many again begin. Few requests are
active at a time: their data stay in the processor's caches, and they share the existing connections to backends.
"""

import asyncio
from collections import deque
from typing import Protocol

MAX_PER_TICK = 32
"""Enough requests to be worth a poll. More active requests at a time cost more each."""


class WaitingClient(Protocol):
    """A client whose request has come but has not begun."""

    def resume(self) -> None:
        """Begin the request, unless the client has left."""


class Admission:
    """Counts the requests that begin in a tick: at most `max_per_tick`, which is at least 1."""

    __slots__ = ("_begun", "_loop", "_max_per_tick", "_waiting")

    def __init__(self, max_per_tick: int = MAX_PER_TICK) -> None:
        self._max_per_tick = max_per_tick
        self._begun = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[WaitingClient] = deque()

    def admit(self, client: WaitingClient) -> bool:
        """Whether the client's request may begin now. If not, `client.resume` is called once, in a later tick."""
        if self._begun >= self._max_per_tick:  # Always true while others wait.
            self._waiting.append(client)
            return False
        if not self._begun:
            loop = self._loop
            if loop is None:
                loop = self._loop = asyncio.get_running_loop()
            loop.call_soon(self._next_tick)
        self._begun += 1
        return True

    def _next_tick(self) -> None:
        waiting = self._waiting
        self._begun = min(self._max_per_tick, len(waiting))
        if not waiting:
            return
        # Scheduled before the requests begin: their writes are flushed later in this tick, and not in the next.
        asyncio.get_running_loop().call_soon(self._next_tick)
        for _ in range(self._begun):
            waiting.popleft().resume()
