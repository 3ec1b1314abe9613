"""Hands requests of a worker that are copied to the maker of copies, off the way of the requests (rule 6, ADR 34)."""

import asyncio
import logging
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

MAX_KEPT_BYTES = 8 * 1024 * 1024
"""Of the bodies of all requests together that have not ended, unless one body may have a third of it."""


class Drops(Protocol):
    """Counts requests that are not copied."""

    def count_drop(self, route: str, reason: str) -> None: ...


class Listed(Protocol):
    """A request that makes its copy later than it is served."""

    def begin_copy(self, copies: "CopySender") -> CopiedExchange:
        """What is copied; the same one at each call."""


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

    def __init__(self, receiver: Receiver, drops: Drops) -> None:
        self.kept = KeptBytes(MAX_KEPT_BYTES)
        self._receiver = receiver
        self._drops = drops
        self.notes: list[Note] = []
        """The usual requests that ended in this tick. Call `wake` before the first one: what is copied is made in the
        next tick, so that it costs the request as little as this list."""
        self._ended: list[CopiedExchange] = []
        self._dropped: dict[str, dict[str, int]] = {}
        """Since the last batch, for the parity."""

    # --- called for a request -----------------------------------------------------------------------

    def wake(self) -> None:
        """`notes` will not be empty in the next tick: read them then."""
        asyncio.get_running_loop().call_soon(self._flush)

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
        if not (self._ended or self.notes):
            self.wake()
        self._ended.append(exchange)

    def drop(self, exchange: CopiedExchange, reason: str) -> None:
        """The request is not copied."""
        route = exchange.route.name
        exchange.release()
        self._drops.count_drop(route, reason)
        counts = self._dropped.setdefault(route, {})
        counts[reason] = counts.get(reason, 0) + 1

    # --- in the next tick ---------------------------------------------------------------------------

    def _flush(self) -> None:
        try:
            for request, head, body, at in self.notes:
                request.begin_copy(self).whole(head, body, at)
        finally:
            self.notes.clear()
        ended, self._ended = self._ended, []
        if self._receiver.is_full:
            for each in ended:
                self.drop(each, "queue")
            return
        taken = [served for each in ended if (served := self._take(each)) is not None]
        if taken:
            dropped, self._dropped = self._dropped, {}
            self._receiver.receive(Batch(taken, dropped))

    def _take(self, exchange: CopiedExchange) -> Served | None:
        try:
            return exchange.take()
        except Exception:
            # A bug of ours must not show in other requests.
            log.exception("a request of the route %s is not copied", exchange.route.name)
            self.drop(exchange, "internal")
            return None
        finally:
            exchange.release()
