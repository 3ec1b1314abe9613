"""The holder of the current health."""

from proxy.model import ALL_HEALTHY, BackendHealth, Health
from proxy.routing.current_health import CurrentHealth


def test_every_backend_is_healthy_until_something_else_is_known() -> None:
    holder = CurrentHealth()
    assert holder.current is ALL_HEALTHY
    holder.current = Health({"b": BackendHealth("open")})
    assert holder.current.breaker("b") == "open"
