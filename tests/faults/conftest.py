"""Each fault happens on both tiers."""

import pytest

from tests.support.facade_in_loop import TIERS


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)
