"""Upstreams that refuse, reset, stall, lie and babble: promises U1 to U4, seen by a client."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults.leak_check import OK, leak_checked, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import Script, ok, origin, responding, silent
from tests.support.ports import free_port, full_backlog
from tests.support.raw_response import final_status_of, is_complete
from tests.support.wire import Wire

CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def _sends(data: bytes, end: str) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(data)
        await wire.flush()
        if end == "reset":
            await asyncio.sleep(0.02)  # Let the bytes out: a reset overtakes what is still queued.
            wire.reset()
        elif end == "half":
            wire.half_close()
            await wire.end()
        elif end == "stay":
            await wire.end()

    return script


async def test_an_upstream_that_refuses_is_told_at_once(tmp_path: Path, tier: str) -> None:
    async with leak_checked(table(free_port()), tmp_path, tier) as facade:
        began = time.monotonic()
        responses = [await facade.get("/") for _ in range(10)]
        assert time.monotonic() - began < 2
    assert [final_status_of(each) for each in responses] == [502] * 10


async def test_an_upstream_that_does_not_take_connections_is_a_504(
    tmp_path: Path, tier: str
) -> None:
    with full_backlog() as port:
        text = table(port, defaults="{timeouts: {connect: 300ms}}")
        async with leak_checked(text, tmp_path, tier, warm=False) as facade:
            began = time.monotonic()
            response = await facade.get("/")
            assert time.monotonic() - began < 2
    assert final_status_of(response) == 504


@pytest.mark.parametrize("end", ["close", "reset", "half"])
@pytest.mark.parametrize(
    "start",
    [
        OK + b"content-length: 100\r\n\r\nhalf",
        CHUNKED + b"4\r\nhalf\r\n",
        CHUNKED + b"4\r\nhalf\r\n0\r\n",
        CHUNKED + b"9\r\nhalf",
    ],
    ids=["length", "chunks", "no end of the trailers", "half a chunk"],
)
async def test_a_body_that_breaks_off_is_never_complete(
    tmp_path: Path, tier: str, start: bytes, end: str
) -> None:
    async with (
        origin(_sends(start, end)) as up,
        leak_checked(table(up.port), tmp_path, tier, up) as facade,
    ):
        for _ in range(5):
            response = await facade.get("/")
            assert b"half" in response
            assert not is_complete(response)


async def test_a_body_until_close_that_is_reset_is_not_complete(tmp_path: Path, tier: str) -> None:
    async with (
        origin(_sends(OK + b"\r\nhalf", "reset")) as up,
        leak_checked(table(up.port), tmp_path, tier, up) as facade,
    ):
        response = await facade.get("/")
    assert b"half" in response
    assert not is_complete(response)


@pytest.mark.parametrize("end", ["close", "reset", "half"])
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 20", OK + b"x: y\r\n"])
async def test_a_response_that_never_began_is_a_502(
    tmp_path: Path, tier: str, start: bytes, end: str
) -> None:
    async with (
        origin(_sends(start, end)) as up,
        leak_checked(table(up.port), tmp_path, tier, up) as facade,
    ):
        assert final_status_of(await facade.get("/")) == 502
        assert up.accepted <= 2


SHORT = "{timeouts: {request: 400ms, backend_request: 400ms, stream_idle: 400ms}}"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 20", OK + b"x: y\r\n"])
async def test_a_response_that_does_not_come_is_a_504_in_time(
    tmp_path: Path, tier: str, start: bytes
) -> None:
    async with (
        origin(_sends(start, "stay")) as up,
        leak_checked(table(up.port, defaults=SHORT), tmp_path, tier, up) as facade,
    ):
        began = time.monotonic()
        response = await facade.get("/")
        assert 0.35 <= time.monotonic() - began < 2
        assert final_status_of(response) == 504


async def test_a_head_that_drips_gains_no_time(tmp_path: Path, tier: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK)
        while not wire.is_closing:
            wire.send(b"x: y\r\n")
            await wire.flush()
            await asyncio.sleep(0.02)

    async with (
        origin(script) as up,
        leak_checked(table(up.port, defaults=SHORT), tmp_path, tier, up) as facade,
    ):
        began = time.monotonic()
        assert final_status_of(await facade.get("/")) == 504
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "start",
    [OK + b"content-length: 100\r\n\r\nhalf", CHUNKED + b"4\r\nhalf\r\n", OK + b"\r\nhalf"],
    ids=["length", "chunks", "until close"],
)
async def test_a_body_that_stalls_is_cut_in_time(tmp_path: Path, tier: str, start: bytes) -> None:
    async with (
        origin(_sends(start, "stay")) as up,
        leak_checked(table(up.port, defaults=SHORT), tmp_path, tier, up) as facade,
    ):
        began = time.monotonic()
        response = await facade.get("/")
        assert time.monotonic() - began < 2.5
        assert b"half" in response
        assert not is_complete(response)


NONSENSE = {
    "garbage": bytes(range(128, 256)),
    "an empty head": b"\r\n\r\nhello",
    "an empty head before the response": b"\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok",
    "a greeting": b"220 mail.example ESMTP\r\n",
    "endless headers": OK + b"x: y\r\n" * 50_000,
    "a huge header": OK + b"x: " + b"y" * 500_000,
    "endless interim responses": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000,
    "two lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "both lengths": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("response", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_is_a_502_and_its_connection_is_not_used_again(
    tmp_path: Path, tier: str, response: bytes
) -> None:
    async with (
        origin(_sends(response, "stay")) as up,
        leak_checked(table(up.port), tmp_path, tier, up) as facade,
    ):
        for _ in range(3):
            assert final_status_of(await facade.get("/")) == 502
        assert await _connections(facade) == 0
        assert up.accepted >= 3


async def _connections(facade: RunningFacade) -> int:
    return sum(each.connections for each in facade.app.upstream_stats().values())


async def test_an_upstream_that_half_closes_after_its_response_gets_a_new_connection(
    tmp_path: Path, tier: str
) -> None:
    async def script(wire: Wire) -> None:
        await wire.respond()
        wire.half_close()
        await wire.end()

    async with origin(script) as up, leak_checked(table(up.port), tmp_path, tier, up) as facade:
        responses = [await facade.get("/") for _ in range(5)]
    assert [final_status_of(each) for each in responses] == [200] * 5


async def test_one_upstream_that_stalls_does_not_take_the_other_down(
    tmp_path: Path, tier: str
) -> None:
    """Promise U7: the first holds what its breakers allow and refuses the rest; the second responses every request."""
    breakers = "{max_connections: 20, max_pending_requests: 10}"
    async with origin(silent) as slow, origin(responding(ok())) as quick:
        text = table(slow.port, quick.port, breakers=breakers)
        async with leak_checked(text, tmp_path, tier, slow, quick, warm=False) as facade:
            stuck = [asyncio.create_task(facade.get("/0/")) for _ in range(60)]
            done = [await asyncio.wait_for(facade.get("/1/"), 2) for _ in range(50)]
            refused = [task for task in stuck if task.done()]
            assert [final_status_of(each) for each in done] == [200] * 50
            assert [final_status_of(task.result()) for task in refused] == [503] * len(refused)
            assert len(refused) == 30
            assert all(b"Retry-After: " in task.result() for task in refused)
            for task in stuck:
                task.cancel()
            await asyncio.wait(stuck)
