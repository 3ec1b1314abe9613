"""Every fault is tried on both tiers."""

import pytest

from tests.hostile.contestants import TIERS


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)
