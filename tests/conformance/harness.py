"""A facade of either tier, in this process, on a free port."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from proxy.server.settings import Settings
from tests.conformance.wire import Wire, dialled
from tests.integration.running import Running, eventually, running

__all__ = ["TIERS", "Tier", "client", "eventually", "facade", "log_lines", "table"]

TIERS = ("asgi", "fast") if "tier" in Settings.__struct_fields__ else ("asgi",)


@dataclass(frozen=True)
class Tier:
    """Which tier a test runs over, and who waits for its facades to end."""

    name: str
    ending: set[asyncio.Task[None]]


@contextlib.asynccontextmanager
async def facade(
    tier: Tier,
    routes: str,
    folder: Path,
    *,
    drain_s: float = 1.0,
    draw: Callable[[], int] | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A facade that serves `routes`. `settings` are fields of `Settings` that the test is about."""
    if len(TIERS) > 1:
        settings["tier"] = tier.name

    def adapt(usual: Settings) -> Settings:
        return replace(usual, **settings)

    async with contextlib.AsyncExitStack() as stack:
        up = await stack.enter_async_context(
            running(routes, folder, draw=draw, drain_s=drain_s, adapt=adapt)
        )
        left = stack.pop_all()
    try:
        yield up
    finally:
        tier.ending.add(asyncio.create_task(left.aclose()))


@contextlib.asynccontextmanager
async def client(up: Running) -> AsyncIterator[Wire]:
    """A connection to the facade, closed on the way out."""
    async with dialled(up.listen.host, up.listen.port) as wire:
        yield wire


def table(*urls: str, backend: str = "", route: str = "", rest: str = "") -> str:
    """A table of one route to one backend. `backend` and `route` are more of their fields, as flow YAML."""
    endpoints = ", ".join(f'"{url}"' for url in urls)
    return (
        "version: 1\n"
        f"backends: {{legacy: {{endpoints: [{endpoints}]{', ' + backend if backend else ''}}}}}\n"
        f"routes: [{{name: all, backend_refs: legacy{', ' + route if route else ''}}}]\n{rest}"
    )


async def log_lines(up: Running, count: int) -> list[dict[str, Any]]:
    """The first lines of the access log, once there are so many."""
    await eventually(lambda: up.access_log.read_bytes().count(b"\n") >= count)
    return [json.loads(line) for line in up.access_log.read_text().splitlines()]
