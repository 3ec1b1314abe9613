"""Opens connections for the requests that wait in a pool's queue.

Opening a connection costs as much CPU time as a few requests, which would make a burst or a stall longer. With 8
connections or more, opening begins 2 ms after a request was queued, because most waits end before with a released
connection. Then two connections are opened each millisecond while requests wait (ADR 16, 18). If requests had to wait,
one or two connections are opened even if none waits any more: otherwise a steady load would go on waiting.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from msgspec import Struct

from proxy.errors import UpstreamError
from proxy.upstream.connection import Connection

_PROMPT_CONNECTIONS = 8
"""Up to this number, connections are opened without a delay."""
_OPEN_DELAY_S = 0.002
_OPEN_INTERVAL_S = 0.001
_OPENED_PER_INTERVAL = 2
_SPARE_CONNECT_S = 5.0
"""How long connecting may take if no request waits for the connection."""


class PendingRequest(Struct, eq=False):
    """A request that waits for a connection until the deadline `until`, in the loop's time.

    Exactly one of the two callbacks is called, once and after the request has left the queue; none after
    `Pool.cancel`. The connection is usable only within the call (`Connection.usable`): use or release it there.
    """

    until: float
    on_connection: Callable[[Connection], None]
    on_error: Callable[[UpstreamError], None]
    period: int = 0
    """The period of the endpoint's availability in which it was queued."""


class Opener:
    """Opens connections by `connect(timeout_s)`, and gives each ended task to `opened`.

    It reads `queue` and `live`, and does not change them.
    """

    def __init__(
        self,
        connect: Callable[[float], Coroutine[Any, Any, Connection]],
        queue: deque[PendingRequest],
        live: Collection[Connection],
        max_connections: int,
        opened: Callable[[asyncio.Task[Connection]], None],
    ) -> None:
        self._connect = connect
        self._queue = queue
        self._live = live
        self._max_connections = max_connections
        self._on_opened = opened
        self._tasks: set[asyncio.Task[Connection]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = False
        self._queued_count = 0
        """How many requests were queued since connections were opened last."""

    @property
    def count(self) -> int:
        """How many connections are being opened."""
        return len(self._tasks)

    @property
    def has_room(self) -> bool:
        """Whether the limit allows another connection."""
        return self._total < self._max_connections

    @property
    def _total(self) -> int:
        return len(self._live) + len(self._tasks)

    def queued(self) -> None:
        """A request was queued."""
        self._queued_count += 1
        if self._timer is None:
            self._open_after(0.0 if self._total < _PROMPT_CONNECTIONS else _OPEN_DELAY_S)

    def open_more(self) -> None:
        """Start the timer if more requests wait than connections are being opened."""
        if self._timer is None and len(self._queue) > len(self._tasks) and self.has_room:
            self._open_after(_OPEN_INTERVAL_S if self._total >= _PROMPT_CONNECTIONS else 0.0)

    def stop(self) -> None:
        """Open no more connections."""
        self._is_stopped = True

    def cancel(self) -> None:
        """Give up the connections that are being opened."""
        for task in tuple(self._tasks):
            task.cancel()

    def _open_after(self, wait_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        spare, self._queued_count = min(_OPENED_PER_INTERVAL, self._queued_count), 0
        prompt = _PROMPT_CONNECTIONS - self._total
        self._open(len(self._tasks) + max(_OPENED_PER_INTERVAL, prompt), spare)
        self.open_more()

    def _open(self, limit: int, spare: int) -> None:
        """Open a connection for each queued request, at least `spare`, until `limit` are being opened."""
        wanted = min(max(len(self._queue), spare), limit)
        now = asyncio.get_running_loop().time()
        while not self._is_stopped and len(self._tasks) < wanted and self.has_room:
            at = len(self._tasks)
            timeout_s = self._queue[at].until - now if at < len(self._queue) else _SPARE_CONNECT_S
            task = asyncio.get_running_loop().create_task(self._connect(max(0.0, timeout_s)))
            self._tasks.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[Connection]) -> None:
        self._tasks.discard(task)
        self._on_opened(task)
