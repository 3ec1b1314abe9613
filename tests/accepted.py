"""What a test's server has accepted, and the end of it, whenever that comes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Accepted:
    """The callback of `asyncio.start_server`: a task for each connection, which is closed when the task ends.

    A task that is cancelled before it has begun runs no line of its own, no `finally` either. Its connection would be
    left to the garbage collector, which complains in whatever test it comes to run.
    """

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._stopped = False
        self._faults: list[BaseException] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopped:
            return writer.close()
        task = asyncio.get_running_loop().create_task(self._speak(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(partial(self._ended, writer))

    async def stop(self) -> None:
        """Cancel what still runs, wait for it, take in nothing more. Fails if a talk failed of itself."""
        self._stopped = True
        tasks = tuple(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not self._faults, self._faults

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The other side may leave; what that meant is for the test to say.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._talk(reader, writer)

    def _ended(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        writer.close()
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._faults.append(fault)


async def close(server: asyncio.Server) -> None:
    """Listen no more. What the loop has accepted until now is handed over, or taken back by the kernel.

    asyncio (seen with 3.11) accepts in one turn, makes the transport in the next, and tells of it in the one after. If
    the server is closed after the first, no transport can be made: nobody is told, and nobody closes the connection.
    """
    loop = asyncio.get_running_loop()
    for each in server.sockets:
        loop.remove_reader(each.fileno())
    for _ in range(2):
        await asyncio.sleep(0)
    server.close()
