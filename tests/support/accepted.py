"""The connections that a test's server has accepted, and their end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Accepted:
    """A callback for `asyncio.start_server`: each connection gets a task, and is closed when the task ends.

    A task that is cancelled before it has begun does not run its `finally`. Its connection would be left to the
    garbage collector, which would warn in an unrelated test.
    """

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._stopped = False
        self._faults: list[BaseException] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stopped:
            return writer.close()
        task = asyncio.get_running_loop().create_task(self._run(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(partial(self._ended, writer))

    async def stop(self) -> None:
        """Cancel the running handlers, wait for them, accept nothing more. Fails if a handler has failed."""
        self._stopped = True
        tasks = tuple(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not self._faults, self._faults

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The other side may close at any time. The test decides whether that is a failure.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._handle(reader, writer)

    def _ended(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        writer.close()
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._faults.append(fault)


async def close(server: asyncio.Server) -> None:
    """Stop listening. Connections that the loop has accepted until now are handed over first.

    asyncio (seen with 3.11) accepts in one iteration, makes the transport in the next, and calls back in the one after.
    If the server is closed after the first, the transport cannot be created, and nothing closes the connection.
    """
    loop = asyncio.get_running_loop()
    for each in server.sockets:
        loop.remove_reader(each.fileno())
    for _ in range(2):
        await asyncio.sleep(0)
    server.close()
