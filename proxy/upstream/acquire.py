"""The way of one request to a connection: endpoint after endpoint, each waited for in turn (ADR 18).

    begin --> an idle connection: found
      \\--> waits in a pool's queue --> handed a connection: found
              \\--> none to be had, or too late --> the next endpoint --> ... --> failed

A wait is a value in a queue. It has no task and no timer: the pool's sweep keeps its time.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from proxy.errors import UpstreamError
from proxy.upstream.connection import Connection
from proxy.upstream.pool import PendingRequest, Pool

Found = Callable[[Pool, Connection], None]
Failed = Callable[[UpstreamError], None]


class Acquisition(Struct, eq=False):
    """Calls `found` or `failed` once, maybe before `begin` returns; nothing was sent in either case.

    `failed` hears UpstreamBusy, ConnectTimeout or UpstreamUnreachable, of the endpoint asked last.
    """

    pools: list[Pool]
    """Still to be asked, in this order."""
    connect_s: float
    """How long each may take."""
    until: float
    """When the request's own time is over, as the loop tells time."""
    found: Found
    failed: Failed
    missed: Callable[[], None]
    """Called for each endpoint that had no connection."""
    fresh: bool = False
    """A new connection is wanted, rather than an idle one."""
    _pool: Pool | None = None
    _waiter: PendingRequest | None = None
    _error: UpstreamError | None = None

    def begin(self) -> None:
        """Look for a connection."""
        now = asyncio.get_running_loop().time()
        while self.pools and (self._error is None or self.until > now):
            pool = self._pool = self.pools.pop(0)
            try:
                self._ask(pool, min(now + self.connect_s, self.until))
            except UpstreamError as error:
                self._error = error
                self.missed()
            else:
                return
        assert self._error is not None
        self.failed(self._error)

    def stop(self) -> None:
        """Look no more: neither `found` nor `failed` is called from here on."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and self._pool is not None:
            self._pool.leave(waiter)

    def _ask(self, pool: Pool, until: float) -> None:
        if self.fresh:
            pool.make_room()
        elif (connection := pool.take_idle()) is not None:
            self.found(pool, connection)
            return
        waiter = PendingRequest(until, self._given, self._refused)
        pool.queue(waiter)
        self._waiter = waiter

    def _given(self, connection: Connection) -> None:
        pool, self._waiter = self._pool, None
        assert pool is not None
        self.found(pool, connection)

    def _refused(self, error: UpstreamError) -> None:
        self._waiter = None
        self._error = error
        self.missed()
        self.begin()


async def awaited(search_of: Callable[[Found, Failed], Acquisition]) -> tuple[Pool, Connection]:
    """A search for somebody who can wait. Raises what `failed` hears. Cancelled, it leaves nothing taken."""
    got: asyncio.Future[tuple[Pool, Connection]] = asyncio.get_running_loop().create_future()

    def found(pool: Pool, connection: Connection) -> None:
        if got.done():
            pool.released(connection)
        else:
            got.set_result((pool, connection))

    def failed(error: UpstreamError) -> None:
        if not got.done():
            got.set_exception(error)

    search = search_of(found, failed)
    search.begin()
    try:
        return await got
    except asyncio.CancelledError:
        search.stop()
        if got.done() and not got.cancelled() and got.exception() is None:
            pool, connection = got.result()
            pool.released(connection)
        raise


async def acquire(pool: Pool, timeout_s: float, *, fresh: bool = False) -> Connection:
    """A connection of one endpoint, in about `timeout_s` seconds. Raises as `awaited` does."""
    until = asyncio.get_running_loop().time() + timeout_s

    def search_of(found: Found, failed: Failed) -> Acquisition:
        return Acquisition([pool], timeout_s, until, found, failed, lambda: None, fresh)

    return (await awaited(search_of))[1]
