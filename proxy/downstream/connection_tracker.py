"""The clients' connections: who may come in, who is looked after, who is told to go."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from proxy.downstream.admission import Admission
from proxy.downstream.interfaces import Addresses
from proxy.errors import Overloaded
from proxy.model import Listener
from proxy.tick import WriteBatch

SWEEP_S = 0.5
_SLOTS = 8
"""Parts of a sweep, so that a thousand clients are not looked at in one go: that would be felt by all."""


class Client(Protocol):
    """One connection, as its owner sees it."""

    def swept(self, now: float) -> None:
        """Look for what takes too long. `now` in seconds, monotonic."""


class ConnectionTracker:
    """Knows every connection of one listener. `most` caps them, whatever the table says (descriptors are finite)."""

    def __init__(
        self,
        most: int,
        counted: Callable[[int], None],
        refused: Callable[[str], None],
    ) -> None:
        self._most = most
        self._counted = counted
        self.refused = refused
        """Counts what is refused before a request exists, by kind."""
        self._slots: list[set[Client]] = [set() for _ in range(_SLOTS)]
        self._live: dict[Client, set[Client]] = {}
        """Each with its slot."""
        self._slot = 0
        self._by_peer: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self.turn = WriteBatch()
        self.intake = Admission()
        self.draining = False
        """Answers ask clients to come back over another connection."""

    def __len__(self) -> int:
        return len(self._live)

    def admit(
        self, client: Client, peer: str, listener: Listener, trusted: Addresses
    ) -> Overloaded | None:
        """Take the connection in; `leave` has to follow. What is told to it if it may not stay."""
        # The smallest one: where one comes as another goes, any rotation would fill a slot and empty the others.
        slot = self._live[client] = min(self._slots, key=len)
        slot.add(client)
        self._by_peer[peer] += 1
        self._counted(1)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S / _SLOTS, self._sweep)
        if len(self._live) > min(self._most, listener.max_connections):
            error = Overloaded(
                "this server has all the connections it takes", "too_many_connections"
            )
        elif self._by_peer[peer] > listener.max_connections_per_client and peer not in trusted:
            error = Overloaded("too many connections from this address", "connections_per_client")
        else:
            return None
        self.refused(error.reason)
        return error

    def leave(self, client: Client, peer: str) -> None:
        """The connection is over."""
        self._live.pop(client).discard(client)
        self._counted(-1)
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SWEEP_S / _SLOTS, self._sweep)
        self._slot = (self._slot + 1) % _SLOTS
        now = time.monotonic()
        for client in tuple(self._slots[self._slot]):
            client.swept(now)
        if not self._live:
            self._timer.cancel()
            self._timer = None
