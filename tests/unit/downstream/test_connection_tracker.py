"""A sweep checks each connection once, and few of them at a time."""

from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.model import Listener, Networks

SLOTS = 8
NO_NETWORKS = Networks(())


class CountingConnection:
    """A connection that counts the checks of its deadlines."""

    def __init__(self) -> None:
        self.checks = 0

    def check_deadlines(self, now: float) -> None:
        self.checks += 1


def added(tracker: ConnectionTracker) -> CountingConnection:
    connection = CountingConnection()
    assert tracker.add(connection, "192.0.2.1", Listener(), NO_NETWORKS) is None
    return connection


def checks_by_part(tracker: ConnectionTracker, present: list[CountingConnection]) -> list[int]:
    """How many connections are checked in each part of a sweep."""
    counts = []
    for _ in range(SLOTS):
        before = sum(each.checks for each in present)
        tracker._sweep()
        counts.append(sum(each.checks for each in present) - before)
    return counts


async def test_each_connection_is_checked_once_in_a_sweep() -> None:
    tracker = ConnectionTracker(1000, lambda _: None, lambda _: None)
    present = [added(tracker) for _ in range(20)]
    checks_by_part(tracker, present)
    assert {each.checks for each in present} == {1}
    checks_by_part(tracker, present)
    assert {each.checks for each in present} == {2}


async def test_the_parts_of_a_sweep_stay_even_as_connections_come_and_go() -> None:
    tracker = ConnectionTracker(1000, lambda _: None, lambda _: None)
    present = [added(tracker) for _ in range(80)]
    for _ in range(400):
        tracker.remove(present.pop(0), "192.0.2.1")
        present.append(added(tracker))
    assert max(checks_by_part(tracker, present)) == 80 // SLOTS


async def test_a_removed_connection_is_not_checked() -> None:
    tracker = ConnectionTracker(1000, lambda _: None, lambda _: None)
    stays, leaves = added(tracker), added(tracker)
    tracker.remove(leaves, "192.0.2.1")
    checks_by_part(tracker, [stays, leaves])
    assert (stays.checks, leaves.checks, len(tracker)) == (1, 0, 1)


async def test_connections_that_stay_while_others_come_and_go_are_in_different_parts() -> None:
    tracker = ConnectionTracker(1000, lambda _: None, lambda _: None)
    staying = []
    for _ in range(2 * SLOTS):
        first, *others = [added(tracker) for _ in range(SLOTS)]
        staying.append(first)
        for each in others:
            tracker.remove(each, "192.0.2.1")
    assert max(checks_by_part(tracker, staying)) < len(staying) // 2
