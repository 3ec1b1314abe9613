"""The length of a slice of work, and of all work of one comparison."""

from collections.abc import Generator
from typing import TypeVar

from proxy.comparison.problems import NotComparable

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work in slices: it yields between them, and returns its result."""

SLICE = 1_000
"""Steps between two pauses: about one millisecond."""
MAX_STEPS = 3_000_000
"""Steps of one comparison: two bodies of about 8 MiB."""


class Pace:
    """Counts steps. A step takes about a microsecond."""

    def __init__(self, slice_steps: int = SLICE, max_steps: int = MAX_STEPS) -> None:
        self._slice_steps = slice_steps
        self._left = slice_steps
        self._in_all = max_steps

    def is_due(self, steps: int = 1) -> bool:
        """Whether it is time for a pause, after so many steps more. Raises NotComparable for too many in all."""
        self._left -= steps
        if self._left > 0:
            return False
        self._in_all -= self._slice_steps - self._left
        if self._in_all < 0:
            raise NotComparable("too_large")
        self._left = self._slice_steps
        return True
