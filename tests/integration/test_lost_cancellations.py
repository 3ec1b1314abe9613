"""Tasks end when they are cancelled, also in the moment in which what they wait for happens.

In Python 3.11 `asyncio.wait_for` loses such a cancellation (python/cpython issue 86296), and a facade that stops waits
for the task for ever.
"""

import asyncio
from pathlib import Path

import pytest

from tests.support.facade_in_loop import facade_in_loop

TABLE = "version: 1\nroutes:\n- {name: r, direct_response: {status: 200}}\n"


@pytest.mark.parametrize("steps", range(6))
async def test_a_reload_on_request_can_be_cancelled(steps: int, tmp_path: Path) -> None:
    async with facade_in_loop(TABLE, tmp_path) as facade:
        task = asyncio.create_task(facade.app.reloader.run())
        for _ in range(5):
            await asyncio.sleep(0)
        facade.app.reloader.reload()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        task.cancel()
        assert done


@pytest.mark.parametrize("steps", range(6))
async def test_a_client_of_a_test_can_be_cancelled(steps: int, tmp_path: Path) -> None:
    async with facade_in_loop(TABLE, tmp_path) as facade:

        async def requests() -> None:
            while True:
                await facade.get("/")

        # Each response is another chance to lose the cancellation.
        for _ in range(20):
            task = asyncio.create_task(requests())
            for _ in range(40 + steps):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=10)
            task.cancel()
            assert done
