"""Gets a connection for one request: asks the pools of the endpoints one after the other (ADR 18).

    begin --> an idle connection: on_acquired
      \\--> a place in a pool's queue --> a connection: on_acquired
              \\--> none, or too late: on_attempt --> the next endpoint --> ... --> on_failed

A request that waits is a value in a queue. It has no task and no timer: the pool's sweep checks its deadline.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from proxy.errors import UpstreamError
from proxy.upstream.connection import Connection
from proxy.upstream.opener import PendingRequest
from proxy.upstream.pool import Pool

OnAcquired = Callable[[Pool, Connection], None]
OnFailed = Callable[[UpstreamError], None]


class Acquisition(Struct, eq=False):
    """Calls `on_acquired` or `on_failed` once, maybe before `begin` returns. Nothing is sent in either case.

    The error is UpstreamBusy, ConnectTimeout or UpstreamUnreachable, from the last endpoint.
    """

    pools: list[Pool]
    """The pools that are left to ask, in this order."""
    connect_s: float
    """How long to wait for each."""
    until: float
    """The deadline of the whole request, in the loop's time."""
    on_acquired: OnAcquired
    on_failed: OnFailed
    on_attempt: Callable[[], None]
    """Called for each endpoint that had no connection."""
    fresh: bool = False
    """Wait for a new connection instead of taking an idle one."""
    _waiting: tuple[Pool, PendingRequest] | None = None
    """The place in the queue of a pool."""

    def begin(self) -> None:
        """Ask the pools, of which there is at least one."""
        error = self._ask(self.pools.pop(0))
        if error is not None:
            self._ask_next(error)

    def stop(self) -> None:
        """Stop waiting. Neither `on_acquired` nor `on_failed` is called after this."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            pool, pending = waiting
            pool.cancel(pending)

    def _ask(self, pool: Pool) -> UpstreamError | None:
        """Take an idle connection of `pool`, or wait in its queue. Returns the error if neither is possible."""
        if self.fresh:
            pool.make_room()
        elif (connection := pool.take_idle()) is not None:
            self.on_acquired(pool, connection)
            return None
        until = min(asyncio.get_running_loop().time() + self.connect_s, self.until)
        pending = PendingRequest(until, partial(self._connected, pool), self._ask_next)
        try:
            pool.enqueue(pending)
        except UpstreamError as error:
            return error
        self._waiting = pool, pending
        return None

    def _connected(self, pool: Pool, connection: Connection) -> None:
        self._waiting = None
        self.on_acquired(pool, connection)

    def _ask_next(self, error: UpstreamError) -> None:
        """A pool had no connection, for the reason `error`: ask the pools that are left, within the deadline."""
        self._waiting = None
        last: UpstreamError | None = error
        while last is not None:
            self.on_attempt()
            if not self.pools or asyncio.get_running_loop().time() >= self.until:
                self.on_failed(last)
                return
            last = self._ask(self.pools.pop(0))


async def await_acquisition(
    new_acquisition: Callable[[OnAcquired, OnFailed], Acquisition],
) -> tuple[Pool, Connection]:
    """Wait for an acquisition in a task. Raises its error. A task that is cancelled keeps no connection."""
    future: asyncio.Future[tuple[Pool, Connection]] = asyncio.get_running_loop().create_future()

    def on_acquired(pool: Pool, connection: Connection) -> None:
        if future.done():
            pool.release(connection)
        else:
            future.set_result((pool, connection))

    def on_failed(error: UpstreamError) -> None:
        if not future.done():
            future.set_exception(error)

    acquisition = new_acquisition(on_acquired, on_failed)
    acquisition.begin()
    try:
        return await future
    except asyncio.CancelledError:
        acquisition.stop()
        if future.done() and not future.cancelled() and future.exception() is None:
            pool, connection = future.result()
            pool.release(connection)
        raise


async def acquire(pool: Pool, timeout_s: float, *, fresh: bool = False) -> Connection:
    """A connection of one endpoint, within about `timeout_s` seconds. Raises UpstreamError, as `Acquisition` does."""
    until = asyncio.get_running_loop().time() + timeout_s

    def new_acquisition(on_acquired: OnAcquired, on_failed: OnFailed) -> Acquisition:
        return Acquisition(
            [pool], timeout_s, until, on_acquired, on_failed, lambda: None, fresh=fresh
        )

    return (await await_acquisition(new_acquisition))[1]
