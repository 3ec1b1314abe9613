"""The table of steps, a line as each one ends."""

import sys
import textwrap
import time
from collections.abc import Callable
from typing import TextIO

import httpx

from tests.compose.shell import StepFailed

# A step's own sentence; no response; a response without what is looked for in it.
_UNEXPECTED = (StepFailed, httpx.HTTPError, LookupError, ValueError)
_NAME_WIDTH = 44
_SEEN_WIDTH = 84


class Report:
    """Runs steps and prints their times; remembers whether one failed."""

    def __init__(
        self, out: TextIO = sys.stdout, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._clock = clock
        self._began = clock()
        self.steps = 0
        self.failed = 0

    def head(self, title: str) -> None:
        """The first lines."""
        self._say(f"{title}\n\n{'step':<{_NAME_WIDTH}} {'seconds':>7}  seen")

    def step(self, name: str, action: Callable[[], str]) -> bool:
        """Whether it went well. What it returns is what it saw."""
        began = self._clock()
        self.steps += 1
        try:
            seen = action()
        except _UNEXPECTED as error:
            self.failed += 1
            self._line(f"FAILED {name}", began, "")
            kind = "" if isinstance(error, StepFailed) else f"{type(error).__name__}: "
            self._say(textwrap.indent(f"{kind}{error}", "    "))
            return False
        self._line(name, began, seen)
        return True

    def end(self) -> int:
        """The last line; the exit status."""
        total = self._clock() - self._began
        result = f"{self.failed} of them failed" if self.failed else "all as they must be"
        self._say(f"\n{self.steps} steps in {total:.0f} s, {result}")
        return 1 if self.failed else 0

    def _line(self, name: str, began: float, seen: str) -> None:
        first, *more = textwrap.wrap(seen, _SEEN_WIDTH) or [""]
        self._say(f"{name:<{_NAME_WIDTH}} {self._clock() - began:7.1f}  {first}".rstrip())
        for line in more:
            self._say(" " * (_NAME_WIDTH + 10) + line)

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)
