"""Waits for a condition, each with a deadline."""

import asyncio
import contextlib
import http.client
import time
from collections.abc import Callable

WITHIN_S = 20.0
"""Long enough for a busy machine. A condition that holds is seen long before."""


async def eventually(holds: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait in an event loop until `holds()` is true. Fails at the deadline."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


def until(holds: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait in a thread until `holds()` is true. Fails at the deadline."""
    assert comes_true(holds, within_s, pause_s=0.02), "the condition did not come true in time"


def comes_true(holds: Callable[[], object], within_s: float, pause_s: float = 0.002) -> bool:
    """Whether `holds()` becomes true before the deadline. A request that fails counts as not true yet."""
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if holds():
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
