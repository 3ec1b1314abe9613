"""How late the event loop was: only while copies are sent."""

import asyncio
import time

from proxy.mirroring.loop_delay import LoopDelay


async def test_a_blocked_loop_shows_in_the_time_in_which_it_was_blocked() -> None:
    delay = LoopDelay()
    delay.begin()
    began = time.monotonic()
    time.sleep(0.2)  # noqa: ASYNC251 - it blocks the loop.
    assert delay.sum_s(began) > 0.1  # Also before the late beat.
    await asyncio.sleep(0.05)
    assert delay.sum_s(began) > 0.1
    delay.end()
    assert delay.sum_s(time.monotonic()) == 0


async def test_short_delays_add_up() -> None:
    delay = LoopDelay()
    delay.begin()
    began = time.monotonic()
    for _ in range(4):
        await asyncio.sleep(0.03)
        time.sleep(0.06)  # noqa: ASYNC251 - it blocks the loop.
    await asyncio.sleep(0.05)
    assert delay.sum_s(began) > 0.1
    delay.end()


async def test_the_last_user_ends_it() -> None:
    delay = LoopDelay()
    for _ in range(2):
        delay.begin()
    delay.end()
    time.sleep(0.1)  # noqa: ASYNC251 - it blocks the loop.
    assert delay.sum_s(time.monotonic()) > 0.05
    delay.end()
