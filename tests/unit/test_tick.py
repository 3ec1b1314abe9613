"""What connections write goes out at the end of the loop's turn, in order, and nothing is lost or sent too late."""

import asyncio
from typing import cast

import pytest

from proxy.tick import MOST_BYTES, BufferedWriter, WriteBatch


class Wire:
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing, "a closed transport raises here"
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closing


def an_outlet(turn: WriteBatch) -> tuple[Wire, BufferedWriter]:
    wire = Wire()
    return wire, BufferedWriter(turn, cast(asyncio.Transport, wire))


async def test_what_is_written_in_one_turn_goes_out_at_its_end_and_in_one_piece() -> None:
    turn = WriteBatch()
    (one, first), (two, second) = an_outlet(turn), an_outlet(turn)
    first.write(b"a")
    second.write(b"x")
    first.write(b"b")
    assert one.sent == two.sent == []
    await asyncio.sleep(0)
    assert (one.sent, two.sent) == ([b"ab"], [b"x"])
    first.write(b"c")
    await asyncio.sleep(0)
    assert one.sent == [b"ab", b"c"]


async def test_a_large_piece_does_not_wait_and_overtakes_nothing() -> None:
    wire, outlet = an_outlet(WriteBatch())
    outlet.write(b"a")
    outlet.write(b"x" * MOST_BYTES)
    assert wire.sent == [b"a" + b"x" * MOST_BYTES]
    await asyncio.sleep(0)
    assert len(wire.sent) == 1


async def test_flushed_is_sent_once_and_dropped_never() -> None:
    turn = WriteBatch()
    (one, first), (two, second) = an_outlet(turn), an_outlet(turn)
    first.write(b"a")
    first.flush()
    second.write(b"x")
    second.drop()
    assert one.sent == [b"a"]
    await asyncio.sleep(0)
    assert (one.sent, two.sent) == ([b"a"], [])


@pytest.mark.parametrize("closed", [True, False])
async def test_a_transport_that_closed_in_the_turn_keeps_nobody_from_sending(closed: bool) -> None:
    turn = WriteBatch()
    (one, first), (two, second) = an_outlet(turn), an_outlet(turn)
    first.write(b"a")
    second.write(b"x")
    one.closing = closed
    await asyncio.sleep(0)
    assert (one.sent, two.sent) == ([] if closed else [b"a"], [b"x"])
