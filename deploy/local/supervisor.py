"""Parts in order: each is ready before the next one starts, and outlives it at the end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from deploy.local.keeper import Keeper, Patience, Say
from deploy.local.logs import PartLog
from deploy.local.part import Part

# A terminal, `make` and a script may each deliver the same Ctrl-C: several within this time count as one.
_SAME_WISH_S = 0.5
_TRIM_EVERY_S = 1.0
_STEADY = Patience()


async def supervise(
    parts: Sequence[Part],
    logs: Path,
    say: Say,
    up: Callable[[], Awaitable[None]],
    patience: Patience = _STEADY,
) -> None:
    """Run `parts` until SIGINT, SIGTERM or SIGHUP; a second one shortens the waits. Returns when all ended.

    `up` is called once all are ready, and cancelled at the end if it still runs.
    Further signals are ignored while the process ends.
    Raises PartFailed when a part does not start, after the ones before it were stopped.
    """
    hurry = asyncio.Event()
    work = asyncio.create_task(_run(parts, logs, say, up, patience, hurry))
    with _signals_end(work, hurry, say):
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work})
            raise
    if not work.cancelled():
        work.result()


async def _run(
    parts: Sequence[Part],
    logs: Path,
    say: Say,
    up: Callable[[], Awaitable[None]],
    patience: Patience,
    hurry: asyncio.Event,
) -> None:
    # The stack stops the parts in reverse order, each also if another one failed to stop.
    async with AsyncExitStack() as running:
        keepers: list[Keeper] = []
        chores: list[asyncio.Task[None]] = []
        try:
            for part in parts:
                keeper = Keeper(part, PartLog(logs, part.name), say, patience)
                keepers.append(keeper)
                running.push_async_callback(_stop, keeper, hurry, say)
                await keeper.start()
                say(f"{part.name} is ready")
                chores.append(asyncio.create_task(keeper.keep()))
            chores.append(asyncio.create_task(_trim(keepers)))
            chores.append(asyncio.create_task(_forever(up)))
            await asyncio.gather(
                *chores
            )  # none ends by itself: an error in one ends the supervisor
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)


async def _stop(keeper: Keeper, hurry: asyncio.Event, say: Say) -> None:
    if await keeper.stop(hurry):
        say(f"{keeper.part.name} is stopped")


async def _trim(keepers: Sequence[Keeper]) -> None:
    while True:
        await asyncio.sleep(_TRIM_EVERY_S)
        for keeper in keepers:
            await asyncio.to_thread(keeper.log.trim)


async def _forever(up: Callable[[], Awaitable[None]]) -> None:
    await up()
    await asyncio.Event().wait()


@contextmanager
def _signals_end(work: "asyncio.Task[None]", hurry: asyncio.Event, say: Say) -> Iterator[None]:
    """The first signal cancels `work`, which then stops the parts; a later one sets `hurry`."""
    loop = asyncio.get_running_loop()
    first: list[float] = []

    def wish() -> None:
        if not first:
            first.append(loop.time())
            say("stopping (once more: at once)")
            work.cancel()
        elif loop.time() - first[0] > _SAME_WISH_S:
            hurry.set()

    heard = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup make up` stays up
        heard.append(signal.SIGHUP)
    for number in heard:
        loop.add_signal_handler(number, wish)
    try:
        yield
    finally:
        # One more Ctrl-C now has nothing to stop: it must not change the exit status.
        signal.pthread_sigmask(signal.SIG_BLOCK, heard)
        for number in heard:
            loop.remove_signal_handler(number)
            if first:
                signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)
