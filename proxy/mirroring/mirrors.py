"""Makes copies of requests that have ended, within the limits of their routes (rule 6)."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from proxy.errors import RequestError
from proxy.http1.request_head import read_framing
from proxy.mirroring.copy import Copy
from proxy.mirroring.exchange import BUSY, observe
from proxy.mirroring.kept_body import KeptBody, KeptBytes
from proxy.mirroring.lane import Lane, Open
from proxy.mirroring.loop_delay import LoopDelay
from proxy.mirroring.sender import MAX_KEPT_BYTES
from proxy.mirroring.served import Batch, Served
from proxy.model import SAFE_METHODS, Backend, Body, Outgoing, Route
from proxy.routing.mirrored_request import is_mirrored, is_replayed, mirror_of, mirrored_request
from proxy.routing.snapshot import Snapshot
from proxy.upstream import Upstream

log = logging.getLogger(__name__)

_CONDITIONAL = frozenset((206, 304, 412, 416))
"""Responses to a condition or a range, which copies do not have."""
_CLOSE_S = 1.0
_MAX_AGE_S = 30.0
_LATE_S = 0.05
"""After longer delays of the event loop, the duration of a copy says nothing about its backend."""


class CopyResults(Protocol):
    """Who counts copies."""

    def sent(self, copy: Copy, *, replayed: bool) -> None: ...

    def dropped(self, copy: Copy, reason: str) -> None: ...

    def count_drop(self, route: str, reason: str) -> None:
        """Count a request without a copy."""

    def missed(self, route: Route, snapshot: Snapshot, reasons: Mapping[str, int]) -> None:
        """The worker has not handed over, and has counted, so many requests, by reason."""


class Comparing(Protocol):
    """Who compares copies."""

    @property
    def is_full(self) -> bool:
        """Whether no more copies should be sent."""

    def offer(self, copy: Copy) -> None:
        """Compare a copy whose responses are complete, and release it."""


class Mirrors:
    """Sends copies, and gives each whose responses are complete to `comparing`."""

    is_full = False
    """What is beyond a limit is dropped and counted here."""

    def __init__(
        self,
        open_upstream: Open,
        results: CopyResults,
        comparing: Comparing,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._kept = KeptBytes(MAX_KEPT_BYTES)
        self._open = open_upstream
        self._results = results
        self._comparing = comparing
        self._draw = draw
        self._snapshot: Snapshot | None = None
        self._routes: dict[str, Route] = {}
        self._lanes: dict[str, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._delay = LoopDelay()

    def receive(self, batch: Batch) -> None:
        """Copy requests that have ended, as far as the limits of their routes allow."""
        for served in batch.requests:
            self._start(served)
        for name, reasons in batch.drops.items():
            route = self._routes.get(name)
            if route is not None and self._snapshot is not None:
                self._results.missed(route, self._snapshot, reasons)

    @property
    def busy(self) -> int:
        """How many copies are being sent."""
        return len(self._tasks)

    # --- tables -------------------------------------------------------------------------------------

    def adopt(self, snapshot: Snapshot) -> None:
        """A table is in effect: close the connections of routes that it does not have any more."""
        self._snapshot = snapshot
        self._routes = {each.name: each for each in snapshot.table.routes if is_mirrored(each)}
        lanes, self._lanes = self._lanes, {}
        if not lanes:
            return
        for name, route in self._routes.items():
            lane = lanes.get(name)
            if lane is not None and lane.fits(route, snapshot):
                self._lanes[name] = lanes.pop(name)
        for lane in lanes.values():
            self._close(lane)

    async def aclose(self) -> None:
        """Give up the copies, and close their connections."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        lanes = self._lanes.values()
        for copy in [each for lane in lanes for each in lane.take_waiting()]:
            copy.release()
        upstreams = [each for lane in lanes for each in lane.take_upstreams()]
        await asyncio.gather(*(upstream.aclose(0.0) for upstream in upstreams))

    # --- inside -------------------------------------------------------------------------------------

    def _start(self, served: Served) -> None:
        snapshot, route = self._snapshot, self._routes.get(served.route)
        if snapshot is None or route is None or snapshot.version != served.version:
            # The worker has another table for a moment.
            self._results.count_drop(served.route, "reloaded")
            return
        now = time.monotonic()
        if now - served.ended > _MAX_AGE_S:
            # It waited for this process to start: what its backends respond now may be something else.
            self._miss(route, snapshot, "queue")
            return
        lane = self._lane(route, snapshot)
        if not lane.breaker.admits(now):
            self._miss(route, snapshot, "circuit_open")
            return
        copy = Copy(served, route, snapshot, self._kept)
        if copy.mirror.compare is not None and self._comparing.is_full:
            self._drop(copy, "queue")  # Its response could not be compared in time.
        elif not copy.takes_room():
            self._drop(copy, "memory")
        elif lane.has_room:
            self._begin(copy, lane)
        elif not lane.wait(copy):
            self._drop(copy, "concurrency")

    def _begin(self, copy: Copy, lane: Lane) -> None:
        lane.active += 1
        self._delay.begin()
        self._run(self._send(copy, lane))

    def _begin_waiting(self, lane: Lane) -> None:
        """A copy of the lane has ended: those that wait follow."""
        while (copy := lane.take_next()) is not None:
            self._begin(copy, lane)

    def _miss(self, route: Route, snapshot: Snapshot, reason: str) -> None:
        """A request is not copied."""
        self._results.count_drop(route.name, reason)
        self._results.missed(route, snapshot, {reason: 1})

    def _drop(self, copy: Copy, reason: str) -> None:
        """The copy ends without a comparison."""
        copy.release()
        self._results.dropped(copy, reason)

    def _lane(self, route: Route, snapshot: Snapshot) -> Lane:
        lane = self._lanes.get(route.name)
        if lane is None:
            self._kept.limit = max(self._kept.limit, 3 * mirror_of(route).max_body_bytes)
            lane = self._lanes[route.name] = Lane(route, snapshot, self._open, self._drop)
        return lane

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _close(self, lane: Lane) -> None:
        for copy in lane.take_waiting():
            self._drop(copy, "reloaded")
        for upstream in lane.take_upstreams():
            self._run(upstream.aclose(lane.mirror.timeout_s + _CLOSE_S))

    async def _send(self, copy: Copy, lane: Lane) -> None:
        began = time.monotonic()
        try:
            failure = await self._observe(copy, lane)
        except RequestError:
            # The rewrite of the other backend has no value for this request.
            failure = "refused"
        except Exception:
            # The edge of the task: a bug of ours must not end the process, or another copy.
            log.exception("a copy of a request of the route %s failed", copy.route.name)
            failure = "internal"
        finally:
            lane.active -= 1
            copy.is_late = self._delay.sum_s(began) > _LATE_S
            self._delay.end()
            if copy.seen and not copy.is_late:
                lane.breaker.ended(copy.seen[0].failure != "")
        self._begin_waiting(lane)
        failure = failure or _why_not_compared(copy)
        if failure:
            self._drop(copy, failure)
        elif copy.mirror.compare is None:
            copy.release()
        else:
            self._comparing.offer(copy)

    async def _observe(self, copy: Copy, lane: Lane) -> str:
        """Send the copy, set what is seen, and return why there is nothing to compare, if so."""
        request = copy.request
        mirror, backends = copy.mirror, copy.snapshot.backends
        to = [backends[request.decision.mirrored_to[0]]]
        if request.facts.method not in SAFE_METHODS:
            if mirror.sandbox in {each for of in backends.values() for each in of.endpoints}:
                return "sandbox"
        elif is_replayed(mirror, self._draw()):
            to.append(backends[copy.route.backend_refs[0].backend])
        made = [self._made(copy, lane, backend) for backend in to]
        copy.bodies = tuple(KeptBody(mirror.max_body_bytes, self._kept) for _ in to)
        self._results.sent(copy, replayed=len(to) > 1)
        seen = await asyncio.gather(
            *(
                observe(upstream, outgoing, copy.body, kept, copy.most_bytes)
                for (upstream, outgoing), kept in zip(made, copy.bodies, strict=True)
            )
        )
        if seen[0].failure == BUSY:
            return "busy"
        # A second request that had no connection is left out.
        copy.seen = tuple(each for each in seen if each.failure != BUSY)
        return "memory" if any(each.is_lost for each in copy.bodies) else ""

    def _made(self, copy: Copy, lane: Lane, backend: Backend) -> tuple[Upstream, Outgoing]:
        """The request for `backend`, and its connections. Raises BadRequest."""
        request, snapshot = copy.request, copy.snapshot
        facts = request.facts
        framing = read_framing(facts.headers)
        framing = framing if framing.kind == "none" else Body("length", len(copy.body))
        table, identity = snapshot.table, request.identity
        outgoing = mirrored_request(table, request.decision, backend, facts, identity, framing)
        return lane.upstream(backend, facts.method, snapshot), outgoing


def _why_not_compared(copy: Copy) -> str:
    """Why a copy that was sent is not compared; empty if it is."""
    served = copy.served
    if copy.mirror.compare is None:
        return copy.seen[0].failure
    if served.failure in ("client_gone", "refused"):
        return served.failure
    if copy.is_late and any(each.failure == "timeout" for each in copy.seen):
        return "late"
    return "conditional" if served.status in _CONDITIONAL else ""
