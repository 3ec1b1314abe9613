"""Promise T1: the wall clock is stepped, and nobody is timed out: durations are on the monotonic clock."""

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from tests.faults.leak_check import OK, leak_checked, table
from tests.support.origin import origin
from tests.support.raw_response import final_status_of
from tests.support.waiting import eventually
from tests.support.wire import Wire

LIMITS = "{timeouts: {request: 10s, backend_request: 10s, stream_idle: 10s, body_idle: 10s}}"


async def test_a_step_of_the_wall_clock_ends_nothing(
    tmp_path: Path, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits, what uploads and what is idle, on both sides, goes on; more than one sweep sees the step."""
    waiting, go_on = 0, asyncio.Event()

    async def script(wire: Wire) -> None:
        nonlocal waiting
        while True:
            asked = await wire.request_head()
            if asked.line.startswith(b"POST"):
                await wire.exactly(8)
            if b"/wait" in asked.line:
                waiting += 1
                await go_on.wait()
            wire.send(OK + b"content-length: 2\r\n\r\nok")

    real = time.time
    async with origin(script) as up:
        async with leak_checked(table(up.port, defaults=LIMITS), tmp_path, tier, up) as facade:
            idle_in, idle_out = await asyncio.open_connection(*_at(facade.listen))
            idle_out.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            await idle_in.readuntil(b"ok")
            body_in, body_out = await asyncio.open_connection(*_at(facade.listen))
            body_out.write(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 8\r\n\r\nhalf")
            asked = asyncio.create_task(facade.get("/wait"))
            await eventually(lambda: waiting == 1)
            for step_s in (3600.0, -3600.0):
                stepped = partial(lambda by: real() + by, step_s)
                monkeypatch.setattr(time, "time", stepped)
                await asyncio.sleep(0.6)  # A sweep of the clients, and many of the upstreams.
            go_on.set()
            assert final_status_of(await asked) == 200
            accepted = up.accepted
            for reader, writer, sent in (
                (body_in, body_out, b"half"),
                (idle_in, idle_out, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"),
            ):
                writer.write(sent)
                response = await asyncio.wait_for(reader.readuntil(b"ok"), 5)
                assert final_status_of(response) == 200
                writer.close()
            assert up.accepted == accepted
            monkeypatch.undo()


def _at(address: object) -> tuple[str, int]:
    host, _, port = str(address).rpartition(":")
    return host, int(port)
