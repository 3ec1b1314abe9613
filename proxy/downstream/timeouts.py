"""What a client may take of our time. Judged by a sweep, so that a request costs no timer and no look at a clock.

A sweep sees what a connection does and for how long it has done just that. Deadlines are so kept to one or two
sweeps, never early.
"""

from typing import Literal

from msgspec import Struct

from proxy.errors import RequestError, TooSlow
from proxy.model import Limits, Listener, Timeouts

_RATE_JUDGED_AFTER_S = 5.0

Phase = Literal["idle", "head", "body", "answer"]


class Progress(Struct, frozen=True):
    """How far a client is. `request` counts the requests of its connection, `received_bytes` those of this body."""

    phase: Phase
    request: int
    received_bytes: int = 0
    held_by_us: bool = False
    """We do not read: the upstream is slower than the client."""
    unsent_bytes: int = 0
    """Of the answer, not yet taken by the client."""


class Expiry(Struct, frozen=True):
    """`error` is told to the client where an answer has not begun; without one the connection just ends."""

    error: RequestError | None = None


_ENDS = Expiry()


class ClientTimeouts:
    """Watches one connection."""

    __slots__ = ("_body_since", "_last", "_sent_since", "_since", "_swept_at")

    def __init__(self) -> None:
        self._last = Progress("idle", -1)
        self._since = self._body_since = self._sent_since = self._swept_at = 0.0

    def check(
        self, now: float, seen: Progress, listener: Listener, timeouts: Timeouts, limits: Limits
    ) -> Expiry | None:
        """What has to end, if anything. `now` in seconds, monotonic, ever later."""
        last = self._last
        began = (last.phase, last.request) != (seen.phase, seen.request)
        if began:
            self._since = self._body_since = now
        elif seen.received_bytes != last.received_bytes or seen.held_by_us:
            self._since = now
        if seen.held_by_us and not began:
            self._body_since += now - self._swept_at
        if began or not seen.unsent_bytes or seen.unsent_bytes != last.unsent_bytes:
            self._sent_since = now
        self._last = seen
        self._swept_at = now
        if now - self._sent_since >= timeouts.stream_idle_s:
            return _ENDS
        waited_s = now - self._since
        match seen.phase:
            case "idle":
                return _ENDS if waited_s >= listener.idle_timeout_s else None
            case "head":
                return self._check_head(waited_s, listener)
            case "body":
                return self._check_body(waited_s, now, seen, timeouts, limits)
            case _:
                return None

    def _check_head(self, waited_s: float, listener: Listener) -> Expiry | None:
        if waited_s < listener.head_timeout_s:
            return None
        what = f"the request's head was not complete after {listener.head_timeout_s:g} s"
        return Expiry(TooSlow(what, "head_timeout"))

    def _check_body(
        self, waited_s: float, now: float, seen: Progress, timeouts: Timeouts, limits: Limits
    ) -> Expiry | None:
        if waited_s >= timeouts.body_idle_s:
            what = f"nothing came of the request's body for {timeouts.body_idle_s:g} s"
            return Expiry(TooSlow(what, "body_timeout"))
        took_s = now - self._body_since
        if took_s >= _RATE_JUDGED_AFTER_S and seen.received_bytes < limits.min_body_rate * took_s:
            what = f"the request's body came slower than {limits.min_body_rate} bytes a second"
            return Expiry(TooSlow(what, "too_slow"))
        return None
