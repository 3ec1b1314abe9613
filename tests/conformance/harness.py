"""A facade of either tier, and the table that most conformance tests have."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.server import settings
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.wire import Wire, connected


@dataclass(frozen=True)
class Tier:
    """Which tier a test uses, and the facades of its module that are stopping."""

    name: settings.Tier
    stopping: set[asyncio.Task[None]]


@contextlib.asynccontextmanager
async def facade(
    tier: Tier, routes: str, folder: Path, **settings: Any
) -> AsyncIterator[RunningFacade]:
    """A facade that serves `routes`. It is stopped in the background: the next test need not wait for that."""
    async with contextlib.AsyncExitStack() as stack:
        running = facade_in_loop(routes, folder, **{"drain_s": 1.0, "tier": tier.name, **settings})
        up = await stack.enter_async_context(running)
        stop = stack.pop_all()
    try:
        yield up
    finally:
        tier.stopping.add(asyncio.create_task(stop.aclose()))


@contextlib.asynccontextmanager
async def client(up: RunningFacade) -> AsyncIterator[Wire]:
    """A connection to the facade, closed at the end."""
    async with connected(up.listen.host, up.listen.port) as wire:
        yield wire


def table(*urls: str, backend: str = "", route: str = "", rest: str = "") -> str:
    """A table of one route to one backend. `backend` and `route` are more of their fields, as flow YAML."""
    endpoints = ", ".join(f'"{url}"' for url in urls)
    return (
        "version: 1\n"
        f"backends: {{legacy: {{endpoints: [{endpoints}]{', ' + backend if backend else ''}}}}}\n"
        f"routes: [{{name: all, backend_refs: legacy{', ' + route if route else ''}}}]\n{rest}"
    )
