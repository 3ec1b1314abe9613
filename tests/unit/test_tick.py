"""Writes of one tick are sent at its end, in order, and none is lost or late."""

import asyncio
from typing import cast

import pytest

from proxy.tick import MAX_BUFFERED_BYTES, BufferedWriter, WriteBatch


class RecordingTransport:
    """A transport that records what is written."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing, "a closed transport raises here"
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closing


def new_writer(batch: WriteBatch) -> tuple[RecordingTransport, BufferedWriter]:
    transport = RecordingTransport()
    return transport, BufferedWriter(batch, cast(asyncio.Transport, transport))


async def test_writes_of_one_tick_are_sent_at_its_end_in_one_piece() -> None:
    batch = WriteBatch()
    (one, first), (two, second) = new_writer(batch), new_writer(batch)
    first.write(b"a")
    second.write(b"x")
    first.write(b"b")
    assert one.sent == two.sent == []
    await asyncio.sleep(0)
    assert (one.sent, two.sent) == ([b"ab"], [b"x"])
    first.write(b"c")
    await asyncio.sleep(0)
    assert one.sent == [b"ab", b"c"]


async def test_a_large_write_does_not_wait_and_keeps_the_order() -> None:
    transport, writer = new_writer(WriteBatch())
    writer.write(b"a")
    writer.write(b"x" * MAX_BUFFERED_BYTES)
    assert transport.sent == [b"a" + b"x" * MAX_BUFFERED_BYTES]
    await asyncio.sleep(0)
    assert len(transport.sent) == 1


async def test_flushed_bytes_are_sent_once_and_dropped_bytes_never() -> None:
    batch = WriteBatch()
    (one, first), (two, second) = new_writer(batch), new_writer(batch)
    first.write(b"a")
    first.flush()
    second.write(b"x")
    second.drop()
    assert one.sent == [b"a"]
    await asyncio.sleep(0)
    assert (one.sent, two.sent) == ([b"a"], [])


@pytest.mark.parametrize("closed", [True, False])
async def test_a_transport_that_closed_in_the_tick_does_not_stop_the_others(closed: bool) -> None:
    batch = WriteBatch()
    (one, first), (two, second) = new_writer(batch), new_writer(batch)
    first.write(b"a")
    second.write(b"x")
    one.closing = closed
    await asyncio.sleep(0)
    assert (one.sent, two.sent) == ([] if closed else [b"a"], [b"x"])
