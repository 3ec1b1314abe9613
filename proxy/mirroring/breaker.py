"""The breaker of copies: a backend that does not respond is not asked again and again (ADR 34)."""

MAX_FAILURES = 20
"""So many copies in a row without a usable response open the breaker."""
TRIAL_S = 0.5
"""While it is open, one copy is sent in this time, so that parity goes on, and a recovery is seen."""


class Breaker:
    """Closed, until copies fail in a row; open, until one of those that are sent still has a usable response."""

    __slots__ = ("_failures", "_next_at")

    def __init__(self) -> None:
        self._failures = 0
        self._next_at = 0.0

    def admits(self, now: float) -> bool:
        """Whether a copy may be sent. Call it for a copy that is sent if so. `now` in seconds, monotonic."""
        if self._failures < MAX_FAILURES:
            return True
        if now < self._next_at:
            return False
        self._next_at = now + TRIAL_S
        return True

    def ended(self, failed: bool) -> None:
        """A copy has ended: with a response, or without a usable one."""
        self._failures = self._failures + 1 if failed else 0
