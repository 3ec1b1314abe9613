"""Runs one part: starts it, waits until it is ready, restarts it when it dies, stops it."""

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.errors import PartFailed
from deploy.local.logs import PartLog
from deploy.local.part import Part
from deploy.local.process import signal_group, tethered

Say = Callable[[str], None]
_ASK_AGAIN_S = 0.05
_PATIENT_S = 5.0
# The exit status of a part for a wrong command line or settings: a retry would not help.
_HOPELESS = 2


@dataclass(frozen=True)
class Patience:
    """How often a part is started: seconds between tries, doubling from `first_s` to `most_s`.

    A part that ran for `steady_s` has recovered: the next pause is the first one again.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    steady_s: float = 60.0
    first_tries: int = 3

    def after(self, pause_s: float, ran_s: float) -> float:
        """The pause before the next try, after a run of `ran_s` that followed `pause_s`."""
        if pause_s == 0 or ran_s >= self.steady_s:
            return self.first_s
        return min(pause_s * 2, self.most_s)


class Keeper:
    """Owns the process of one part."""

    def __init__(self, part: Part, log: PartLog, say: Say, patience: Patience) -> None:
        self.part = part
        self.log = log
        self._say = say
        self._patience = patience
        self._process: Process | None = None

    async def start(self) -> None:
        """Start the part and wait until it is ready; raises PartFailed after a few tries."""
        for tries_left in reversed(range(self._patience.first_tries)):
            failure = await self._try()
            if failure is None:
                return
            code = self._process.returncode if self._process else None
            if tries_left == 0 or code in (None, _HOPELESS):
                raise PartFailed(f"{self.part.name} {failure}.", self.log.tail())
            await self._bury()
            await asyncio.sleep(self._patience.first_s)

    async def keep(self) -> None:
        """Restart the part each time it ends, and report it. Runs until cancelled."""
        pause_s = 0.0
        failure: str | None = None
        while True:
            began = time.monotonic()
            if failure is None:
                failure = await self._ended()
            pause_s = self._patience.after(pause_s, time.monotonic() - began)
            self._say(f"{self.part.name} {failure}: starting it again in {pause_s:g} s")
            await self._bury()
            await asyncio.sleep(pause_s)
            failure = await self._try()
            if failure is None:
                self._say(f"{self.part.name} is ready again")

    async def stop(self, hurry: asyncio.Event) -> bool:
        """Stop the part with its signals, the last one SIGKILL; `hurry` shortens the waits. Leaves no process.

        Returns whether there was something to stop.
        """
        process = self._process
        if process is None:
            return False
        was_running = process.returncode is None
        for number, patience_s in self.part.stop_steps:
            if process.returncode is not None:
                break
            if number == signal.SIGKILL:
                signal_group(process.pid, number)
            else:
                process.send_signal(number)
            await _ended_within(process, patience_s, hurry)
        await self._bury()
        return was_running

    async def _try(self) -> str | None:
        """One start: None when the part is ready, else the reason of the failure."""
        try:
            process = await self._spawn()
        except OSError as error:
            return f"could not be started ({error.strerror})"
        return await self._awaited(process)

    async def _spawn(self) -> Process:
        output = self.log.open()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *tethered(self.part.argv, self.part.account, self.part.last_word),
                cwd=self.part.cwd,
                env=self.part.env,
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=self.part.keep_fds,
                start_new_session=True,
            )
        finally:
            os.close(output)
        return self._process

    async def _awaited(self, process: Process) -> str | None:
        """None when the part is ready in time, else the failure with the last line of its log."""
        still = asyncio.get_running_loop().call_later(_PATIENT_S, self._say_waiting)
        try:
            async with asyncio.timeout(self.part.ready_s):
                while process.returncode is None:
                    if await self.part.ready(process.pid):
                        return None
                    await asyncio.sleep(_ASK_AGAIN_S)
        except TimeoutError:
            return f"was not ready within {self.part.ready_s:g} s"
        finally:
            still.cancel()
        last = " ".join(self.log.tail(1))
        return f"{_ending(process.returncode)} before it was ready ({last})"

    def _say_waiting(self) -> None:
        self._say(f"still waiting for {self.part.name}; its log is {self.log.path}")

    async def _ended(self) -> str:
        if self._process is None:
            return "is not running"
        return _ending(await self._process.wait())

    async def _bury(self) -> None:
        """End what is left of the part's process group, so that its port is free again."""
        process, self._process = self._process, None
        if process is not None:
            signal_group(process.pid, signal.SIGKILL)
            await process.wait()


async def _ended_within(process: Process, patience_s: float, hurry: asyncio.Event) -> None:
    waits = {asyncio.ensure_future(process.wait()), asyncio.ensure_future(hurry.wait())}
    # In a hurry: half a second for the effect of the signal.
    limit_s = 0.5 if hurry.is_set() else patience_s
    if hurry.is_set():
        waits = {asyncio.ensure_future(process.wait())}
    try:
        await asyncio.wait(waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        names = {int(known): known.name for known in signal.Signals}
        return f"was ended by {names.get(-code, f'signal {-code}')}"
    return f"ended with exit code {code}"
