"""All client connections of one listener: their limits, and the sweep that checks their deadlines."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from proxy.downstream.admission import Admission
from proxy.downstream.interfaces import Addresses
from proxy.errors import Overloaded, RequestError
from proxy.model import Listener
from proxy.tick import WriteBatch

SWEEP_S = 0.5
"""Each connection's deadlines are checked once in this time."""
_SLOTS = 8
"""A sweep has this many parts, with a pause after each: checking thousands of connections would delay every request."""


class TrackedConnection(Protocol):
    """A client connection, as its tracker sees it."""

    def check_deadlines(self, now: float) -> None:
        """End what has taken too long. `now` in seconds, monotonic."""


class ConnectionTracker:
    """`max_connections` is a limit that no table can raise: file descriptors are finite.

    `count` is called with 1 or -1 for each connection that comes or goes. `count_refused` is called with the reason of
    each connection or message that is refused before there is a request.
    """

    def __init__(
        self,
        max_connections: int,
        count: Callable[[int], None],
        count_refused: Callable[[str], None],
        log_refused: Callable[[RequestError, str], None] = lambda _, __: None,
    ) -> None:
        self._max_connections = max_connections
        self._count = count
        self.count_refused = count_refused
        self.log_refused = log_refused
        """Called with the error and the peer of a message that is refused before there is a request."""
        self._slots: list[set[TrackedConnection]] = [set() for _ in range(_SLOTS)]
        self._live: dict[TrackedConnection, set[TrackedConnection]] = {}
        """Every connection, with its slot."""
        self._places: list[set[TrackedConnection]] = []
        """The slots in which a connection has left a place. The next ones take these, so that the slots stay even."""
        self._filled = 0
        """How many connections have come while no place was free."""
        self._slot = 0
        self._by_peer: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None
        self.write_batch = WriteBatch()
        self.admission = Admission()
        self.draining = False
        """Whether responses ask clients to reconnect."""

    def __len__(self) -> int:
        return len(self._live)

    def add(
        self, connection: TrackedConnection, peer: str, listener: Listener, trusted: Addresses
    ) -> Overloaded | None:
        """Track a connection; call `remove` when it is lost. Returns an error if it exceeds a limit."""
        if self._places:
            slot = self._places.pop()
        else:
            slot = self._slots[self._filled % _SLOTS]
            self._filled += 1
        self._live[connection] = slot
        slot.add(connection)
        self._by_peer[peer] += 1
        self._count(1)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_S / _SLOTS, self._sweep)
        if len(self._live) > min(self._max_connections, listener.max_connections):
            error = Overloaded(
                "this server has all the connections it takes", "too_many_connections"
            )
        elif self._by_peer[peer] > listener.max_connections_per_client and peer not in trusted:
            error = Overloaded("too many connections from this address", "connections_per_client")
        else:
            return None
        self.count_refused(error.reason)
        return error

    def remove(self, connection: TrackedConnection, peer: str) -> None:
        """The connection is lost."""
        slot = self._live.pop(connection)
        slot.discard(connection)
        self._places.append(slot)
        self._count(-1)
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SWEEP_S / _SLOTS, self._sweep)
        self._slot = (self._slot + 1) % _SLOTS
        now = time.monotonic()
        for connection in tuple(self._slots[self._slot]):
            connection.check_deadlines(now)
        if not self._live:
            self._places.clear()
            self._timer.cancel()
            self._timer = None
