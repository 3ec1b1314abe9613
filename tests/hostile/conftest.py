"""One facade of each tier for the whole corpus: a case must not depend on a fresh one."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from proxy.server.settings import Tier
from tests.hostile.contestants import facade
from tests.hostile.judge import Judge
from tests.hostile.origin import Origin
from tests.support.facade_in_loop import TIERS


@pytest.fixture(scope="package", params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    return cast(Tier, request.param)


@pytest.fixture(scope="package")
def judge(tier: Tier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Holds the facade of one tier to the corpus."""
    folder: Path = tmp_path_factory.mktemp(tier)
    origin = Origin()
    origin.start()
    try:
        with facade(tier, origin.port, folder) as address:
            yield Judge(address, origin)
    finally:
        origin.stop()
