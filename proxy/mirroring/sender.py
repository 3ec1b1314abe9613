"""Hands requests of a worker that are copied to the maker of copies, off the way of the requests (rule 6, ADR 34)."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from proxy.http1.response_head import ResponseHead
from proxy.mirroring.copied_exchange import CopiedExchange
from proxy.mirroring.kept_body import KeptBytes
from proxy.mirroring.served import Batch, CopiedRequest, Served
from proxy.model import Route
from proxy.routing.mirrored_request import mirror_of
from proxy.routing.snapshot import Snapshot

log = logging.getLogger(__name__)

GATHER_S = 0.02
"""A worker that goes on after a response keeps the CPU from the client that the response woke (ADR 34)."""
_IN_TICK = 32
_MAX_NOTES = 256
_MAX_NOTED_BYTES = 1024 * 1024

MAX_KEPT_BYTES = 8 * 1024 * 1024
"""Of the bodies of all requests together that have not ended, unless one body may have a third of it."""


class Drops(Protocol):
    """Counts requests that are not copied."""

    def count_drop(self, route: str, reason: str) -> None: ...


class Listed(Protocol):
    """A usual request that was copied: its response came in one read."""

    @property
    def copied_route(self) -> Route: ...

    def handed_over(self, head: ResponseHead, body: bytes, at: float) -> Served | None:
        """The request with its response, which its client had at `at` (`time.monotonic()`). None if it is too long for
        this way: `begin_copy` observes it then."""

    def begin_copy(self, copies: "CopySender") -> CopiedExchange:
        """The same request as one that is observed."""


Note = tuple[Listed, ResponseHead, bytes, float]
"""A client got this whole response to a request, at this time (`time.monotonic()`)."""


class Receiver(Protocol):
    """Who makes the copies, or the way to it. Nothing here waits."""

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""

    def receive(self, batch: Batch) -> None:
        """Take requests that have ended."""


class CopySender:
    """Begins, observes and hands over the requests of one worker that are copied."""

    def __init__(self, receiver: Receiver, drops: Drops, gather_s: float = GATHER_S) -> None:
        """Requests are handed over together, `gather_s` after the first of them ended."""
        self.kept = KeptBytes(MAX_KEPT_BYTES)
        self._receiver = receiver
        self._drops = drops
        self._gather_s = gather_s
        self._notes: deque[Note] = deque()
        self._noted_bytes = 0
        self._ended: deque[CopiedExchange] = deque()
        self._timer: asyncio.Handle | None = None
        self._dropped: dict[str, dict[str, int]] = {}
        """Since the last batch, for the parity."""

    @property
    def waiting(self) -> int:
        """How many requests have ended and are not handed over."""
        return len(self._notes) + len(self._ended)

    # --- called for a request -----------------------------------------------------------------------

    def note(self, request: Listed, head: ResponseHead, body: bytes) -> None:
        """A client got this whole response. What is handed over is made later, so the request pays for a list entry."""
        self._notes.append((request, head, body, time.monotonic()))
        self._noted_bytes += len(body)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._gather_s, self._flush)
        elif self._noted_bytes > _MAX_NOTED_BYTES or len(self._notes) > _MAX_NOTES:
            self._flush_soon()

    def begin(
        self,
        route: Route,
        snapshot: Snapshot,
        request: Callable[[], CopiedRequest],
        body: bytes | None,
        began: float,
    ) -> CopiedExchange:
        """Observe a request. `body` is None if it comes by `CopiedExchange.request_data`."""
        limit = mirror_of(route).max_body_bytes
        if 3 * limit > self.kept.limit:
            self.kept.limit = 3 * limit
        return CopiedExchange(self, route, snapshot, request, body, began)

    def served(self, exchange: CopiedExchange) -> None:
        """Request and response have ended."""
        self._ended.append(exchange)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._gather_s, self._flush)

    def drop(self, exchange: CopiedExchange, reason: str) -> None:
        """The request is not copied."""
        exchange.release()
        self._count_drop(exchange.route, reason)

    def _count_drop(self, route: Route, reason: str) -> None:
        self._drops.count_drop(route.name, reason)
        counts = self._dropped.setdefault(route.name, {})
        counts[reason] = counts.get(reason, 0) + 1

    # --- later --------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Hand over some requests; the others in the next ticks, so that no request waits for all of them."""
        self._timer = None
        taken = []
        for _ in range(min(_IN_TICK, len(self._notes))):
            taken.append(self._of_note(*self._notes.popleft()))
        for _ in range(min(_IN_TICK, len(self._ended))):
            taken.append(self._of_exchange(self._ended.popleft()))
        requests = [each for each in taken if each is not None]
        if requests:
            dropped, self._dropped = self._dropped, {}
            self._receiver.receive(Batch(requests, dropped))
        if self._notes or self._ended:
            self._timer = asyncio.get_running_loop().call_soon(self._flush)

    def _of_note(
        self, request: Listed, head: ResponseHead, body: bytes, at: float
    ) -> Served | None:
        self._noted_bytes -= len(body)

        def take() -> Served | None:
            served = request.handed_over(head, body, at)
            if served is None:
                request.begin_copy(self).whole(head, body, at)
            return served

        return self._unless_dropped(request.copied_route, take)

    def _of_exchange(self, exchange: CopiedExchange) -> Served | None:
        served = self._unless_dropped(exchange.route, exchange.take)
        exchange.release()
        return served

    def _unless_dropped(self, route: Route, take: Callable[[], Served | None]) -> Served | None:
        """What `take` makes of a request; None if there is no room, or after a defect."""
        reason = "queue"
        if not self._receiver.is_full:
            try:
                return take()
            except Exception:
                # A bug of ours must not show in other requests.
                log.exception("a request of the route %s is not copied", route.name)
                reason = "internal"
        self._count_drop(route, reason)
        return None

    def _flush_soon(self) -> None:
        """Begin now: bodies that wait take memory."""
        if isinstance(self._timer, asyncio.TimerHandle):
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_soon(self._flush)
