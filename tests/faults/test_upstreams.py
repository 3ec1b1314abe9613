"""Upstreams that refuse, reset, stall, lie and babble: promises U1 to U4, seen by a client."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults.standing import OK, answering, complete, standing, status_of, table, taking
from tests.integration.running import Running
from tests.integration.upstream_servers import (
    Peer,
    Script,
    Server,
    full_backlog,
    refused_port,
    serving,
)

CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def _sends(data: bytes, end: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(data)
        await peer.flush()
        if end == "reset":
            await asyncio.sleep(0.02)  # Let the bytes out: a reset overtakes what is still queued.
            peer.reset()
        elif end == "half":
            peer.writer.write_eof()
            await peer.until_closed()
        elif end == "stay":
            await peer.until_closed()

    return script


async def test_an_upstream_that_refuses_is_told_at_once(tmp_path: Path, tier: str) -> None:
    nobody = Server(taking, refused_port())
    async with standing(table(nobody), tmp_path, tier) as facade:
        began = time.monotonic()
        answers = [await facade.get("/") for _ in range(10)]
        assert time.monotonic() - began < 2
    assert [status_of(each) for each in answers] == [502] * 10


async def test_an_upstream_that_does_not_take_connections_is_a_504(
    tmp_path: Path, tier: str
) -> None:
    with full_backlog() as port:
        text = table(Server(taking, port), defaults="{timeouts: {connect: 300ms}}")
        async with standing(text, tmp_path, tier, warm=False) as facade:
            began = time.monotonic()
            answer = await facade.get("/")
            assert time.monotonic() - began < 2
    assert status_of(answer) == 504


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
        serving(_sends(start, end)) as up,
        standing(table(up), tmp_path, tier, up) as facade,
    ):
        for _ in range(5):
            answer = await facade.get("/")
            assert b"half" in answer
            assert not complete(answer)


async def test_a_body_until_close_that_is_reset_is_not_complete(tmp_path: Path, tier: str) -> None:
    async with (
        serving(_sends(OK + b"\r\nhalf", "reset")) as up,
        standing(table(up), tmp_path, tier, up) as facade,
    ):
        answer = await facade.get("/")
    assert b"half" in answer
    assert not complete(answer)


@pytest.mark.parametrize("end", ["close", "reset", "half"])
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 20", OK + b"x: y\r\n"])
async def test_an_answer_that_never_began_is_a_502(
    tmp_path: Path, tier: str, start: bytes, end: str
) -> None:
    async with (
        serving(_sends(start, end)) as up,
        standing(table(up), tmp_path, tier, up) as facade,
    ):
        assert status_of(await facade.get("/")) == 502
        assert up.accepted <= 2


SHORT = "{timeouts: {request: 400ms, backend_request: 400ms, stream_idle: 400ms}}"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 20", OK + b"x: y\r\n"])
async def test_an_answer_that_does_not_come_is_a_504_in_time(
    tmp_path: Path, tier: str, start: bytes
) -> None:
    async with (
        serving(_sends(start, "stay")) as up,
        standing(table(up, defaults=SHORT), tmp_path, tier, up) as facade,
    ):
        began = time.monotonic()
        answer = await facade.get("/")
        assert 0.35 <= time.monotonic() - began < 2
        assert status_of(answer) == 504


async def test_a_head_that_drips_gains_no_time(tmp_path: Path, tier: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK)
        while not peer.writer.is_closing():
            peer.send(b"x: y\r\n")
            await peer.flush()
            await asyncio.sleep(0.02)

    async with (
        serving(script) as up,
        standing(table(up, defaults=SHORT), tmp_path, tier, up) as facade,
    ):
        began = time.monotonic()
        assert status_of(await facade.get("/")) == 504
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "start",
    [OK + b"content-length: 100\r\n\r\nhalf", CHUNKED + b"4\r\nhalf\r\n", OK + b"\r\nhalf"],
    ids=["length", "chunks", "until close"],
)
async def test_a_body_that_stalls_is_cut_in_time(tmp_path: Path, tier: str, start: bytes) -> None:
    async with (
        serving(_sends(start, "stay")) as up,
        standing(table(up, defaults=SHORT), tmp_path, tier, up) as facade,
    ):
        began = time.monotonic()
        answer = await facade.get("/")
        assert time.monotonic() - began < 2.5
        assert b"half" in answer
        assert not complete(answer)


NONSENSE = {
    "garbage": bytes(range(128, 256)),
    "an empty head": b"\r\n\r\nhello",
    "an empty head before the answer": b"\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok",
    "a greeting": b"220 mail.example ESMTP\r\n",
    "endless headers": OK + b"x: y\r\n" * 50_000,
    "a huge header": OK + b"x: " + b"y" * 500_000,
    "endless interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000,
    "two lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "both lengths": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_is_a_502_and_its_connection_is_not_used_again(
    tmp_path: Path, tier: str, answer: bytes
) -> None:
    async with (
        serving(_sends(answer, "stay")) as up,
        standing(table(up), tmp_path, tier, up) as facade,
    ):
        for _ in range(3):
            assert status_of(await facade.get("/")) == 502
        assert await _connections(facade) == 0
        assert up.accepted >= 3


async def _connections(facade: Running) -> int:
    return sum(each.connections for each in facade.facade.upstream_stats().values())


async def test_an_upstream_that_half_closes_after_its_answer_is_asked_anew(
    tmp_path: Path, tier: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()
        peer.writer.write_eof()
        await peer.until_closed()

    async with serving(script) as up, standing(table(up), tmp_path, tier, up) as facade:
        answers = [await facade.get("/") for _ in range(5)]
    assert [status_of(each) for each in answers] == [200] * 5


async def test_one_upstream_that_stalls_does_not_take_the_other_down(
    tmp_path: Path, tier: str
) -> None:
    """Promise U7: the first holds what its breakers allow and refuses the rest; the second answers every request."""
    breakers = "{max_connections: 20, max_pending_requests: 10}"
    async with serving(taking) as slow, serving(answering) as quick:
        text = table(slow, quick, breakers=breakers)
        async with standing(text, tmp_path, tier, slow, quick, warm=False) as facade:
            stuck = [asyncio.create_task(facade.get("/0/")) for _ in range(60)]
            done = [await asyncio.wait_for(facade.get("/1/"), 2) for _ in range(50)]
            refused = [task for task in stuck if task.done()]
            assert [status_of(each) for each in done] == [200] * 50
            assert [status_of(task.result()) for task in refused] == [503] * len(refused)
            assert len(refused) == 30
            assert all(b"retry-after: " in task.result() for task in refused)
            for task in stuck:
                task.cancel()
            await asyncio.wait(stuck)
