"""Runs a command again and again, each time killed (SIGKILL) one step later. Not a test: a program.

    python -m tests.integration.killed FOLDER TABLE COMMAND...

Each run gets a copy of FOLDER/template as FOLDER/0, FOLDER/1 and so on, until one comes to its end. A step
is whatever the operating system is asked for: opening, writing (before it, and half-way), syncing, renaming,
removing, locking, changing mode or owner.
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from proxy import cli

_STEPS = frozenset(("open", "os.rename", "os.remove", "os.chmod", "os.chown", "fcntl.flock"))


def main() -> None:
    folder, table, command = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    for step in range(500):
        here = folder / str(step)
        shutil.copytree(folder / "template", here, symlinks=True)
        child = os.fork()
        if child == 0:
            arm(step, str(here))
            os._exit(cli.main([*command, "--routes", str(here / table)]))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(step)
            sys.exit(os.waitstatus_to_exitcode(status))


class _Death:
    """Comes at the step with this number."""

    def __init__(self, step: int, folder: str) -> None:
        self._left = step
        self._folder = folder
        self._write, self._sync = os.write, os.fsync

    def step(self) -> None:
        """One thing is about to be asked for."""
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook. Only files of the folder count, and descriptors."""
        if event not in _STEPS:
            return
        target = arguments[0]
        if isinstance(target, int) or os.fsdecode(target).startswith(self._folder):
            self.step()

    def write(self, handle: int, data: bytes) -> int:
        """os.write in two halves."""
        self.step()
        half = self._write(handle, data[: len(data) // 2])
        self.step()
        return half + self._write(handle, data[half:])

    def sync(self, handle: int) -> None:
        """os.fsync."""
        self.step()
        self._sync(handle)


def arm(step: int, folder: str) -> None:
    death = _Death(step, folder)
    os.write, os.fsync = death.write, death.sync  # type: ignore[assignment]
    sys.addaudithook(death.hear)


if __name__ == "__main__":
    main()
