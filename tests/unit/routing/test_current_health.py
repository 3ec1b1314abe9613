"""The holder of the current health."""

from proxy.model import ALL_HEALTHY, BackendHealth, Health
from proxy.routing.current_health import CurrentHealth


def test_every_backend_is_healthy_until_something_else_is_known() -> None:
    holder = CurrentHealth()
    assert holder.current is ALL_HEALTHY
    assert holder.current.breaker("b") == "closed"


def test_a_breaker_is_open_for_others_while_a_request_tries_its_backend() -> None:
    holder = CurrentHealth()
    before = holder.current = Health(
        {"b": BackendHealth("half_open"), "c": BackendHealth("half_open")}
    )
    holder.begin_trial("b")
    assert (holder.current.breaker("b"), holder.current.breaker("c")) == ("open", "half_open")
    assert holder.tried == {"b"}
    assert before.breaker("b") == "half_open"
