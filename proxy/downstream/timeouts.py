"""Deadlines of one client connection: idle time, head, body, and the reading of responses.

The tracker's sweep calls `check` some times a second with the connection's progress. So a request needs no timer and
does not read the clock. A deadline is noticed up to two sweeps late, and never early.
"""

from typing import Literal

from msgspec import Struct

from proxy.errors import RequestError, TooSlow
from proxy.model import Limits, Listener, Timeouts

_RATE_CHECKED_AFTER_S = 5.0

Phase = Literal["idle", "head", "body", "response"]


class Progress(Struct, frozen=True):
    """How far a connection is. `request` is the number of its current request."""

    phase: Phase
    request: int
    received_bytes: int = 0
    """Of the current request's body."""
    is_paused: bool = False
    """We do not read, because the backend is slower than the client."""
    unsent_bytes: int = 0
    """Bytes of responses that the client has not read yet."""


class Expiry(Struct, frozen=True):
    """A deadline has passed. `error` becomes the response, if none has begun; without it the connection just ends."""

    error: RequestError | None = None


_CLOSE = Expiry()


class ClientTimeouts:
    """Compares the progress of one connection from sweep to sweep."""

    __slots__ = ("_body_since", "_checked_at", "_last", "_sent_since", "_since")

    def __init__(self) -> None:
        self._last = Progress("idle", -1)
        self._since = self._body_since = self._sent_since = self._checked_at = 0.0

    def check(
        self, now: float, progress: Progress, listener: Listener, timeouts: Timeouts, limits: Limits
    ) -> Expiry | None:
        """The deadline that has passed, if any. `now` in seconds, monotonic."""
        last = self._last
        is_new = (last.phase, last.request) != (progress.phase, progress.request)
        if is_new:
            self._since = self._body_since = now
        elif progress.received_bytes != last.received_bytes or progress.is_paused:
            self._since = now
        if progress.is_paused and not is_new:
            self._body_since += now - self._checked_at
        if is_new or not progress.unsent_bytes or progress.unsent_bytes != last.unsent_bytes:
            self._sent_since = now
        self._last = progress
        self._checked_at = now
        if now - self._sent_since >= timeouts.stream_idle_s:
            return _CLOSE
        waited_s = now - self._since
        match progress.phase:
            case "idle":
                return _CLOSE if waited_s >= listener.idle_timeout_s else None
            case "head":
                return self._check_head(waited_s, listener)
            case "body":
                return self._check_body(waited_s, now, progress, timeouts, limits)
            case _:
                return None

    def _check_head(self, waited_s: float, listener: Listener) -> Expiry | None:
        if waited_s < listener.head_timeout_s:
            return None
        text = f"the request's head was not complete after {listener.head_timeout_s:g} s"
        return Expiry(TooSlow(text, "head_timeout"))

    def _check_body(
        self, waited_s: float, now: float, progress: Progress, timeouts: Timeouts, limits: Limits
    ) -> Expiry | None:
        if waited_s >= timeouts.body_idle_s:
            text = f"nothing came of the request's body for {timeouts.body_idle_s:g} s"
            return Expiry(TooSlow(text, "body_timeout"))
        body_s = now - self._body_since
        is_slow = progress.received_bytes < limits.min_body_rate * body_s
        if body_s >= _RATE_CHECKED_AFTER_S and is_slow:
            text = f"the request's body came slower than {limits.min_body_rate} bytes a second"
            return Expiry(TooSlow(text, "too_slow"))
        return None
