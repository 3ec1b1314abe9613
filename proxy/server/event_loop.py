"""The event loop of all processes of a facade."""

import asyncio
import sys
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop for `asyncio.Runner`. It has to watch sockets: the listener accepts by itself (ADR 27)."""
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop
    import uvloop  # Not on Windows.

    return uvloop.new_event_loop
