"""The health of the backends of a table, from the published states of their endpoints."""

from proxy.health.availability import health_of
from proxy.health.state import EndpointState
from proxy.model import Backend, BackendHealth, Health
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.shared_health import HealthReport

_NEW = EndpointState()


def states_of(backend: Backend, report: HealthReport) -> tuple[EndpointState, ...]:
    """The published states of a backend's endpoints, in order."""
    states = report.backends.get(backend.name, {})
    return tuple(states.get(endpoint.label, _NEW) for endpoint in backend.endpoints)


def health_in(snapshot: Snapshot, report: HealthReport, now: float) -> Health:
    """The health of all monitored backends of a table. `now` is `time.monotonic()`."""
    found: dict[str, BackendHealth] = {
        backend.name: health_of(backend, states_of(backend, report), now)
        for backend in snapshot.backends.values()
        if backend.is_monitored
    }
    return Health(found)
