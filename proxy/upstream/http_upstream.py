"""Our own client for one backend: a pool for each of its endpoints, used in turn (round robin)."""

import asyncio
import ssl
from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from proxy.http1.connection_login import has_login_credentials
from proxy.http1.request_writer import PreparedHead, prepared_head
from proxy.model import Backend, Endpoint, Facts, Outgoing, Timeouts
from proxy.tick import WriteBatch
from proxy.upstream.acquire import Acquisition, OnAcquired, OnFailed, await_acquisition
from proxy.upstream.affinity import affinity_of
from proxy.upstream.balancing import by_client, least_busy
from proxy.upstream.connection import Connection
from proxy.upstream.exchange import HttpExchange
from proxy.upstream.interfaces import OnOutcome, Stats
from proxy.upstream.pool import Pool
from proxy.upstream.pool_limits import PoolLimits
from proxy.upstream.private_connections import PrivateConnections, single_use
from proxy.upstream.sweep import Sweep
from proxy.upstream.tls import default_context

Observe = Callable[[Endpoint], OnOutcome | None]
"""Gives the function that gets the outcomes of an endpoint's requests."""
Turn = tuple[Endpoint, int]
"""An endpoint, and the percentage of its usual share of requests. It has a turn or several."""


class HttpUpstream:
    """Implements `Upstream` over HTTP/1.1. The limits of the backend hold for each of its endpoints.

    If an endpoint cannot be reached, the next one is tried: nothing was sent. `tls` is for https endpoints; without
    it the certificate authorities of the system are trusted. `observe` gets the outcomes of requests.
    `receive_buffer_bytes` bounds what the kernel keeps of a connection; without it the system's own bounds hold.
    """

    def __init__(
        self,
        backend: Backend,
        tls: ssl.SSLContext | None = None,
        observe: Observe | None = None,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        limits = PoolLimits(
            backend.max_connections,
            backend.max_pending_requests,
            backend.idle_timeout_s,
            backend.tolerate,
            backend.max_tunnels,
            backend.max_connection_age_s,
            receive_buffer_bytes,
        )
        if tls is None and any(endpoint.scheme == "https" for endpoint in backend.endpoints):
            tls = default_context()
        server_name = None if backend.tls is None else backend.tls.server_name
        self._affinity = affinity = affinity_of(backend)
        self._sweep = Sweep(self._check_deadlines)
        write_batch = WriteBatch()
        self._pools: Sequence[Pool] = [
            Pool(
                backend.name,
                endpoint,
                limits,
                self._sweep,
                write_batch,
                tls if endpoint.scheme == "https" else None,
                server_name,
                affinity,
                None if observe is None else observe(endpoint),
            )
            for endpoint in backend.endpoints
        ]
        """The pools to choose from, in turn. `choose_from` replaces them."""
        self._all = tuple(self._pools)
        self._turns = self._pools
        self._trial: Pool | None = None
        """The pool of an endpoint that one request at a time tries."""
        self._next_index = 0
        self._load_balancing = backend.load_balancing
        self.reads_requests = affinity is not None or backend.load_balancing != "round_robin"
        """Whether the endpoint depends on the request: then call `pool_for`, and not `next_pool`."""

    async def open(self, request: Outgoing) -> HttpExchange:
        """Send the head of a request. Raises UpstreamError, or BadRequest for a head that cannot be sent."""
        private = single_use() if has_login_credentials(request.headers) else None
        return await self.open_prepared(prepared_head(request), private)

    async def open_prepared(
        self,
        request: PreparedHead,
        private: PrivateConnections | None = None,
        logged_in: tuple[Pool, Connection] | None = None,
        first: Pool | None = None,
    ) -> HttpExchange:
        """`open` for a request whose head is prepared. `private` gets the connection if the request logs it in.

        `logged_in` is the result of `take_private`, `first` that of `pool_for`.
        """
        exchange = HttpExchange(request, private)
        if logged_in is not None:
            exchange.begin(*logged_in, request.timeouts)
            return exchange
        pool = first or self.next_pool()
        connection = pool.take_idle(exchange.repeatable)
        if connection is not None:
            exchange.begin(pool, connection, request.timeouts)
        else:
            await self._wait_and_begin(exchange, pool, request.timeouts)
        return exchange

    def pool_for(self, facts: Facts) -> Pool:
        """The pool for a request: that of its cookie, or the choice of `load_balancing`."""
        pools = self._pools
        if len(pools) > 1:
            known = None if self._affinity is None else self._affinity.known(facts)
            if known is not None and self._affinity is not None:
                ids = self._affinity.ids
                of_client = next((pool for pool in pools if ids[pool.endpoint] == known), None)
                if of_client is not None:
                    return of_client
            if self._load_balancing == "hash":
                return by_client(pools, facts.client)
            if self._load_balancing == "least_request":
                self._next_index = (self._next_index + 1) % len(pools)
                return least_busy(pools, self._next_index)
        return self.next_pool()

    def next_pool(self) -> Pool:
        """The pool for the next request: round robin. Pools that would queue it are skipped, unless all would."""
        pools = self._pools
        count = len(pools)
        if count == 1:
            return pools[0]
        for ahead in range(count):
            pool = pools[(self._next_index + ahead) % count]
            if pool.has_room:
                break
        else:
            pool, ahead = pools[self._next_index % count], 0
        self._next_index = (self._next_index + ahead + 1) % count
        return pool

    # --- availability ---------------------------------------------------------------------------------

    def set_available(self, available: Collection[Endpoint]) -> None:
        """Requests are sent to these endpoints, or try them. Others get requests in panic only."""
        for pool in self._all:
            pool.outcomes.set_available(pool.endpoint in available)

    def choose_from(self, turns: Sequence[Turn], trial: Endpoint | None) -> None:
        """Choose among these endpoints from now on; of the backend's, at least one. Requests in flight go on.

        One request at a time tries the endpoint `trial`, which is not among `turns`.
        """
        weights = dict(turns)
        pools = {pool.endpoint: pool for pool in self._all}
        for endpoint, pool in pools.items():
            pool.weight = weights.get(endpoint, 100)
            if endpoint not in weights:
                # So a request finds no idle connection to the trial's endpoint, and calls `acquisition`.
                pool.drop_idle()
        self._turns = [pools[endpoint] for endpoint, _ in turns]
        self._trial = None if trial is None else pools[trial]
        self._pools = self._turns
        if self._trial is not None and not self._trial.load_of_period:
            self._pools = [*self._turns, self._trial]

    @property
    def is_full(self) -> bool:
        """Whether each endpoint would refuse a request: its queue is full."""
        return all(pool.is_full for pool in self._pools)

    @property
    def is_trying(self) -> bool:
        """Whether a request tries the endpoint `trial` now."""
        return self._trial is not None and self._trial not in self._pools

    def offer_trial(self) -> None:
        """Let another request try the endpoint `trial`, if none does any more.

        Requests that it got before it was half-open may be stuck, and are no trial.
        """
        trial = self._trial
        if trial is not None and not trial.load_of_period:
            trial.drop_idle()
            self._pools = [*self._turns, trial]

    def take_private(self, private: PrivateConnections) -> tuple[Pool, Connection] | None:
        """The connection to this backend that belongs to a client connection, if there is one."""
        for pool in self._all:
            connection = private.take(pool)
            if connection is not None:
                return pool, connection
        return None

    async def aclose(self, grace_s: float) -> None:
        """Close idle connections, let exchanges finish within `grace_s` seconds, then end them."""
        for pool in self._all:
            pool.close()
        try:
            async with asyncio.timeout(grace_s):
                for pool in self._all:
                    await pool.wait_closed()
        except TimeoutError:
            for pool in self._all:
                pool.abort()
                await pool.wait_closed()
        self._sweep.stop()
        await asyncio.sleep(0)  # An aborted transport closes its socket in the next tick.

    def stats(self) -> Stats:
        return sum((pool.stats() for pool in self._all), Stats())

    def _check_deadlines(self, now: float) -> bool:
        busy = [pool.check_deadlines(now) for pool in self._all]
        return any(busy)

    def acquisition(
        self,
        first: Pool,
        timeouts: Timeouts,
        on_acquired: OnAcquired,
        on_failed: OnFailed,
        on_attempt: Callable[[], None],
        *,
        fresh: bool = False,
    ) -> Acquisition:
        """An acquisition that asks the endpoints from `first` on. Not begun yet.

        `fresh`: only a new connection of `first`.
        """
        if first is self._trial:
            self._pools = self._turns  # No other request tries it meanwhile.
        at = self._all.index(first)
        usable = set(self._pools)
        others = (pool for pool in (*self._all[at + 1 :], *self._all[:at]) if pool in usable)
        pools = [first] if fresh else [first, *others]
        until = asyncio.get_running_loop().time() + timeouts.remaining_s
        return Acquisition(
            pools, timeouts.connect_s, until, on_acquired, on_failed, on_attempt, fresh
        )

    async def _wait_and_begin(
        self, exchange: HttpExchange, first: Pool, timeouts: Timeouts
    ) -> None:
        began = asyncio.get_running_loop().time()

        def new_acquisition(on_acquired: OnAcquired, on_failed: OnFailed) -> Acquisition:
            return self.acquisition(first, timeouts, on_acquired, on_failed, exchange.count_attempt)

        pool, connection = await await_acquisition(new_acquisition)
        if not exchange.has_body:
            timeouts = _remaining(timeouts, began)
        exchange.begin(pool, connection, timeouts)


def _remaining(timeouts: Timeouts, began: float) -> Timeouts:
    """`timeouts` less the time since `began`, which the request waited for a connection."""
    waited_s = asyncio.get_running_loop().time() - began
    return replace(timeouts, spent_s=timeouts.spent_s + waited_s)
