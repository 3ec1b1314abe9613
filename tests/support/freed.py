"""How many objects are freed in one step: nothing else runs meanwhile (`proxy.freeing`)."""

import gc
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_BALLAST = 200_000
"""The collector's count of new objects does not go below 0: so many are new at the beginning."""


def most_freed_in_a_step(act: Callable[[], object]) -> int:
    """The most containers that `act` frees between two calls or returns of functions, of Python or of C.

    The count is that of all threads, so the threads that begin meanwhile are watched, too.
    """
    most = last = 0

    def watch(_frame: FrameType, _event: str, _arg: Any) -> None:
        nonlocal most, last
        now = gc.get_count()[0]
        most, last = max(most, last - now), now

    gc.disable()
    ballast: list[list[int]] = [[] for _ in range(_BALLAST)]
    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        act()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        found = most  # Threads that began meanwhile are watched until they end.
        ballast.clear()
        gc.enable()
    return found
