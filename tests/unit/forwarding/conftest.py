"""The pairs of facades that the tests of both ways share."""

from collections.abc import Iterator

import pytest

from tests.unit.forwarding.both_ways import OTHER, TRUSTED, Pair
from tests.unit.forwarding.every_rule import PLAIN_TABLE, TABLE


@pytest.fixture(scope="module", params=[TRUSTED, OTHER], ids=["trusted", "other"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(TABLE, request.param)
    yield pair
    pair.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[Pair]:
    pair = Pair(PLAIN_TABLE, OTHER)
    yield pair
    pair.close()
