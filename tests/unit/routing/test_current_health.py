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
    assert not holder.has_ended_trials


def test_the_end_of_a_trial_lets_another_request_try() -> None:
    holder = CurrentHealth()
    holder.current = Health({"b": BackendHealth("half_open")})
    holder.end_trial("b")
    assert not holder.has_ended_trials
    holder.begin_trial("b")
    holder.end_trial("b")
    assert (holder.has_ended_trials, holder.tried) == (True, set())
