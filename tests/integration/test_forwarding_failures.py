"""The facade between real sockets: what happens when either side fails, stalls or leaves."""

import asyncio
import json
import socket
import struct
from pathlib import Path

import pytest

from tests.integration.tables import one_backend
from tests.support import procfs
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.raw_response import body_of, status_of
from tests.support.waiting import eventually
from tests.support.wire import Wire


async def test_nobody_listens_behind_us(tmp_path: Path) -> None:
    async with origin(responding(ok(b""))) as gone:
        url = gone.url
    async with facade_in_loop(one_backend(url), tmp_path) as facade:
        got = await facade.get("/")
    problem = json.loads(body_of(got))
    assert (status_of(got), problem["status"], problem["reason"]) == (502, 502, "unreachable")
    assert b"Content-Type: application/problem+json" in got
    assert b"reason=unreachable" in got


async def test_no_response_in_time(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.end()

    table = "defaults: {timeouts: {backend_request: 300ms}}\n"
    async with (
        origin(script) as legacy,
        facade_in_loop(one_backend(legacy.url, table), tmp_path) as facade,
    ):
        got = await facade.get("/")
        await asyncio.wait_for(legacy.ended.wait(), 5)
    assert status_of(got) == 504
    assert json.loads(body_of(got))["reason"] == "timeout"


async def test_every_connection_is_taken(tmp_path: Path) -> None:
    asked, let_go = asyncio.Semaphore(0), asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        asked.release()
        await let_go.wait()
        wire.send(ok(b"late"))

    async with origin(script) as legacy:
        table = f"""
version: 1
backends:
  legacy: {{url: "{legacy.url}", circuit_breakers: {{max_connections: 1, max_pending_requests: 1}}}}
routes: [{{name: all, backend_refs: legacy}}]
"""
        async with facade_in_loop(table, tmp_path) as facade:
            first = asyncio.create_task(facade.get("/1"))
            await asked.acquire()
            second = asyncio.create_task(facade.get("/2"))
            await eventually(
                lambda: sum(s.pending for s in facade.app.upstream_stats().values()) == 1
            )
            third = await facade.get("/3")
            let_go.set()
            assert [status_of(await first), status_of(await second)] == [200, 200]
    assert status_of(third) == 503
    assert b"Retry-After: " in third
    assert json.loads(body_of(third))["reason"] == "busy"


async def test_a_wait_for_a_connection_counts_for_the_request(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        await asyncio.sleep(1.5)
        wire.send(ok(b"late"))
        await wire.end()

    async with origin(script) as legacy:
        table = f"""
version: 1
backends: {{legacy: {{url: "{legacy.url}", circuit_breakers: {{max_connections: 1}}}}}}
routes: [{{name: all, backend_refs: legacy, timeouts: {{request: 2s, connect: 5s}}}}]
"""
        async with facade_in_loop(table, tmp_path) as facade:
            asked = [asyncio.create_task(facade.get(f"/{number}")) for number in range(2)]
            responses = sorted(map(status_of, await asyncio.gather(*asked)))
            await eventually(lambda: len(facade.access_log.read_text().splitlines()) == 2)
            lines = [json.loads(line) for line in facade.access_log.read_text().splitlines()]
    assert responses == [200, 504]
    late = next(line for line in lines if line["status"] == 504)
    assert 1_900 < late["total_ms"] < 3_000


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(b"content-length: %d\r\n\r\n%b", id="a length"),
        pytest.param(b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n", id="chunks"),
        pytest.param(
            b"trailer: x-end\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nx-end: 1\r\n\r\n",
            id="chunks and trailers",
        ),
    ],
)
async def test_a_request_that_waited_for_the_connection_of_another_gets_its_own_response(
    tmp_path: Path, framed: bytes
) -> None:
    """It is handed on before the response that came over it is told: the next request must not touch that."""

    async def script(wire: Wire) -> None:
        while True:
            target = (await wire.request_head()).target
            wire.send(b"HTTP/1.1 200 OK\r\n" + framed % (len(target), target))

    async def ask(facade: RunningFacade, number: int) -> None:
        target = b"/" + b"y" * number
        reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        for _ in range(20):
            writer.write(b"GET %b HTTP/1.1\r\nhost: h\r\nte: trailers\r\n\r\n" % target)
            head = await reader.readuntil(b"\r\n\r\n")
            end = b"" if b"Content-Length" in head else b"\r\n\r\n"
            got = await (reader.readuntil(end) if end else reader.readexactly(len(target)))
            assert target in got
            assert b"y" * (number + 1) not in got
            assert (b"x-end: 1" in got) == (b"x-end" in framed)
        writer.close()

    async with origin(script) as legacy:
        table = f"""
version: 1
backends: {{legacy: {{url: "{legacy.url}", circuit_breakers: {{max_connections: 1}}}}}}
routes: [{{name: all, backend_refs: legacy}}]
"""
        async with facade_in_loop(table, tmp_path) as facade, asyncio.timeout(20):
            await asyncio.gather(*(ask(facade, number) for number in range(8)))


@pytest.mark.parametrize("framing", [b"content-length: 100", b"transfer-encoding: chunked"])
async def test_a_truncated_response_is_noticed(tmp_path: Path, framing: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        part = b"5\r\nhello\r\n" if b"chunked" in framing else b"hello"
        wire.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + part)
        await wire.flush()

    async with (
        origin(script) as legacy,
        facade_in_loop(one_backend(legacy.url), tmp_path) as facade,
    ):
        got = await facade.get("/")
        await eventually(facade.access_log.read_text)
        line = json.loads(facade.access_log.read_text().splitlines()[0])
    assert b"hello" in got
    assert not got.endswith(b"0\r\n\r\n")
    assert (line["status"], line["complete"], line["reason"]) == (200, False, "broke")


async def test_an_early_response_reaches_the_client_during_its_upload(tmp_path: Path) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
        await wire.flush()
        await wire.end()

    async with (
        origin(script) as legacy,
        facade_in_loop(one_backend(legacy.url), tmp_path) as facade,
    ):
        reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\nstart")
        got = await asyncio.wait_for(reader.readuntil(b"no"), 5)
        writer.close()
    assert status_of(got) == 413


async def test_a_client_that_leaves_takes_its_request_with_it(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        asked.set()
        await wire.end()

    async with (
        origin(script) as legacy,
        facade_in_loop(one_backend(legacy.url), tmp_path) as facade,
    ):
        _, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        await asked.wait()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        await asyncio.wait_for(legacy.ended.wait(), 5)
        await eventually(facade.access_log.read_text)
        line = json.loads(facade.access_log.read_text().splitlines()[0])
    assert (line["reason"], line["complete"]) == ("client_gone", False)


@pytest.mark.parametrize("framing", [b"content-length: 100", b"transfer-encoding: chunked"])
async def test_an_upload_that_breaks_off_is_not_forged_complete(
    tmp_path: Path, framing: bytes
) -> None:
    received = bytearray()
    started = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        while True:
            received.extend(await wire.more())
            started.set()

    async with (
        origin(script) as legacy,
        facade_in_loop(one_backend(legacy.url), tmp_path) as facade,
    ):
        _, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
        part = b"5\r\nhello\r\n" if b"chunked" in framing else b"hello"
        writer.write(b"POST / HTTP/1.1\r\nhost: h\r\n" + framing + b"\r\n\r\n" + part)
        await started.wait()
        writer.close()
        await asyncio.wait_for(legacy.ended.wait(), 1)
    assert b"hello" in received
    assert not received.endswith(b"0\r\n\r\n")


async def test_a_slow_reader_does_not_fatten_the_facade(tmp_path: Path) -> None:
    """Of 64 MB, the backend gets rid of what the sockets and bounded buffers hold, no more."""
    sent = 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.request_head()
        wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 64000000\r\n\r\n")
        for _ in range(640):
            wire.send(b"x" * 100_000)
            await wire.flush()
            sent += 100_000

    async with (
        origin(script) as legacy,
        facade_in_loop(one_backend(legacy.url), tmp_path) as facade,
    ):
        reader, writer = await asyncio.open_connection(
            facade.listen.host, facade.listen.port, limit=1000
        )
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        before = -1
        while sent != before:  # Until nothing moves any more.
            before = sent
            await asyncio.sleep(0.3)
        writer.transport.abort()
    assert sent < procfs.in_flight_bytes()
