"""A facade in a thread, with the event loop of `facade serve`. For tests that block, and for Hypothesis."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from proxy.server.event_loop import loop_factory
from tests.support.facade_in_loop import RunningFacade, facade_in_loop

_WITHIN_S = 20


@contextlib.contextmanager
def facade_in_thread(table: str, folder: Path, **settings: Any) -> Iterator[RunningFacade]:
    """A facade that serves `table`. `settings` are fields of `Settings`. Stops, and waits for that, at the end."""
    up: Future[tuple[RunningFacade, asyncio.AbstractEventLoop]] = Future()

    async def run() -> None:
        async with facade_in_loop(table, folder, **settings) as running:
            up.set_result((running, asyncio.get_running_loop()))
            await running.stop.wait()

    def main() -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(run())
        except BaseException as error:
            if up.done():
                raise
            up.set_exception(error)

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    running, loop = up.result(_WITHIN_S)
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(running.stop.set)
        thread.join(_WITHIN_S)
