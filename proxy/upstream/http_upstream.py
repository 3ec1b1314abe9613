"""Our own upstream: one backend, its endpoints in turn, one pool each."""

import asyncio
import ssl
from collections.abc import Callable

from msgspec.structs import replace

from proxy.http1.request_writer import PreparedHead, prepared_head
from proxy.model import Backend, Outgoing, Timeouts
from proxy.tick import WriteBatch
from proxy.upstream.acquire import Acquisition, Failed, Found, awaited
from proxy.upstream.exchange import HttpExchange
from proxy.upstream.interfaces import Stats
from proxy.upstream.pool import Pool, PoolLimits
from proxy.upstream.sweep import Sweep
from proxy.upstream.tls import default_context


class HttpUpstream:
    """Implements `Upstream` over HTTP/1.1. The caps of the backend hold for each of its endpoints.

    An endpoint that cannot be reached is passed over for the next one: nothing was sent to it. `tls` holds for
    https endpoints; without it the system's authorities are trusted.
    """

    def __init__(self, backend: Backend, tls: ssl.SSLContext | None = None) -> None:
        limits = PoolLimits(
            backend.max_connections, backend.max_pending_requests, backend.idle_timeout_s
        )
        if tls is None and any(endpoint.scheme == "https" for endpoint in backend.endpoints):
            tls = default_context()
        server_name = None if backend.tls is None else backend.tls.server_name
        self._sweep = Sweep(self._look)
        turn = WriteBatch()
        self._pools = [
            Pool(
                backend.name,
                endpoint,
                limits,
                self._sweep,
                turn,
                tls if endpoint.scheme == "https" else None,
                server_name,
            )
            for endpoint in backend.endpoints
        ]
        self._turn = 0

    async def open(self, request: Outgoing) -> HttpExchange:
        """Send the head of a request. Raises UpstreamError, or BadRequest for what cannot be a head."""
        return await self.ask(prepared_head(request))

    async def ask(self, request: PreparedHead) -> HttpExchange:
        """`open` for a request whose head is at hand."""
        exchange = HttpExchange(request)
        pool = self.next_pool()
        connection = pool.take_idle(exchange.repeatable)
        if connection is not None:
            exchange.begin(pool, connection, request.timeouts)
        else:
            await self._open_anew(exchange, pool, request.timeouts)
        return exchange

    def next_pool(self) -> Pool:
        """The pool for the next request, endpoints taking turns; one with room before one that would queue."""
        pools = self._pools
        count = len(pools)
        if count == 1:
            return pools[0]
        for ahead in range(count):
            pool = pools[(self._turn + ahead) % count]
            if pool.has_room:
                break
        else:
            pool, ahead = pools[self._turn % count], 0
        self._turn = (self._turn + ahead + 1) % count
        return pool

    async def aclose(self, grace_s: float) -> None:
        """Close what is idle, give what is in flight `grace_s` seconds, then cut it off."""
        for pool in self._pools:
            pool.close()
        try:
            async with asyncio.timeout(grace_s):
                for pool in self._pools:
                    await pool.emptied()
        except TimeoutError:
            for pool in self._pools:
                pool.abort()
                await pool.emptied()
        self._sweep.stop()
        await asyncio.sleep(0)  # An aborted transport closes its socket in the loop's next turn.

    def stats(self) -> Stats:
        return sum((pool.stats() for pool in self._pools), Stats())

    def _look(self, now: float) -> bool:
        alive = [pool.swept(now) for pool in self._pools]
        return any(alive)

    def search(
        self,
        first: Pool,
        timeouts: Timeouts,
        found: Found,
        failed: Failed,
        missed: Callable[[], None],
        *,
        fresh: bool = False,
    ) -> Acquisition:
        """For a connection of the first endpoint to have one, beginning with `first`: see `Search`.

        A `fresh` one is of `first` alone.
        """
        at = self._pools.index(first)
        pools = [first] if fresh else [*self._pools[at:], *self._pools[:at]]
        until = asyncio.get_running_loop().time() + timeouts.request_s
        return Acquisition(pools, timeouts.connect_s, until, found, failed, missed, fresh)

    async def _open_anew(self, exchange: HttpExchange, first: Pool, timeouts: Timeouts) -> None:
        began = asyncio.get_running_loop().time()

        def search_of(found: Found, failed: Failed) -> Acquisition:
            return self.search(first, timeouts, found, failed, exchange.count_attempt)

        pool, connection = await awaited(search_of)
        exchange.begin(pool, connection, timeouts if exchange.has_body else less(timeouts, began))


def less(timeouts: Timeouts, began: float) -> Timeouts:
    """What is left of the whole request's time after waiting for a connection since `began`."""
    waited_s = asyncio.get_running_loop().time() - began
    return replace(timeouts, request_s=max(0.0, timeouts.request_s - waited_s))
