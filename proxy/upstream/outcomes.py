"""The outcomes of the exchanges with one endpoint, for outlier detection (ADR 25)."""

from proxy.upstream.interfaces import OnOutcome

NO_RESPONSE = 0
"""The outcome of a request without a complete response, in place of a status."""


class Outcomes:
    """Reports the outcomes that count. A failure counts if its request began in the current period of availability.

    After a recovery, requests that began before it may fail for seconds: they have met the fault.
    """

    __slots__ = ("_last_period", "_on_outcome", "period")

    def __init__(self, on_outcome: OnOutcome | None) -> None:
        """`on_outcome` is None for a backend without outlier detection."""
        self._on_outcome = on_outcome
        self.period = self._last_period = 1
        """The number of the current period of availability, 0 while the endpoint is not available."""

    def set_available(self, available: bool) -> None:
        """Whether requests are sent to the endpoint, or one tries it. In panic it gets requests while it is not."""
        if available and not self.period:
            self._last_period = self.period = self._last_period + 1
        elif not available:
            self.period = 0

    def report(self, status: int, period: int) -> None:
        """The outcome of a request that began in this period: a status, or `NO_RESPONSE`."""
        is_failure = status >= 500 or status == NO_RESPONSE
        if self._on_outcome is not None and not (is_failure and self._is_over(period)):
            self._on_outcome(status)

    def _is_over(self, period: int) -> bool:
        return not period or period != self.period
