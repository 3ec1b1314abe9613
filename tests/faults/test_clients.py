"""Clients that leave, read slowly, flood and overstep: promises C1, C2 and C4."""

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.leak_check import OK, leak_checked, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import origin
from tests.support.raw_response import final_status_of
from tests.support.waiting import eventually
from tests.support.wire import Wire

MEGABYTE = 1_000_000


async def _connected(
    facade: RunningFacade, limit: int = 65536
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = socket.socket()
    # The kernel would hold tens of megabytes for a reader that does not read.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
    sock.setblocking(False)
    address = (facade.listen.host, facade.listen.port)
    await asyncio.get_running_loop().sock_connect(sock, address)
    return await asyncio.open_connection(sock=sock, limit=limit)


def _leave(writer: asyncio.StreamWriter, how: str) -> None:
    if how == "reset":
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        # The kernel of a closed connection forgets it after a minute. Here after a second.
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
        writer.close()


LEAVING = {
    "a head": b"GET / HTTP/1.1\r\nhost: h\r\nx: y",
    "waiting": b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
    "an upload with a length": b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf",
    "an upload before its first byte": b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n",
    "an upload in chunks": (
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    ),
    "half a chunk": b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf",
    "the last chunk": (
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n"
    ),
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("sent", LEAVING.values(), ids=LEAVING.keys())
async def test_a_client_that_leaves_takes_its_request_with_it(
    tmp_path: Path, tier: str, sent: bytes, how: str
) -> None:
    bodies: list[bytes] = []
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        asked.set()
        bodies.append((await wire.end())[0])
        gone.set()

    async with (
        origin(script) as up,
        leak_checked(table(up.port), tmp_path, tier, up, warm=False) as facade,
    ):
        _, writer = await _connected(facade)
        writer.write(sent)
        await writer.drain()
        if b"\r\n\r\n" in sent:
            await asyncio.wait_for(asked.wait(), 5)
            _leave(writer, how)
            # After a whole request a close looks like a half-close, until a probe is met with a reset.
            await asyncio.wait_for(gone.wait(), 30 if sent == LEAVING["waiting"] else 1)
        else:
            _leave(writer, how)
    for body in bodies:
        assert not body.endswith(b"0\r\n\r\n")
        assert len(body) < 100


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_its_download_ends_it(
    tmp_path: Path, tier: str, how: str
) -> None:
    gone = asyncio.Event()

    async def script(wire: Wire) -> None:
        try:
            await wire.request_head()
            wire.send(OK + b"content-length: %d\r\n\r\n" % (100 * MEGABYTE))
            for _ in range(100):
                wire.send(b"x" * MEGABYTE)
                await wire.flush()
        finally:
            gone.set()

    async with (
        origin(script) as up,
        leak_checked(table(up.port), tmp_path, tier, up, warm=False) as facade,
    ):
        reader, writer = await _connected(facade)
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        await reader.readexactly(100_000)
        _leave(writer, how)
        await asyncio.wait_for(gone.wait(), 1)


async def test_a_slow_reader_holds_a_bounded_part_of_its_response(
    tmp_path: Path, tier: str
) -> None:
    taken = 0

    async def script(wire: Wire) -> None:
        nonlocal taken
        await wire.request_head()
        wire.send(OK + b"content-length: %d\r\n\r\n" % (64 * MEGABYTE))
        for _ in range(640):
            wire.send(b"x" * 100_000)
            await wire.flush()
            taken += 100_000

    async with (
        origin(script) as up,
        leak_checked(table(up.port), tmp_path, tier, up, warm=False) as facade,
    ):
        reader, writer = await _connected(facade, limit=1000)
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await _stands_still(lambda: taken)
        assert taken < 24 * MEGABYTE
        writer.transport.abort()


async def test_an_upload_goes_no_faster_than_the_upstream_takes_it(
    tmp_path: Path, tier: str
) -> None:
    sent = 0
    asked = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.pause_reading()
        asked.set()
        await go_on.wait()

    go_on = asyncio.Event()
    limits = "{limits: {max_body_bytes: 100MiB}}"
    async with (
        origin(script) as up,
        leak_checked(table(up.port, defaults=limits), tmp_path, tier, up, warm=False) as facade,
    ):
        _, writer = await _connected(facade)
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % (64 * MEGABYTE))

        async def upload() -> None:
            nonlocal sent
            while True:
                writer.write(b"x" * 100_000)
                await writer.drain()
                sent += 100_000

        uploading = asyncio.create_task(upload())
        await asked.wait()
        await _stands_still(lambda: sent)
        assert sent < 24 * MEGABYTE
        uploading.cancel()
        await asyncio.wait((uploading,))
        writer.transport.abort()
        go_on.set()


async def test_a_flood_of_requests_goes_no_faster_than_its_responses(
    tmp_path: Path, tier: str
) -> None:
    """A client that sends requests without end, and reads no response. The facade stops reading from it."""
    asked = 0
    request = b"GET / HTTP/1.1\r\nhost: h\r\nx: %b\r\n\r\n" % (b"y" * 900)

    async def script(wire: Wire) -> None:
        nonlocal asked
        while True:
            await wire.request_head()
            asked += 1
            wire.send(OK + b"content-length: %d\r\n\r\n" % MEGABYTE + b"x" * MEGABYTE)
            await wire.flush()

    async with (
        origin(script) as up,
        leak_checked(table(up.port), tmp_path, tier, up, warm=False) as facade,
    ):
        reader, writer = await _connected(facade, limit=1000)

        async def flood() -> None:
            while True:
                writer.write(request * 100)
                await writer.drain()

        flooding = asyncio.create_task(flood())
        await reader.readexactly(1000)
        await _stands_still(lambda: asked)
        assert asked < 24
        flooding.cancel()
        await asyncio.wait((flooding,))
        writer.transport.abort()


@pytest.mark.parametrize("framing", ["a length", "chunks"])
async def test_a_body_beyond_its_limit_is_refused_and_goes_no_further(
    tmp_path: Path, tier: str, framing: str
) -> None:
    bodies: list[bytes] = []

    async def script(wire: Wire) -> None:
        await wire.request_head()
        bodies.append((await wire.end())[0])

    limit = 256 * 1024
    limits = "{limits: {max_body_bytes: 256KiB}}"
    async with (
        origin(script) as up,
        leak_checked(table(up.port, defaults=limits), tmp_path, tier, up, warm=False) as facade,
    ):
        reader, writer = await _connected(facade)
        head = (
            b"content-length: 100000000" if framing == "a length" else b"transfer-encoding: chunked"
        )
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\n%b\r\n\r\n" % head)
        piece = b"x" * 65536
        if framing == "chunks":
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)

        async def upload() -> None:
            while True:
                writer.write(piece)
                await writer.drain()

        uploading = asyncio.create_task(upload())
        response = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        uploading.cancel()
        await asyncio.wait((uploading,))
        writer.transport.abort()
    assert final_status_of(response) == 413
    assert all(len(body) <= limit + 65536 + 1000 for body in bodies)
    assert not any(body.endswith(b"0\r\n\r\n") for body in bodies)
    assert framing == "chunks" or not bodies


@pytest.mark.parametrize(
    ("request_line", "fields", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1", b"", 414),
        (b"GET / HTTP/1.1", b"x: y\r\n" * 200, 431),
        (b"GET / HTTP/1.1", b"x: " + b"y" * 60_000 + b"\r\n", 431),
    ],
    ids=["target", "number of fields", "size of fields"],
)
async def test_a_head_beyond_its_limits_is_refused(
    tmp_path: Path, tier: str, request_line: bytes, fields: bytes, status: int
) -> None:
    async def script(wire: Wire) -> None:
        await wire.respond()

    async with (
        origin(script) as up,
        leak_checked(table(up.port), tmp_path, tier, up, warm=False) as facade,
    ):
        raw = request_line + b"\r\nhost: h\r\nconnection: close\r\n" + fields + b"\r\n"
        assert final_status_of(await facade.send(raw)) == status
        assert up.accepted == 0


async def test_an_early_response_ends_the_upload_and_reaches_the_client(
    tmp_path: Path, tier: str
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
        await wire.end()

    async with (
        origin(script) as up,
        leak_checked(table(up.port), tmp_path, tier, up, warm=False) as facade,
    ):
        reader, writer = await _connected(facade)
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\nstart")
        response = await asyncio.wait_for(reader.readuntil(b"\r\n\r\nno"), 5)
        writer.close()
    assert final_status_of(response) == 403


async def _stands_still(count: Callable[[], int]) -> None:
    """Wait until a counter has moved, and then has not for a while."""
    await eventually(lambda: count() > 0)
    seen, since = count(), 0
    while since < 25:
        await asyncio.sleep(0.01)
        seen, since = (count(), 0) if count() != seen else (seen, since + 1)
