"""Each test with the fixture `tier` runs on every tier."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conformance.harness import Tier
from tests.support.facade_in_loop import TIERS


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stopping() -> AsyncIterator[set[asyncio.Task[None]]]:
    """Facades that are stopping. That takes 0.3 s, and the next test need not wait for it."""
    tasks: set[asyncio.Task[None]] = set()
    yield tasks
    await asyncio.gather(*tasks)


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest, stopping: set[asyncio.Task[None]]) -> Tier:
    return Tier(request.param, stopping)
