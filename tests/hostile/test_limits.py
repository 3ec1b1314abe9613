"""What a client may take of our time and of our connections: each limit with its status and its metric (promise C3)."""

import asyncio
import contextlib
import json
import re
import time
from pathlib import Path

import pytest

from tests.faults.leak_check import OK, leak_checked, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import ok, origin, responding, silent
from tests.support.raw_response import final_status_of
from tests.support.waiting import eventually
from tests.support.wire import Wire

# A sweep looks every half second, and a deadline is kept to two of them. The rest is for a busy machine.
SLACK_S = 2.5


async def _open(facade: RunningFacade) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(facade.listen.host, facade.listen.port)


async def _refused(facade: RunningFacade, kind: str) -> float:
    """The metric, asked of the admin listener."""
    reader, writer = await asyncio.open_connection(facade.admin.host, facade.admin.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
    text = (await asyncio.wait_for(reader.read(), 5)).decode()
    writer.close()
    found = re.search(rf'^facade_refused_total{{[^}}]*kind="{kind}"[^}}]*}} (\S+)$', text, re.M)
    return float(found[1]) if found else 0.0


async def _ended(reader: asyncio.StreamReader, within_s: float) -> bytes:
    """All that comes until the connection ends, by FIN or reset."""
    got = b""
    async with asyncio.timeout(within_s):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                got += data
    return got


def _reason(response: bytes) -> str:
    return str(json.loads(response.partition(b"\r\n\r\n")[2])["reason"])


async def test_a_head_that_does_not_come_is_a_408(tmp_path: Path, tier: str) -> None:
    async def waits(facade: RunningFacade, sent: bytes) -> None:
        reader, writer = await _open(facade)
        began = time.monotonic()
        writer.write(sent)
        response = await _ended(reader, 0.3 + SLACK_S)
        assert time.monotonic() - began >= 0.3
        assert (final_status_of(response), _reason(response)) == (408, "head_timeout")
        writer.close()

    async with origin(responding(ok())) as up:
        text = table(up.port) + "listener: {head_timeout: 300ms}\n"
        async with leak_checked(text, tmp_path, tier, up) as facade:
            halves = (b"GET / HT", b"GET / HTTP/1.1\r\nhost: h\r\n")
            await asyncio.gather(*(waits(facade, sent) for sent in halves))
            assert await _refused(facade, "head_timeout") == len(halves)
        assert up.accepted == 0


async def test_a_head_that_drips_gains_no_time(tmp_path: Path, tier: str) -> None:
    async with origin(responding(ok())) as up:
        text = table(up.port) + "listener: {head_timeout: 500ms}\n"
        async with leak_checked(text, tmp_path, tier, up) as facade:
            reader, writer = await _open(facade)
            ended = asyncio.create_task(_ended(reader, 0.5 + SLACK_S))
            writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n")
            while not ended.done():
                writer.write(b"x: y\r\n")
                await asyncio.sleep(0.05)
            assert final_status_of(await ended) == 408
            writer.close()


async def test_a_connection_that_asks_nothing_ends_in_silence(tmp_path: Path, tier: str) -> None:
    """Never, after an empty line, or between two requests."""

    async def waits(facade: RunningFacade, before: bytes) -> None:
        reader, writer = await _open(facade)
        writer.write(before)
        if before.startswith(b"GET"):
            await asyncio.wait_for(reader.readuntil(b"ok"), 5)
        assert await _ended(reader, 0.3 + SLACK_S) == b""
        writer.close()

    async with origin(responding(ok())) as up:
        text = table(up.port) + "listener: {head_timeout: 300ms, idle_timeout: 300ms}\n"
        async with leak_checked(text, tmp_path, tier, up) as facade:
            before = (b"", b"\r\n", b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            await asyncio.gather(*(waits(facade, each) for each in before))


BODIES = (
    (b"content-length: 100", b"half"),
    (b"transfer-encoding: chunked", b"4\r\nhalf\r\n"),
    (b"transfer-encoding: chunked", b"9\r\nhalf"),
    (b"content-length: 100", b""),
)


async def test_a_body_that_stops_is_a_408_and_is_not_ended_upstream(
    tmp_path: Path, tier: str
) -> None:
    bodies: list[bytes] = []

    async def script(wire: Wire) -> None:
        await wire.request_head()
        bodies.append((await wire.end())[0])

    async def waits(facade: RunningFacade, framing: bytes, part: bytes) -> None:
        reader, writer = await _open(facade)
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\n%b\r\n\r\n%b" % (framing, part))
        response = await _ended(reader, 0.3 + SLACK_S)
        assert (final_status_of(response), _reason(response)) == (408, "body_timeout")
        writer.close()

    async with origin(script) as up:
        text = table(up.port, defaults="{timeouts: {body_idle: 300ms}}")
        async with leak_checked(text, tmp_path, tier, up) as facade:
            await asyncio.gather(*(waits(facade, *body) for body in BODIES))
            await eventually(lambda: len(bodies) == len(BODIES) and not up.open, within_s=1)
            assert await _refused(facade, "body_timeout") == len(BODIES)
    assert not any(body.endswith(b"0\r\n\r\n") for body in bodies)
    assert all(len(body) < 100 for body in bodies)


async def test_a_body_that_drips_is_judged_after_five_seconds(tmp_path: Path, tier: str) -> None:
    async with origin(silent) as up:
        text = table(up.port, defaults="{limits: {min_body_rate: 100B}}")
        async with leak_checked(text, tmp_path, tier, up) as facade:
            reader, writer = await _open(facade)
            began = time.monotonic()
            writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n")
            ended = asyncio.create_task(_ended(reader, 5 + SLACK_S))
            while not ended.done():
                writer.write(b"x")
                await asyncio.sleep(0.1)
            response = await ended
            assert time.monotonic() - began >= 5
            assert (final_status_of(response), _reason(response)) == (408, "too_slow")
            assert await _refused(facade, "too_slow") == 1
            writer.close()


async def test_an_upload_that_is_fast_enough_may_take_its_time(tmp_path: Path, tier: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        await wire.exactly(1_000)
        wire.send(OK + b"content-length: 2\r\n\r\nok")

    async with origin(script) as up:
        text = table(
            up.port, defaults="{timeouts: {body_idle: 600ms}, limits: {min_body_rate: 10B}}"
        )
        async with leak_checked(text, tmp_path, tier, up) as facade:
            reader, writer = await _open(facade)
            writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\n")
            for _ in range(10):
                writer.write(b"x" * 100)
                await asyncio.sleep(0.2)  # Three times as long in all as one silence may be.
            response = await asyncio.wait_for(reader.readuntil(b"ok"), 5)
            assert response.startswith(b"HTTP/1.1 200")
            writer.close()


async def test_a_request_ends_with_its_total_time(tmp_path: Path, tier: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK + b"content-length: 1000000\r\n\r\n")
        while not wire.is_closing:
            wire.send(b"x")
            await wire.flush()
            await asyncio.sleep(0.05)

    async with origin(script) as up:
        text = table(up.port, defaults="{timeouts: {total: 1s}}")
        async with leak_checked(text, tmp_path, tier, up) as facade:
            reader, writer = await _open(facade)
            began = time.monotonic()
            writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            response = await _ended(reader, 1 + SLACK_S)
            assert time.monotonic() - began >= 1
            assert b"\r\n\r\nx" in response
            await eventually(lambda: not up.open, within_s=1)
            writer.close()


async def test_a_reader_that_takes_nothing_is_cut_off(tmp_path: Path, tier: str) -> None:
    gone = asyncio.Event()

    async def script(wire: Wire) -> None:
        try:
            await wire.request_head()
            wire.send(OK + b"content-length: 100000000\r\n\r\n")
            for _ in range(1000):
                wire.send(b"x" * 100_000)
                await wire.flush()
        finally:
            gone.set()

    async with origin(script) as up:
        text = table(up.port, defaults="{timeouts: {stream_idle: 500ms}}")
        async with leak_checked(text, tmp_path, tier, up) as facade:
            _, writer = await asyncio.open_connection(
                facade.listen.host, facade.listen.port, limit=1000
            )
            writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            await asyncio.wait_for(gone.wait(), 10)
            writer.transport.abort()


@pytest.mark.parametrize(
    ("limit", "kind"),
    [
        ("max_connections: 5", "too_many_connections"),
        ("max_connections_per_client: 5", "connections_per_client"),
    ],
)
async def test_more_connections_than_allowed_are_turned_away(
    tmp_path: Path, tier: str, limit: str, kind: str
) -> None:
    async with origin(responding(ok())) as up:
        text = table(up.port) + f"listener: {{{limit}}}\n"
        async with leak_checked(text, tmp_path, tier, up) as facade:
            held = [await _open(facade) for _ in range(5)]
            for reader, writer in held:
                writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
                await asyncio.wait_for(reader.readuntil(b"ok"), 5)
            reader, writer = await _open(facade)
            writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            response = await _ended(reader, 5)
            writer.close()
            if response:
                assert (final_status_of(response), _reason(response)) == (503, kind)
                assert b"Retry-After: " in response
            assert await _refused(facade, kind) >= 1
            for reader, writer in held:  # Those that are in are served on.
                writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
                await asyncio.wait_for(reader.readuntil(b"ok"), 5)
                writer.close()
                await _ended(reader, 5)
            assert final_status_of(await _comes_in(facade)) == 200


async def _comes_in(facade: RunningFacade) -> bytes:
    """A response that is no 503, as soon as the places of those that left are free."""
    response = await facade.get("/")
    deadline = time.monotonic() + 5
    while final_status_of(response) == 503 and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        response = await facade.get("/")
    return response
