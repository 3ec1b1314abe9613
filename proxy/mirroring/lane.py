"""The copies of one route: its own connections, how many copies are sent now, and those that wait."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from ssl import SSLContext

from proxy.mirroring.breaker import Breaker
from proxy.mirroring.copy import Copy
from proxy.model import Backend, Mirror, Route
from proxy.routing.mirrored_request import copy_backend, mirror_of
from proxy.routing.snapshot import Snapshot
from proxy.upstream import Upstream

Open = Callable[[Backend, SSLContext | None], Upstream]
"""Opens the connections to a backend. The context is for its https endpoints."""

RECEIVE_BUFFER_BYTES = 128 * 1024
"""For each connection of copies. A backend that floods may send so much until its copy is given up, and no more."""
_WAIT_S = 1.0
"""How long a copy waits for another one to end. A mirror process that gets CPU late reads many requests at one time."""
_WAITING_FOR_EACH = 10
"""So many copies wait for each that may be sent."""


class Lane:
    """Valid for one route and its backends: `fits` says whether a table still has them."""

    def __init__(
        self,
        route: Route,
        snapshot: Snapshot,
        open_upstream: Open,
        drop: Callable[[Copy, str], None],
    ) -> None:
        """`drop` gets the copies that have waited for too long, with the reason."""
        self.route = route
        self.mirror: Mirror = mirror_of(route)
        self.active = 0
        """Copies that are sent now, second requests for the baseline included."""
        self.breaker = Breaker()
        self._waiting: deque[tuple[float, Copy]] = deque()
        """With the time at which each has waited for long enough, on the event loop's clock."""
        self._timer: asyncio.TimerHandle | None = None
        self._backends = _backends_of(route, snapshot)
        self._open = open_upstream
        self._drop = drop
        self._upstreams: dict[Backend, Upstream] = {}

    def fits(self, route: Route, snapshot: Snapshot) -> bool:
        """Whether copies of `route` under the table of `snapshot` may use these connections."""
        if route is not self.route and mirror_of(route) != self.mirror:
            return False
        return _backends_of(route, snapshot) == self._backends

    def upstream(self, backend: Backend, method: str, snapshot: Snapshot) -> Upstream:
        """The connections for copies of requests with `method`."""
        name = f"{backend.name} (mirror of {self.route.name})"
        copied = copy_backend(backend, self.mirror, method, name)
        upstream = self._upstreams.get(copied)
        if upstream is None:
            context = snapshot.contexts.get(copied.tls)
            upstream = self._upstreams[copied] = self._open(copied, context)
        return upstream

    @property
    def has_room(self) -> bool:
        """Whether another copy may be sent now."""
        return self.active < self.mirror.max_concurrency

    def wait(self, copy: Copy) -> bool:
        """Let a copy wait. Returns whether there was room."""
        if len(self._waiting) >= _WAITING_FOR_EACH * self.mirror.max_concurrency:
            return False
        loop = asyncio.get_running_loop()
        self._waiting.append((loop.time() + _WAIT_S, copy))
        if self._timer is None:
            self._timer = loop.call_later(_WAIT_S, self._end_late)
        return True

    def _end_late(self) -> None:
        self._timer = None
        loop, waiting = asyncio.get_running_loop(), self._waiting
        while waiting and waiting[0][0] <= loop.time():
            self._drop(waiting.popleft()[1], "concurrency")
        if waiting:
            self._timer = loop.call_at(waiting[0][0], self._end_late)

    def take_next(self) -> Copy | None:
        """The copy that has waited longest, if there is room."""
        return self._waiting.popleft()[1] if self._waiting and self.has_room else None

    def take_waiting(self) -> list[Copy]:
        """All that wait, if the lane is closed."""
        if self._timer is not None:
            self._timer.cancel()
        waiting = [copy for _, copy in self._waiting]
        self._waiting.clear()
        return waiting

    def take_upstreams(self) -> list[Upstream]:
        """The connections, which the caller closes."""
        upstreams, self._upstreams = self._upstreams, {}
        return list(upstreams.values())


def _backends_of(route: Route, snapshot: Snapshot) -> Mapping[str, Backend | None]:
    return {ref.backend: snapshot.backends.get(ref.backend) for ref in route.backend_refs}
