"""The mirrors of one worker: begins copies off the way of the requests, within the limits of their routes (rule 6)."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from proxy.errors import RequestError
from proxy.http1.request_head import read_framing
from proxy.http1.response_head import ResponseHead
from proxy.mirroring.copy import CopiedRequest, Copy
from proxy.mirroring.exchange import BUSY, observe
from proxy.mirroring.kept_body import KeptBody, KeptBytes
from proxy.mirroring.lane import Lane, Open
from proxy.model import SAFE_METHODS, Backend, Body, Outgoing, Route
from proxy.routing.mirrored_request import is_replayed, mirrored_request
from proxy.routing.snapshot import Snapshot
from proxy.upstream import Upstream

log = logging.getLogger(__name__)

_MAX_KEPT_BYTES = 8 * 1024 * 1024
_MAX_WAITING = 1_000
"""Copies that have their response, and wait for that of the client."""
_CONDITIONAL = frozenset((206, 304, 412, 416))
"""Responses to a condition or a range, which copies do not have."""
_CLOSE_S = 1.0


class CopyResults(Protocol):
    """Who counts copies."""

    def sent(self, copy: Copy, *, replayed: bool) -> None: ...

    def dropped(self, copy: Copy, reason: str) -> None: ...


class Listed(Protocol):
    """A request that makes its copy later than it is sent."""

    def begin_copy(self, mirrors: "Mirrors") -> Copy:
        """The copy; the same one at each call."""


Note = Listed | tuple[Listed, ResponseHead, bytes, float]
"""A request was sent; or a client got this whole response to it, at this time (`time.monotonic()`)."""


class Mirrors:
    """`compare` gets each copy whose responses are complete, and releases it."""

    def __init__(
        self,
        open_upstream: Open,
        results: CopyResults,
        compare: Callable[[Copy], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.kept = KeptBytes(_MAX_KEPT_BYTES)
        self._open = open_upstream
        self._results = results
        self._compare = compare
        self._draw = draw
        self._lanes: dict[str, Lane] = {}
        self._due: list[Copy] = []
        self.notes: list[Note] = []
        """What happened to usual requests in this tick. Call `wake` before the first one: a copy is made in the next
        tick, so that it costs the request as little as this list."""
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # --- called for a request -----------------------------------------------------------------------

    def wake(self) -> None:
        """`notes` will not be empty in the next tick: read them then."""
        asyncio.get_running_loop().call_soon(self._read_notes)

    def _read_notes(self) -> None:
        notes = self.notes[:]
        self.notes.clear()
        for note in notes:
            if isinstance(note, tuple):
                request, head, body, at = note
                request.begin_copy(self).whole(head, body, at)
            else:
                note.begin_copy(self)

    def copy(
        self,
        route: Route,
        snapshot: Snapshot,
        request: Callable[[], CopiedRequest],
        body: bytes | None,
        began: float,
    ) -> Copy:
        """Begin a copy, in the next tick. `body` is None if it comes by `Copy.request_data`."""
        copy = Copy(self, route, snapshot, request, body, began)
        if body is not None:
            self.start(copy)
        return copy

    def start(self, copy: Copy) -> None:
        """The whole request has come."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._start_due)
        self._due.append(copy)

    def served(self, copy: Copy) -> None:
        """The client has its response."""
        if copy.seen and not copy.is_dropped:
            self._waiting -= 1
            self._complete(copy)

    def drop(self, copy: Copy, reason: str) -> None:
        """The copy ends without a comparison."""
        if not copy.is_dropped:
            copy.is_dropped = True
            copy.release()
            self._results.dropped(copy, reason)

    @property
    def busy(self) -> int:
        """How many copies are due or being sent."""
        return len(self.notes) + len(self._due) + len(self._tasks)

    # --- tables -------------------------------------------------------------------------------------

    def adopt(self, snapshot: Snapshot) -> None:
        """A table is in effect: close the connections of routes that it does not have any more."""
        if not self._lanes:
            return
        lanes, self._lanes = self._lanes, {}
        for route in snapshot.table.routes:
            lane = lanes.get(route.name)
            if lane is not None and lane.fits(route, snapshot):
                self._lanes[route.name] = lanes.pop(route.name)
        for lane in lanes.values():
            self._close(lane)

    async def aclose(self) -> None:
        """Give up the copies, and close their connections."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        upstreams = [each for lane in self._lanes.values() for each in lane.take_upstreams()]
        await asyncio.gather(*(upstream.aclose(0.0) for upstream in upstreams))

    # --- inside -------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        due, self._due = self._due, []
        for copy in due:
            if not copy.is_dropped:
                self._start(copy)

    def _start(self, copy: Copy) -> None:
        mirror, body = copy.mirror, copy.body or b""
        lane = self._lane(copy)
        if lane is None:
            self.drop(copy, "reloaded")
        elif lane.active >= mirror.max_concurrency:
            self.drop(copy, "concurrency")
        elif len(body) > mirror.max_body_bytes:
            self.drop(copy, "body")
        else:
            lane.active += 1
            self._run(self._send(copy, lane, body))

    def _lane(self, copy: Copy) -> Lane | None:
        """None for a route that a reload has replaced."""
        route, snapshot = copy.route, copy.snapshot
        lane = self._lanes.get(route.name)
        if lane is None:
            self.kept.limit = max(self.kept.limit, 3 * copy.mirror.max_body_bytes)
            lane = self._lanes[route.name] = Lane(route, snapshot, self._open)
            return lane
        if lane.route is route or lane.fits(route, snapshot):
            return lane
        return None

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _close(self, lane: Lane) -> None:
        for upstream in lane.take_upstreams():
            self._run(upstream.aclose(lane.mirror.timeout_s + _CLOSE_S))

    async def _send(self, copy: Copy, lane: Lane, body: bytes) -> None:
        try:
            failure = await self._observe(copy, lane, body)
        except RequestError:
            # The rewrite of the other backend has no value for this request.
            failure = "refused"
        except Exception:
            # The edge of the task: a bug of ours must not show in the request that was copied.
            log.exception("a copy of a request of the route %s failed", copy.route.name)
            failure = "internal"
        finally:
            lane.active -= 1
        if failure:
            self.drop(copy, failure)
        elif copy.is_served:
            self._complete(copy)
        elif self._waiting >= _MAX_WAITING:
            self.drop(copy, "memory")
        else:
            self._waiting += 1

    async def _observe(self, copy: Copy, lane: Lane, body: bytes) -> str:
        """Send the copy, set what is seen, and return why there is nothing to compare, if so."""
        request = copy.make_request()
        mirror, backends = copy.mirror, copy.snapshot.backends
        to = [backends[request.decision.mirrored_to[0]]]
        if request.facts.method not in SAFE_METHODS:
            if mirror.sandbox in {each for of in backends.values() for each in of.endpoints}:
                return "sandbox"
        elif is_replayed(mirror, self._draw()):
            to.append(backends[copy.route.backend_refs[0].backend])
        made = [self._made(copy, lane, request, backend, body) for backend in to]
        copy.bodies = tuple(KeptBody(mirror.max_body_bytes, self.kept) for _ in to)
        self._results.sent(copy, replayed=len(to) > 1)
        seen = await asyncio.gather(
            *(
                observe(upstream, outgoing, body, kept, copy.allows_more, copy.route.response_ok)
                for (upstream, outgoing), kept in zip(made, copy.bodies, strict=True)
            )
        )
        if seen[0].failure == BUSY:
            return "busy"
        # A second request that had no connection is left out.
        copy.seen = tuple(each for each in seen if each.failure != BUSY)
        return "memory" if any(each.is_lost for each in copy.bodies) else ""

    def _made(
        self, copy: Copy, lane: Lane, request: CopiedRequest, backend: Backend, body: bytes
    ) -> tuple[Upstream, Outgoing]:
        """The request for `backend`, and its connections. Raises BadRequest."""
        facts, snapshot = request.facts, copy.snapshot
        framing = read_framing(facts.headers)
        framing = framing if framing.kind == "none" else Body("length", len(body))
        table, identity = snapshot.table, request.identity
        outgoing = mirrored_request(table, request.decision, backend, facts, identity, framing)
        return lane.upstream(backend, facts.method, snapshot), outgoing

    def _complete(self, copy: Copy) -> None:
        """Both responses are there."""
        if copy.is_dropped:
            return
        if copy.mirror.compare is None:
            copy.release()
            if copy.seen[0].failure:
                self.drop(copy, copy.seen[0].failure)
        elif copy.failure in ("client_gone", "refused"):
            self.drop(copy, copy.failure)
        elif copy.head is not None and copy.head.status in _CONDITIONAL:
            self.drop(copy, "conditional")
        elif copy.response is not None and copy.response.is_lost:
            self.drop(copy, "memory")
        else:
            self._compare(copy)
