"""A facade between an incumbent and a newcomer that get copies of requests, over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.server.settings import Tier
from proxy.telemetry.mirror_counters import RouteCopies, copies_of_routes
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.origin import Origin, Script, ok, origin, responding
from tests.support.waiting import eventually
from tests.support.wire import Message

NO_COPIES = RouteCopies(0, 0, 0, 0, 0, {})
TABLE = """
version: 1
backends:
  legacy: {{url: "{legacy}", cookies: {{remove: [new_only]}}}}
  new: {{url: "{new}", cookies: {{allow: [new_only]}}, preserve_host: false}}
routes:
- name: list
  stage: {stage}
  {more}
  backend_refs: {refs}
{top}
"""
REFS = "[legacy, new]"
CANARY = "{legacy: 50, new: 50}"


@dataclass
class Site:
    """What a test sees."""

    facade: RunningFacade
    legacy: Origin
    new: Origin
    received: dict[str, list[Message]] = field(default_factory=dict)

    @property
    def copies(self) -> RouteCopies:
        """The counters of the route."""
        return dict(copies_of_routes(self.facade.app.slot.stats)).get("list", NO_COPIES)

    async def copied(self, count: int) -> list[Message]:
        """The copies that the newcomer got, once there are `count`."""
        await eventually(lambda: len(self.received["new"]) >= count)
        return self.received["new"]

    async def counted(self, expected: RouteCopies) -> None:
        """Wait until the counters are these."""
        with contextlib.suppress(AssertionError):
            await eventually(lambda: self.copies == expected)
        assert self.copies == expected


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    *,
    tier: Tier = "fast",
    stage: str = "shadow",
    refs: str = REFS,
    more: str = "mirror: {}",
    top: str = "",
    legacy: Script | None = None,
    new: Script | None = None,
    **settings: Any,
) -> AsyncIterator[Site]:
    """`more` are further fields of the route. Without a script a backend responds with its name."""
    received: dict[str, list[Message]] = {"legacy": [], "new": []}
    async with contextlib.AsyncExitStack() as stack:
        by_legacy = legacy or responding(ok(b"legacy"), received["legacy"])
        by_new = new or responding(ok(b"new"), received["new"])
        old_one = await stack.enter_async_context(origin(by_legacy))
        new_one = await stack.enter_async_context(origin(by_new))
        table = TABLE.format(
            legacy=old_one.url, new=new_one.url, stage=stage, more=more, refs=refs, top=top
        )
        facade = await stack.enter_async_context(
            facade_in_loop(table, folder, tier=tier, **settings)
        )
        yield Site(facade, old_one, new_one, received)


async def settled() -> None:
    """Let what was sent in this tick reach the other side of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)
