"""The event loop of all processes of a facade."""

import asyncio
import sys
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop for `asyncio.Runner`; None is asyncio's own."""
    if sys.platform == "win32":
        return None
    import uvloop  # Not on Windows.

    return uvloop.new_event_loop
