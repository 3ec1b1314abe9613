"""The state of one endpoint: what its probes and its requests have shown so far."""

from msgspec import Struct
from msgspec.structs import replace


class Outcomes(Struct, frozen=True):
    """The outcomes of an endpoint's requests since the facade started, over all workers.

    A failure is a 5xx response, or a request without a complete response. A gateway failure is one with 502, 503 or
    504, or without a complete response.
    """

    requests: int = 0
    failures: int = 0
    gateway_failures: int = 0
    run: int = 0
    """The consecutive failures up to now of the worker that has the most, of those that sent requests just now."""
    gateway_run: int = 0


class EndpointState(Struct, frozen=True):
    """The state of one endpoint. Times are in seconds, of a clock that all processes share."""

    is_unhealthy: bool = False
    """By its probes."""
    streak: int = 0
    """The consecutive probes that contradict `is_unhealthy`."""
    unhealthy_reason: str = ""
    ejected_at: float | None = None
    """None if it is not ejected."""
    ejected_until: float = 0.0
    is_half_open: bool = False
    """It is ejected, but its time is over: one request at a time tries it."""
    trial_worker: int = 0
    """The worker that may send this request."""
    ejections: int = 0
    """The factor of the next ejection's duration, less one."""
    ejected_reason: str = ""
    run: int = 0
    """Consecutive failures of requests."""
    gateway_run: int = 0
    seen: Outcomes = Outcomes()
    """The outcomes that this state takes into account."""
    available_since: float | None = None
    """When it became available again. None: it always was."""
    probes: int = 0
    failed_probes: int = 0
    total_ejections: int = 0

    @property
    def visible(self) -> tuple[object, ...]:
        """What the choice of endpoints, and those who read of it, depend on."""
        return (
            *(self.is_unhealthy, self.unhealthy_reason, self.is_ejected, self.ejected_reason),
            *(self.is_half_open, self.trial_worker, self.available_since),
        )

    @property
    def is_ejected(self) -> bool:
        return self.ejected_at is not None


def half_open(state: EndpointState, now: float) -> EndpointState:
    """An ejected endpoint whose time is over."""
    return replace(state, is_half_open=True, ejected_until=now, run=0, gateway_run=0)


def returned(state: EndpointState, now: float) -> EndpointState:
    """An ejected endpoint that may be used again."""
    return replace(
        state, ejected_at=None, is_half_open=False, ejected_reason="", available_since=now
    )
