"""How many requests begin in one turn of the event loop (ADR 19). What came past that begins in the turns after it.

    poll: 40 clients ask, 32 begin    next turn: send; 8 begin; send    poll: answers end, others ask    ...

So after a stall, or in a rush, what has begun is finished before as much again is begun: few are on their way at once,
what they need stays in the processor's caches, and they share the connections there are.
"""

import asyncio
from collections import deque
from typing import Protocol

MOST = 32
"""Enough for a turn to be worth its poll; more on the way at once cost more each."""


class Waiting(Protocol):
    """Whose request has come and not begun."""

    def go_on(self) -> None:
        """Begin it, unless that is not wanted any more."""


class Admission:
    """Counts what begins in a turn. `most`, at least 1, begin in each."""

    __slots__ = ("_begun", "_most", "_waiting")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._begun = 0
        self._waiting: deque[Waiting] = deque()

    def admits(self, client: Waiting) -> bool:
        """Whether its request begins now. If not, `go_on` follows, once and soon: there is no other wait than turns."""
        if self._begun >= self._most:  # As it is while others wait.
            self._waiting.append(client)
            return False
        if not self._begun:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._begun += 1
        return True

    def _next_turn(self) -> None:
        waiting = self._waiting
        self._begun = min(self._most, len(waiting))
        if not waiting:
            return
        # Before they begin: what they write is then sent in this turn, and not in the next.
        asyncio.get_running_loop().call_soon(self._next_turn)
        for _ in range(self._begun):
            waiting.popleft().go_on()
