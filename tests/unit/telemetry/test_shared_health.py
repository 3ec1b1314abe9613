"""States of endpoints in shared memory."""

from proxy.health.state import EndpointState
from proxy.telemetry.shared_health import HealthReport, SharedHealth


def report(count: int, reason: str = "") -> HealthReport:
    state = EndpointState(is_unhealthy=True, unhealthy_reason=reason)
    return HealthReport({"b": {f"http://{number}": state for number in range(count)}})


def test_readers_see_the_last_report_and_the_number_of_changes() -> None:
    shared = SharedHealth()
    assert (shared.generation, shared.read()) == (0, HealthReport())
    assert shared.publish(report(2), is_change=True)
    assert (shared.generation, shared.read()) == (1, report(2))
    assert shared.publish(report(1), is_change=False)
    assert (shared.generation, shared.read()) == (1, report(1))


def test_a_report_without_room_leaves_the_last_one() -> None:
    shared = SharedHealth()
    shared.publish(report(1), is_change=True)
    assert not shared.publish(report(1, "x" * 5_000_000), is_change=True)
    assert (shared.generation, shared.read()) == (1, report(1))
