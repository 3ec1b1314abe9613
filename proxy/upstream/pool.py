"""The connections of one endpoint: capped, with a bounded queue in front.

A request that finds no idle connection becomes a waiter. Connections are opened for waiters, but not tied to
them: the first to be had, new or given back, goes to the waiter that came first. So one that is finished when
its waiter is gone serves another, or becomes idle, and a slot is never lost.

Opening costs as much as some requests do. So where there are some connections already, it begins 2 ms later, when those
that were answered meanwhile are given back, and goes on with two each millisecond while somebody waits: a burst, or a
stall of our own, must not be made longer by what it would have connected (ADR 16, 18). That somebody had to wait
at all makes the pool grow by one or two.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import ConnectTimeout, UpstreamBusy, UpstreamError, UpstreamUnreachable
from proxy.http1.response_parser import LastResponse
from proxy.model import Endpoint
from proxy.tick import WriteBatch
from proxy.upstream.connection import Connection
from proxy.upstream.dial import dial
from proxy.upstream.failures import NOT_CONNECTED, not_connected
from proxy.upstream.interfaces import Stats
from proxy.upstream.sweep import Sweep

log = logging.getLogger(__name__)


_SOME = 8
"""So many connections are opened at once, and without a wait."""
_PATIENCE_S = 0.002
_PACE_S = 0.001
_STEP = 2
"""So many are opened each `_PACE_S` after that."""
_SPARE_S = 5.0


class PendingRequest(Struct, eq=False):
    """A request that waits for a connection, `until` then, as the loop tells time.

    It leaves the queue before it is told, and one of the two is called once, unless it left by itself.
    What it is given is usable (`Connection.usable`), for as long as it begins at once.
    """

    until: float
    given: Callable[[Connection], None]
    refused: Callable[[UpstreamError], None]


class PoolLimits(Struct, frozen=True):
    """Of one endpoint; see `Backend`."""

    max_connections: int
    max_pending_requests: int
    idle_timeout_s: float


class Pool:
    """`backend` is for the errors. `sweep` is started with every connection; it has to call `swept`."""

    def __init__(
        self,
        backend: str,
        endpoint: Endpoint,
        limits: PoolLimits,
        sweep: Sweep,
        turn: WriteBatch,
        tls: ssl.SSLContext | None,
        server_name: str | None = None,
    ) -> None:
        self.backend = backend
        self.turn = turn
        self.last = LastResponse()
        self.endpoint = endpoint
        self.authority = _authority(endpoint)
        self.idle_timeout_s = limits.idle_timeout_s
        self._limits = limits
        self._sweep = sweep
        self._tls = tls
        self._server_name = server_name
        self._live: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[Connection]] = set()
        self._waiters: deque[PendingRequest] = deque()
        self._closing = False
        self._opens_soon: asyncio.TimerHandle | None = None
        self._waited = 0
        """How many have had to wait since connections were opened last."""
        self._empty = asyncio.Event()

    # --- taking a connection --------------------------------------------------------------------

    def take_idle(self, repeatable: bool = False) -> Connection | None:
        """The connection used last, so that the others can age. None if there is no idle one.

        `repeatable` is for a request that may be sent again: it costs less, see `Connection.usable`.
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable(repeatable):
                return connection
            connection.abort()
        return None

    @property
    def has_room(self) -> bool:
        """A request would not have to queue."""
        return bool(self._idle) or self._may_open

    def queue(self, waiter: PendingRequest) -> None:
        """Wait for a connection. Raises UpstreamBusy or UpstreamUnreachable: there is nothing to wait for."""
        if self._closing:
            raise UpstreamUnreachable(f"backend {self.backend} is being closed", self.backend)
        most = self._limits.max_connections - len(self._live) + self._limits.max_pending_requests
        if len(self._waiters) >= most:
            raise UpstreamBusy(
                f"backend {self.backend} has too many requests waiting", self.backend
            )
        self._waiters.append(waiter)
        self._waited += 1
        self._sweep.start()
        if self._opens_soon is None:
            self._open_after(0.0 if self._count < _SOME else _PATIENCE_S)

    def leave(self, waiter: PendingRequest) -> None:
        """The wait was given up. Harmless when it is over."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        self._note_empty()

    def _waited_too_long(self) -> UpstreamError:
        if len(self._live) >= self._limits.max_connections:
            return UpstreamBusy(
                f"backend {self.backend} had no connection free in time", self.backend
            )
        return ConnectTimeout(
            f"backend {self.backend} did not accept a connection in time", self.backend
        )

    # --- opening ----------------------------------------------------------------------------------

    @property
    def _count(self) -> int:
        """Connections, and those that are being opened."""
        return len(self._live) + len(self._opening)

    @property
    def _may_open(self) -> bool:
        return self._count < self._limits.max_connections

    def make_room(self) -> None:
        """Let the oldest idle connection go, where the cap would keep a new one from being opened."""
        if not self._may_open and self._idle:
            self._idle[0].abort()

    def _open_after(self, wait_s: float) -> None:
        self._opens_soon = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._opens_soon = None
        spare, self._waited = min(_STEP, self._waited), 0
        self._open(len(self._opening) + max(_STEP, _SOME - self._count), spare)
        self._open_more()

    def _open_more(self) -> None:
        """See to it that some are opened soon, while more wait than that."""
        if self._opens_soon is None and len(self._waiters) > len(self._opening) and self._may_open:
            self._open_after(_PACE_S if self._count >= _SOME else 0.0)

    def _open(self, most: int, spare: int) -> None:
        """For each who waits, but `spare` at least; until `most` are being opened."""
        wanted = min(max(len(self._waiters), spare), most)
        now = asyncio.get_running_loop().time()
        while not self._closing and len(self._opening) < wanted and self._may_open:
            at = len(self._opening)
            left_s = self._waiters[at].until - now if at < len(self._waiters) else _SPARE_S
            task = asyncio.get_running_loop().create_task(self._connect(max(0.0, left_s)))
            self._opening.add(task)
            task.add_done_callback(self._opened)

    async def _connect(self, timeout_s: float) -> Connection:
        def made() -> Connection:
            return Connection(self)

        try:
            async with asyncio.timeout(timeout_s):
                connection = await dial(self.endpoint, made, self._tls, self._server_name)
        except NOT_CONNECTED as error:
            raise not_connected(error, self.backend) from error
        return connection

    def _opened(self, task: asyncio.Task[Connection]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self._adopt(task.result())
            elif isinstance(error, UpstreamError):
                self._refuse(error)
            else:
                # A fault of ours. Whoever waits must not wait for nothing.
                log.error("connecting to backend %s failed", self.backend, exc_info=error)
                self._refuse(UpstreamUnreachable("connecting failed", self.backend))
        self._open_more()
        self._note_empty()

    def _adopt(self, connection: Connection) -> None:
        if not connection.usable():
            connection.abort()
            what = f"backend {self.backend} closed a connection, or spoke, before it was asked anything"
            self._refuse(UpstreamUnreachable(what, self.backend))
            return
        self._live.add(connection)
        self._sweep.start()
        self.released(connection)

    def _refuse(self, error: UpstreamError) -> None:
        """Tell it to the first waiter, unless a connection is still being opened for each of them."""
        if len(self._waiters) > len(self._opening):
            self._waiters.popleft().refused(error)

    # --- what a connection tells its owner --------------------------------------------------------

    def forget(self, connection: Connection) -> None:
        self._live.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._open_more()
        self._note_empty()

    def released(self, connection: Connection) -> None:
        """To the first waiter, or to the idle ones. Nobody is given one that closed after its answer."""
        if self._waiters:
            if connection.usable():
                self._waiters.popleft().given(connection)
            else:
                connection.abort()  # So another is opened for whoever waits.
        elif self._closing:
            connection.abort()
        else:
            self._idle.append(connection)

    # --- watching and closing ---------------------------------------------------------------------

    def swept(self, now: float) -> bool:
        """Look at every connection, and at who waits. False if there is nothing to look at."""
        for connection in tuple(self._live):
            connection.swept(now)
        for waiter in [each for each in self._waiters if now >= each.until]:
            self.leave(waiter)
            waiter.refused(self._waited_too_long())
        return bool(self._live or self._waiters)

    def stats(self) -> Stats:
        idle, pending = len(self._idle), len(self._waiters)
        return Stats(len(self._live), idle, len(self._live) - idle, pending)

    def close(self) -> None:
        """Take no more requests. Idle connections go now, the others when their exchange ends."""
        self._closing = True
        for connection in tuple(self._idle):
            connection.abort()
        self._note_empty()

    async def emptied(self) -> None:
        """Wait for the last exchange, after `close`."""
        await self._empty.wait()

    def abort(self) -> None:
        """Cut off what is still there; whoever waits is told."""
        for task in tuple(self._opening):
            task.cancel()
        gone = UpstreamUnreachable(f"backend {self.backend} is being closed", self.backend)
        while self._waiters:
            self._waiters.popleft().refused(gone)
        for connection in tuple(self._live):
            connection.cut_off()

    def _note_empty(self) -> None:
        if self._closing and not (self._live or self._waiters or self._opening):
            self._empty.set()


def _authority(endpoint: Endpoint) -> bytes:
    if not endpoint.host.isascii():
        endpoint = replace(endpoint, host=endpoint.host.encode("idna").decode())
    return endpoint.authority.encode()
