"""Every test that names `tier` runs once over each."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conformance.harness import TIERS, Tier


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ending() -> AsyncIterator[set[asyncio.Task[None]]]:
    """Facades on their way out. To stop one takes 0.3 s, and the next test need not wait for that."""
    tasks: set[asyncio.Task[None]] = set()
    yield tasks
    await asyncio.gather(*tasks)


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest, ending: set[asyncio.Task[None]]) -> Tier:
    return Tier(str(request.param), ending)
