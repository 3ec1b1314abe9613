"""The connections to one endpoint: a limited number, with a bounded queue of requests that wait for one.

A request that finds no idle connection is queued. Connections are opened for queued requests, but not tied to them: the
first connection that is free, new or released, goes to the first request in the queue. So if a request is cancelled
while its connection opens, the connection serves another request or becomes idle.
"""

import asyncio
import logging
import ssl
from collections import deque

from msgspec.structs import replace

from proxy.errors import ConnectTimeout, UpstreamBusy, UpstreamError, UpstreamUnreachable
from proxy.http1.lenient_response import LenientResponseParser
from proxy.http1.response_parser import LastResponse, ResponseParser
from proxy.model import Deviation, Endpoint, Facts
from proxy.tick import WriteBatch
from proxy.upstream.affinity import Affinity
from proxy.upstream.connection import Connection
from proxy.upstream.dial import dial, is_literal
from proxy.upstream.failures import NOT_CONNECTED, early_end, not_connected
from proxy.upstream.interfaces import OnOutcome, Stats
from proxy.upstream.name_watch import NameWatch
from proxy.upstream.observed_connection import ObservedConnection, ObservedTlsConnection
from proxy.upstream.opener import Opener, PendingRequest
from proxy.upstream.outcomes import NO_RESPONSE, Outcomes
from proxy.upstream.pool_limits import PoolLimits
from proxy.upstream.sweep import Sweep
from proxy.upstream.tls_connection import TlsConnection

log = logging.getLogger(__name__)


class Pool:
    """`backend` is the name in errors. The pool starts `sweep`, which has to call `check_deadlines`."""

    def __init__(
        self,
        backend: str,
        endpoint: Endpoint,
        limits: PoolLimits,
        sweep: Sweep,
        write_batch: WriteBatch,
        tls: ssl.SSLContext | None,
        server_name: str | None = None,
        affinity: Affinity | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> None:
        self.backend = backend
        self._is_observed = on_outcome is not None
        self.outcomes = Outcomes(on_outcome)
        self.weight = 100
        """The percentage of its usual share of requests."""
        self.affinity = affinity
        self.write_batch = write_batch
        self._last_response = LastResponse()
        self.endpoint = endpoint
        self.authority = _authority(endpoint)
        self.idle_timeout_s = limits.idle_timeout_s
        self.max_age_s = limits.max_connection_age_s
        self._limits = limits
        self._sweep = sweep
        self._tls = tls
        self._server_name = server_name
        self._live: set[Connection] = set()
        self._idle: list[Connection] = []
        self._tunnels: set[Connection] = set()
        """Switched connections, which are not in `_live`."""
        self._reserved: dict[Connection, None] = {}
        """Private connections without an exchange, the oldest first."""
        self._queue: deque[PendingRequest] = deque()
        self._opener = Opener(
            self._connect, self._queue, self._live, limits.max_connections, self._opened
        )
        self._tolerated: dict[str, int] = {}
        self._name_watch: NameWatch | None = None
        if endpoint.unix_path is None and not is_literal(endpoint.host):
            self._name_watch = NameWatch(endpoint.host, endpoint.port, self._retire_all_but)
        self._closing = False
        self._closed = asyncio.Event()

    # --- called for a request -----------------------------------------------------------------------

    def take_idle(self, repeatable: bool = False) -> Connection | None:
        """The idle connection that was used last, so that the others reach their idle time-out. None if none is idle.

        `repeatable`: the request may be sent again. The check of the connection is cheaper then (`Connection.usable`).
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable(repeatable):
                return connection
            connection.abort()
        return None

    def affinity_cookie(self, facts: Facts, scheme: bytes) -> bytes | None:
        """The value of Set-Cookie for a response, if the client has to get one. `scheme` is the client's."""
        if self.affinity is None:
            return None
        return self.affinity.set_cookie(self.endpoint, facts, scheme == b"https")

    @property
    def load(self) -> int:
        """Requests that use a connection or wait for one."""
        return len(self._live) - len(self._idle) - len(self._reserved) + len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether a request would be refused: no connection is free, and the queue is full."""
        return not self._idle and len(self._queue) >= self._queue_limit

    @property
    def _queue_limit(self) -> int:
        limits = self._limits
        return limits.max_connections - len(self._live) + limits.max_pending_requests

    @property
    def load_of_period(self) -> int:
        """The part of `load` that began in the current period of availability."""
        busy = self._live - {*self._idle, *self._reserved}
        period = self.outcomes.period
        exchanges = sum(connection.period == period for connection in busy)
        return exchanges + sum(pending.period == period for pending in self._queue)

    @property
    def has_room(self) -> bool:
        """Whether a request need not wait for another one."""
        return bool(self._idle) or self._opener.has_room

    def enqueue(self, pending: PendingRequest) -> None:
        """Wait for a connection. Raises UpstreamBusy if the queue is full, UpstreamUnreachable while closing."""
        if self._closing:
            raise UpstreamUnreachable(f"backend {self.backend} is being closed", self.backend)
        if len(self._queue) >= self._queue_limit:
            raise UpstreamBusy(
                f"backend {self.backend} has too many requests waiting", self.backend
            )
        pending.period = self.outcomes.period
        self._queue.append(pending)
        self.make_room()
        self._sweep.start()
        self._opener.queued()

    def cancel(self, pending: PendingRequest) -> None:
        """Stop waiting. Does nothing if the request is not in the queue."""
        if pending in self._queue:
            self._queue.remove(pending)
        self._check_closed()

    def _timeout_error(self) -> UpstreamError:
        if len(self._live) >= self._limits.max_connections:
            return UpstreamBusy(
                f"backend {self.backend} had no connection free in time", self.backend
            )
        return ConnectTimeout(
            f"backend {self.backend} did not accept a connection in time", self.backend
        )

    # --- opening ----------------------------------------------------------------------------------

    def make_room(self) -> None:
        """Close the oldest connection without an exchange if the limit would prevent a new one."""
        if not self._opener.has_room:
            oldest = self._idle[0] if self._idle else next(iter(self._reserved), None)
            if oldest is not None:
                oldest.abort()

    async def _connect(self, timeout_s: float) -> Connection:
        try:
            async with asyncio.timeout(timeout_s):
                connection = await dial(
                    self.endpoint, self._new_connection, self._tls, self._server_name
                )
        except NOT_CONNECTED as error:
            raise not_connected(error, self.backend) from error
        if self._limits.receive_buffer_bytes is not None:
            connection.bound_receive_buffer(self._limits.receive_buffer_bytes)
        return connection

    def _new_connection(self) -> Connection:
        if self._is_observed:
            return (ObservedConnection if self._tls is None else ObservedTlsConnection)(self)
        return (Connection if self._tls is None else TlsConnection)(self)

    def _opened(self, task: asyncio.Task[Connection]) -> None:
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self._add(task.result())
            elif isinstance(error, UpstreamError):
                self._fail_first(error)
            else:
                # A bug of ours. The requests in the queue must not wait in vain.
                log.error("connecting to backend %s failed", self.backend, exc_info=error)
                self._fail_first(UpstreamUnreachable("connecting failed", self.backend))
        self._opener.open_more()
        self._check_closed()

    def _add(self, connection: Connection) -> None:
        if not connection.usable():
            first_bytes = connection.peek()
            connection.abort()
            self._fail_first(early_end(first_bytes, self.backend))
            return
        self._live.add(connection)
        self._sweep.start()
        self.release(connection)

    def _fail_first(self, error: UpstreamError) -> None:
        """Fail the first queued request, unless a connection is still being opened for each."""
        if len(self._queue) > self._opener.count:
            self._fail_pending(self._queue.popleft(), error)

    def _fail_pending(self, pending: PendingRequest, error: UpstreamError) -> None:
        """A request has left the queue without a connection."""
        # UpstreamBusy is about a limit of the facade, and no failure of the endpoint.
        if not isinstance(error, UpstreamBusy):
            self.outcomes.report(NO_RESPONSE, pending.period)
        pending.on_error(error)

    def new_parser(self) -> ResponseParser:
        """A parser for the responses of one connection."""
        tolerated = self._limits.tolerate
        if not tolerated:
            return ResponseParser(self._last_response)
        return LenientResponseParser(self._last_response, tolerated, self._count_tolerated)

    def _count_tolerated(self, deviation: Deviation) -> None:
        self._tolerated[deviation] = self._tolerated.get(deviation, 0) + 1

    # --- called by connections ----------------------------------------------------------------------

    def discard(self, connection: Connection) -> None:
        """The connection is closed, or about to be."""
        self._live.discard(connection)
        self._tunnels.discard(connection)
        self._reserved.pop(connection, None)
        if connection in self._idle:
            self._idle.remove(connection)
        self._opener.open_more()
        self._check_closed()

    def release(self, connection: Connection) -> None:
        """The connection is free: give it to the first queued request, or keep it idle."""
        if self._queue:
            if connection.usable():
                self._queue.popleft().on_connection(connection)
            else:
                connection.abort()  # It calls `discard`, which opens another one.
        elif self._closing:
            connection.abort()
        else:
            self._idle.append(connection)

    def check_tunnels(self) -> None:
        """Raises UpstreamBusy if there is no room for another tunnel."""
        if len(self._tunnels) >= self._limits.max_tunnels:
            raise UpstreamBusy(f"backend {self.backend} has too many WebSockets", self.backend)

    def add_tunnel(self, connection: Connection) -> None:
        """A connection was switched: it does not count against `max_connections` any more. Raises UpstreamBusy."""
        self.check_tunnels()
        self._live.discard(connection)
        self._tunnels.add(connection)
        self._opener.open_more()

    def reserve(self, connection: Connection) -> None:
        """A private connection waits for the next request of its client connection."""
        if self._closing or (self._queue and not self._opener.has_room):
            connection.abort()
        else:
            self._reserved[connection] = None

    def take_reserved(self, connection: Connection) -> bool:
        """Whether it still waits and can be used. It does not wait after this."""
        if connection not in self._reserved:
            return False
        del self._reserved[connection]
        if connection.usable():
            return True
        connection.abort()
        return False

    # --- sweep, statistics and closing --------------------------------------------------------------

    def check_deadlines(self, now: float) -> bool:
        """Check every connection and queued request. False if there are none."""
        for connection in (*self._live, *self._tunnels):
            connection.check_deadlines(now)
        if self._name_watch is not None and not self._closing:
            self._name_watch.check(now)
        for pending in [each for each in self._queue if now >= each.until]:
            self.cancel(pending)
            self._fail_pending(pending, self._timeout_error())
        return bool(self._live or self._tunnels or self._queue)

    def _retire_all_but(self, addresses: frozenset[str]) -> None:
        """The name of the endpoint has only these addresses by now. Tunnels stay."""
        for connection in tuple(self._live):
            if connection.peer_address not in addresses:
                connection.retire()

    def drop_idle(self) -> None:
        """Close the connections without an exchange: the endpoint is not available."""
        for connection in tuple(self._idle):
            connection.abort()

    def stats(self) -> Stats:
        idle, pending = len(self._idle) + len(self._reserved), len(self._queue)
        in_flight = len(self._live) - idle
        streams = sum(connection.is_streaming for connection in self._live) if in_flight else 0
        tunnels = len(self._tunnels)
        return Stats(len(self._live), idle, in_flight, pending, self._tolerated, streams, tunnels)

    def close(self) -> None:
        """Accept no more requests. Idle connections close now, the others when their exchange ends."""
        self._closing = True
        self._opener.stop()
        for connection in (*self._idle, *self._reserved):
            connection.abort()
        self._check_closed()

    async def wait_closed(self) -> None:
        """Wait until the last connection has closed, after `close`."""
        await self._closed.wait()

    def abort(self) -> None:
        """Close all connections now. Their exchanges and the queued requests fail."""
        self._opener.cancel()
        error = UpstreamUnreachable(f"backend {self.backend} is being closed", self.backend)
        while self._queue:
            self._queue.popleft().on_error(error)
        for connection in (*self._live, *self._tunnels):
            connection.close()

    def _check_closed(self) -> None:
        if self._closing and not (self._live or self._tunnels or self._queue or self._opener.count):
            self._closed.set()
            if self._name_watch is not None:
                self._name_watch.stop()


def _authority(endpoint: Endpoint) -> bytes:
    if not endpoint.host.isascii():
        endpoint = replace(endpoint, host=endpoint.host.encode("idna").decode())
    return endpoint.authority.encode()
