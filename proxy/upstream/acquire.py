"""Gets a connection for one request: asks the pools of the endpoints one after the other (ADR 18).

    begin --> an idle connection: on_acquired
      \\--> a place in a pool's queue --> a connection: on_acquired
              \\--> none, or too late: on_attempt --> the next endpoint --> ... --> on_failed

A request that waits is a value in a queue. It has no task and no timer: the pool's sweep checks its deadline.
"""

import asyncio
from collections.abc import Callable

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
    _pool: Pool | None = None
    _pending: PendingRequest | None = None
    _error: UpstreamError | None = None

    def begin(self) -> None:
        """Ask the pools."""
        now = asyncio.get_running_loop().time()
        while self.pools and (self._error is None or self.until > now):
            pool = self._pool = self.pools.pop(0)
            try:
                self._ask(pool, min(now + self.connect_s, self.until))
            except UpstreamError as error:
                self._error = error
                self.on_attempt()
            else:
                return
        assert self._error is not None
        self.on_failed(self._error)

    def stop(self) -> None:
        """Stop waiting. Neither `on_acquired` nor `on_failed` is called after this."""
        pending, self._pending = self._pending, None
        if pending is not None and self._pool is not None:
            self._pool.cancel(pending)

    def _ask(self, pool: Pool, until: float) -> None:
        if self.fresh:
            pool.make_room()
        elif (connection := pool.take_idle()) is not None:
            self.on_acquired(pool, connection)
            return
        pending = PendingRequest(until, self._connected, self._refused)
        pool.enqueue(pending)
        self._pending = pending

    def _connected(self, connection: Connection) -> None:
        pool, self._pending = self._pool, None
        assert pool is not None
        self.on_acquired(pool, connection)

    def _refused(self, error: UpstreamError) -> None:
        self._pending = None
        self._error = error
        self.on_attempt()
        self.begin()


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
