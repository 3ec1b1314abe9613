"""The health of backends and their endpoints: a value that the decision about a request may read."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Availability = Literal["healthy", "ejected", "half_open", "unhealthy"]
"""`ejected` by outlier detection; `half_open`: its ejection time is over, and one request at a time tries it;
`unhealthy` by its probes."""
Breaker = Literal["closed", "open", "half_open"]
"""`open`: no endpoint is available. `half_open`: the same, but a request may try one that was ejected."""


class EndpointHealth(Struct, frozen=True):
    """The health of one endpoint."""

    endpoint: str
    """Its label."""
    state: Availability = "healthy"
    reason: str = ""
    """The cause of a state other than healthy."""
    weight: int = 100
    """The percentage of its usual share of requests. Less than 100 during slow start."""
    trial_worker: int = 0
    """The only worker that may try it while it is half-open."""

    @property
    def is_available(self) -> bool:
        return self.state == "healthy"


class BackendHealth(Struct, frozen=True):
    """The health of a backend with `health_check` or `outlier_detection`."""

    breaker: Breaker = "closed"
    is_panicking: bool = False
    """Too few endpoints are available, so requests go to all of them."""
    endpoints: tuple[EndpointHealth, ...] = ()


class Health(Struct, frozen=True):
    """The health of all backends that are monitored, by name."""

    backends: Mapping[str, BackendHealth] = {}

    def breaker(self, backend: str) -> Breaker:
        """The breaker of a backend. That of a backend that is not monitored is closed."""
        health = self.backends.get(backend)
        return "closed" if health is None else health.breaker


ALL_HEALTHY = Health()
