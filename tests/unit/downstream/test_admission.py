"""Some requests begin in a turn of the loop, the others in the next ones: each once, in order, and none in vain."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.downstream.admission import MOST, Admission
from proxy.downstream.connection import DownstreamConnection
from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.downstream.interfaces import ActiveRequest, ClientConnection, RequestService
from proxy.http1.request_head import RequestHead
from proxy.model import HeaderPairs, Limits, Listener, Timeouts
from proxy.routing.facts import Networks

ASKS = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"


class Client:
    """Notes that it went on."""

    def __init__(self, number: int, told: list[int]) -> None:
        self._number = number
        self._told = told

    def go_on(self) -> None:
        self._told.append(self._number)


def asking(intake: Admission, numbers: range, told: list[int]) -> list[int]:
    """Who is admitted at once; the others are noted in `told` when they go on."""
    return [number for number in numbers if intake.admits(Client(number, told))]


async def test_who_comes_past_the_most_goes_on_in_the_next_turns_in_order() -> None:
    intake, told = Admission(2), list[int]()
    assert asking(intake, range(7), told) == [0, 1]
    turns = []
    for _ in range(4):
        await asyncio.sleep(0)
        turns.append(told.copy())
    assert turns == [[2, 3], [2, 3, 4, 5], [2, 3, 4, 5, 6], [2, 3, 4, 5, 6]]


async def test_nobody_overtakes_those_who_wait() -> None:
    intake, told = Admission(2), list[int]()
    asking(intake, range(5), told)
    await asyncio.sleep(0)
    assert asking(intake, range(5, 6), told) == []
    await asyncio.sleep(0)
    assert told == [2, 3, 4, 5]


async def test_a_turn_without_a_rush_keeps_nobody() -> None:
    intake, told = Admission(2), list[int]()
    for _ in range(5):
        assert asking(intake, range(2), told) == [0, 1]
        await asyncio.sleep(0)
    assert told == []


async def test_when_nobody_waits_the_loop_may_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    intake, told = Admission(2), list[int]()
    loop, planned = asyncio.get_running_loop(), list[object]()
    call_soon = loop.call_soon

    def noting(callback: Any, *arguments: Any, **options: Any) -> asyncio.Handle:
        planned.append(callback)
        return call_soon(callback, *arguments, **options)

    monkeypatch.setattr(loop, "call_soon", noting)
    asking(intake, range(3), told)
    for _ in range(9):
        await asyncio.sleep(0)
    assert planned.count(intake._next_turn) == 2


async def test_a_turn_that_those_who_waited_do_not_fill_takes_others() -> None:
    intake, told = Admission(2), list[int]()
    asking(intake, range(3), told)
    await asyncio.sleep(0)
    assert asking(intake, range(3, 6), told) == [3]
    await asyncio.sleep(0)
    assert told == [2, 4, 5]


async def test_one_that_fails_takes_nobody_with_it() -> None:
    class Fails:
        def go_on(self) -> None:
            raise ValueError("a fault of ours")

    intake, told, heard = Admission(1), list[int](), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    assert intake.admits(Client(0, told))
    assert not intake.admits(Fails())
    asking(intake, range(1, 3), told)
    for _ in range(4):
        await asyncio.sleep(0)
    assert told == [1, 2]
    assert len(heard) == 1
    assert asking(intake, range(1), told) == [0]


class Wire:
    """A client's connection as the protocol sees it."""

    def __init__(self) -> None:
        self.closed = False

    def get_extra_info(self, name: str) -> object:
        return ("192.0.2.1", 1) if name == "peername" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


class Asked:
    """A walk that goes on until it is told that the client left."""

    uploaded, received_bytes, allowed = True, 0, (Timeouts(), Limits())

    def __init__(self, target: bytes) -> None:
        self.target = target
        self.begun = self.left = 0

    def begin(self) -> None:
        self.begun += 1

    def client_disconnected(self) -> None:
        self.left += 1

    def body_ended(self, trailers: HeaderPairs) -> None: ...


class Hall:
    """Clients of one listener, all of whom ask in the same turn. As many are admitted before as can be."""

    def __init__(self, listener: Listener | None = None) -> None:
        self.limits = SimpleNamespace(
            listener=listener or Listener(),
            trusted=Networks(()),
            max_head_bytes=8192,
            max_fields=100,
        )
        self.clients = ConnectionTracker(1000, lambda _: None, lambda _: None)
        self.walks: list[Asked] = []
        for number in range(MOST):
            self.one()[0].data_received(ASKS % number)

    def one(self) -> tuple[DownstreamConnection, Wire]:
        wire = Wire()
        client = DownstreamConnection(cast(RequestService, self), self.clients, set())
        client.connection_made(cast(asyncio.Transport, wire))
        return client, wire

    def new_request(
        self, client: ClientConnection, head: RequestHead, body: bytes | None
    ) -> ActiveRequest:
        self.walks.append(Asked(head.target))
        return cast(ActiveRequest, self.walks[-1])

    async def asks_again(self, client: DownstreamConnection) -> None:
        """Its walk ends, and it asks for the next."""
        client.request_done(True, True, False)
        client.data_received(ASKS % 100)
        await asyncio.sleep(0)

    @property
    def late(self) -> list[tuple[bytes, int, int]]:
        """What began after the first: its target, how often it began, and how often its client left."""
        return [(each.target, each.begun, each.left) for each in self.walks[MOST:]]


async def test_a_request_past_the_most_begins_in_the_next_turn_and_once() -> None:
    hall = Hall()
    client, wire = hall.one()
    client.data_received(ASKS % 99)
    assert len(hall.walks) == MOST
    await asyncio.sleep(0)
    assert hall.late == [(b"/99", 1, 0)]
    await hall.asks_again(client)
    assert (hall.late, wire.closed) == ([(b"/99", 1, 0), (b"/100", 1, 0)], False)


@pytest.mark.parametrize("cut", [1, 10, 24])
async def test_what_comes_while_it_waits_is_not_lost_nor_put_first(cut: int) -> None:
    hall = Hall()
    client, _ = hall.one()
    raw = ASKS % 99
    client.data_received(raw[:cut])
    client.data_received(raw[cut:])
    assert hall.late == [(b"/99", 1, 0)], "more than one read is not kept"
    await asyncio.sleep(0)
    await hall.asks_again(client)
    assert hall.late == [(b"/99", 1, 0), (b"/100", 1, 0)]


async def test_a_client_that_leaves_while_it_waits_is_one_that_asked_and_left() -> None:
    hall = Hall()
    client, _ = hall.one()
    client.data_received(ASKS % 99)
    client.eof_received()
    assert hall.late == [(b"/99", 1, 1)]
    await asyncio.sleep(0)
    assert hall.late == [(b"/99", 1, 1)]


@pytest.mark.parametrize(
    "ends",
    [lambda client: client.connection_lost(None), DownstreamConnection.abort],
    ids=["lost", "aborted"],
)
async def test_a_connection_that_ends_while_it_waits_asks_nothing(
    ends: Callable[[DownstreamConnection], None],
) -> None:
    hall = Hall()
    client, _ = hall.one()
    client.data_received(ASKS % 99)
    ends(client)
    await asyncio.sleep(0)
    assert hall.late == []


async def test_a_drain_answers_who_waits() -> None:
    hall = Hall()
    client, wire = hall.one()
    client.data_received(ASKS % 99)
    client.shutdown()
    assert not wire.closed
    await asyncio.sleep(0)
    assert hall.late == [(b"/99", 1, 0)]


async def test_who_waits_is_not_idle() -> None:
    hall = Hall(Listener(idle_timeout_s=1.0))
    client, wire = hall.one()
    client.swept(0.0)
    client.data_received(ASKS % 99)
    client.swept(2.0)
    assert not wire.closed
    await asyncio.sleep(0)
    assert hall.late == [(b"/99", 1, 0)]
