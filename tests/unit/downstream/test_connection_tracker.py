"""Who looks after the clients' connections: each of them once in a sweep, and never many in one go."""

from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.model import Listener
from proxy.routing.facts import Networks

SLOTS = 8
NOBODY = Networks(())


class Looked:
    """A connection that counts how often it was looked at."""

    def __init__(self) -> None:
        self.times = 0

    def swept(self, now: float) -> None:
        self.times += 1


def joined(clients: ConnectionTracker) -> Looked:
    client = Looked()
    assert clients.admit(client, "192.0.2.1", Listener(), NOBODY) is None
    return client


def at_once(clients: ConnectionTracker, present: list[Looked]) -> list[int]:
    """How many are looked at in each part of a sweep."""
    counts = []
    for _ in range(SLOTS):
        before = sum(each.times for each in present)
        clients._sweep()
        counts.append(sum(each.times for each in present) - before)
    return counts


async def test_each_client_is_looked_at_once_in_a_sweep() -> None:
    clients = ConnectionTracker(1000, lambda _: None, lambda _: None)
    present = [joined(clients) for _ in range(20)]
    at_once(clients, present)
    assert {each.times for each in present} == {1}
    at_once(clients, present)
    assert {each.times for each in present} == {2}


async def test_where_one_comes_as_another_goes_the_parts_stay_even() -> None:
    clients = ConnectionTracker(1000, lambda _: None, lambda _: None)
    present = [joined(clients) for _ in range(80)]
    for _ in range(400):
        clients.leave(present.pop(0), "192.0.2.1")
        present.append(joined(clients))
    assert max(at_once(clients, present)) == 80 // SLOTS


async def test_who_has_left_is_looked_at_no_more() -> None:
    clients = ConnectionTracker(1000, lambda _: None, lambda _: None)
    stays, leaves = joined(clients), joined(clients)
    clients.leave(leaves, "192.0.2.1")
    at_once(clients, [stays, leaves])
    assert (stays.times, leaves.times, len(clients)) == (1, 0, 1)
