"""Attempts of a request on the fast tier: waiting for a connection, and sending a second time."""

import time
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from proxy.errors import UpstreamError, UpstreamStale
from proxy.forwarding.prepared_request import PreparedRequest
from proxy.model import Timeouts
from proxy.upstream import SWEEP_S, Acquisition, Connection, Pool


class Attempts(Struct, eq=False):
    """Made for a request that finds no idle connection, or whose connection fails. Others need none."""

    prepared: PreparedRequest
    began: float
    """`time.monotonic()` of the request's head."""
    repeated: bool = False
    search: Acquisition | None = None
    """Goes on while there is no connection."""

    def timeouts(self) -> Timeouts:
        """The time-outs of the route, less the time that has passed."""
        timeouts = self.prepared.timeouts
        passed_s = time.monotonic() - self.began
        if passed_s < SWEEP_S:
            return timeouts
        return replace(timeouts, spent_s=passed_s)

    def acquire(
        self,
        first: Pool,
        found: Callable[[Pool, Connection], None],
        failed: Callable[[UpstreamError], None],
        on_attempt: Callable[[], None],
        *,
        fresh: bool,
    ) -> None:
        """Wait for a connection; `fresh`: a new one. Calls `found` or `failed`, once, maybe before it returns."""
        upstream, timeouts = self.prepared.upstream, self.timeouts()
        self.search = upstream.acquisition(first, timeouts, found, failed, on_attempt, fresh=fresh)
        self.search.begin()

    def may_repeat(self, error: UpstreamError, has_body: bool) -> bool:
        """Whether to send once more: the first time, and only a request that is repeatable or was not sent."""
        if self.repeated or not isinstance(error, UpstreamStale):
            return False
        return self.prepared.repeatable or not (error.sent or has_body)

    def stop(self) -> None:
        """Stop waiting."""
        search, self.search = self.search, None
        if search is not None:
            search.stop()
