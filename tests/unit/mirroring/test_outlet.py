"""The way from workers to the mirror process: whole texts, over sockets that never make a worker wait."""

import asyncio

import pytest

from proxy.comparison.observation import Observation
from proxy.mirroring.inlet import Inlet
from proxy.mirroring.outlet import MAX_MESSAGE, Outlet, Texts, messages_of, socket_pair
from proxy.mirroring.served import Batch, Served, encoded
from proxy.routing.transforms.trace_context import NO_IDENTITY
from tests.make import facts
from tests.support.waiting import eventually


def served(number: int, body: bytes = b"") -> Served:
    return Served("v", "r", number, "a", "b", facts(), NO_IDENTITY, body, Observation(200), 7.0)


def text_of(number: int, size: int = 0) -> bytes:
    return encoded(Batch([served(number, bytes(size))]))


@pytest.mark.parametrize("size", [0, 10, MAX_MESSAGE - 1_000, MAX_MESSAGE, 5 * MAX_MESSAGE])
def test_a_text_comes_together_again(size: int) -> None:
    messages = messages_of(text_of(7, size))
    assert max(map(len, messages)) <= MAX_MESSAGE
    texts = Texts()
    *before, last = (texts.add(message) for message in messages)
    assert before == [None] * (len(messages) - 1)
    assert last == Batch([served(7, bytes(size))])


def test_a_text_without_its_beginning_or_end_is_left_out() -> None:
    """A worker or the mirror process was replaced meanwhile."""
    long = messages_of(text_of(1, 3 * MAX_MESSAGE))
    (whole,) = messages_of(text_of(2))
    texts = Texts()
    assert [texts.add(message) for message in long[1:]] == [None] * (len(long) - 1)
    assert [texts.add(message) for message in long[:2]] == [None, None]
    assert texts.add(whole) == Batch([served(2)])


class Received:
    """Keeps the requests that arrive."""

    is_full = False

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def receive(self, batch: Batch) -> None:
        self.numbers += [each.match for each in batch.requests]


def is_full(outlet: Outlet) -> bool:
    return outlet.is_full


async def test_a_worker_never_waits_and_all_that_has_room_arrives_in_order() -> None:
    one, other = socket_pair()
    outlet, received = Outlet(one), Received()
    sent = 0
    while not is_full(outlet):
        outlet.receive(Batch([served(sent, bytes(50_000))]))
        sent += 1
    inlet = Inlet([other], received)
    inlet.start()
    await eventually(lambda: len(received.numbers) == sent)
    assert received.numbers == list(range(sent))
    assert not is_full(outlet)
    inlet.stop()
    outlet.close()
    other.close()


async def test_without_the_other_end_nothing_is_kept() -> None:
    one, other = socket_pair()
    other.close()
    outlet = Outlet(one)
    outlet.receive(Batch([served(1)]))
    await asyncio.sleep(0)
    assert not outlet.is_full
    outlet.close()


async def test_a_text_that_cannot_be_read_is_logged_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, other = socket_pair()
    received = Received()
    inlet = Inlet([other], received)
    inlet.start()
    for text in (b"\xc1", text_of(1)):
        for message in messages_of(text):
            one.send(message)
    await eventually(lambda: received.numbers == [1])
    assert "a message of a worker is lost" in caplog.text
    inlet.stop()
    one.close()
    other.close()
