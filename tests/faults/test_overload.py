"""Promise P5: a request beyond what a backend takes gets an early 503; the others get their response."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.faults.leak_check import OK, leak_checked, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import origin
from tests.support.raw_response import final_status_of
from tests.support.wire import Wire

_SERVICE_S = 0.1
_AT_ONCE = 4
_ROUND_S = 2.0


@pytest.mark.parametrize(
    "by_time", [False, pytest.param(True, marks=pytest.mark.soak, id="at the bar of promise P5")]
)
async def test_overload_is_told_early_and_goodput_is_kept(
    tmp_path: Path, tier: str, by_time: bool
) -> None:
    """As many clients as the backend takes, then five times as many: it is not asked for more, nor used for less."""
    working = most = 0
    busy_at_refusal: list[int] = []

    async def script(wire: Wire) -> None:
        nonlocal working, most
        while True:
            await wire.request_head()
            working += 1
            most = max(most, working)
            await asyncio.sleep(_SERVICE_S)  # The work of a backend.
            working -= 1
            wire.send(OK + b"content-length: 2\r\n\r\nok")

    async def client(facade: RunningFacade, until: float, found: list[int]) -> None:
        while time.monotonic() < until:
            response = await asyncio.wait_for(facade.get("/"), 5)
            found.append(final_status_of(response))
            if found[-1] == 503:
                busy_at_refusal.append(working)
                assert b"Retry-After: " in response
                assert json.loads(response.partition(b"\r\n\r\n")[2])["reason"] == "busy"
                await asyncio.sleep(0.5)  # As `Retry-After` asks, if less patiently.

    async def of(facade: RunningFacade, clients: int) -> list[int]:
        found: list[int] = []
        until = time.monotonic() + _ROUND_S
        await asyncio.gather(*(client(facade, until, found) for _ in range(clients)))
        return found

    breakers = f"{{max_connections: {_AT_ONCE}, max_pending_requests: {_AT_ONCE}}}"
    async with (
        origin(script) as up,
        leak_checked(table(up.port, breakers=breakers), tmp_path, tier, up, warm=False) as facade,
    ):
        peak = await of(facade, 2 * _AT_ONCE)
        overload = await of(facade, 10 * _AT_ONCE)
    assert set(peak) == {200}
    assert set(overload) == {200, 503}
    assert most == _AT_ONCE
    # Goodput is kept: who is refused is refused because the backend has all the work it takes.
    # The four end together, and on a busy machine a client often hears of its refusal just then: so a quarter, not all.
    # A facade that used half of its connections would have none.
    full = sum(busy >= _AT_ONCE - 1 for busy in busy_at_refusal)
    assert full >= 0.25 * len(busy_at_refusal)
    # As a rate it needs a machine with nothing else to do, so `make soak` asks for it.
    assert not by_time or overload.count(200) >= 0.8 * len(peak)


async def test_a_request_that_waits_in_vain_is_told_before_its_client_gives_up(
    tmp_path: Path, tier: str
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        await wire.end()

    breakers = "{max_connections: 1, max_pending_requests: 5}"
    timeouts = "{timeouts: {connect: 300ms, request: 5s, backend_request: 5s}}"
    async with (
        origin(script) as up,
        leak_checked(
            table(up.port, breakers=breakers, defaults=timeouts), tmp_path, tier, up, warm=False
        ) as facade,
    ):
        first = asyncio.create_task(facade.get("/"))
        while not up.accepted:
            await asyncio.sleep(0.005)
        began = time.monotonic()
        assert final_status_of(await facade.get("/")) == 503
        assert time.monotonic() - began < 2
        first.cancel()
        await asyncio.wait((first,))
