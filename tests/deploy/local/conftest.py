"""One stand-in for the tests of a file that leave its state alone."""

from collections.abc import Iterator

import pytest

from tests.deploy.local.standin import StandIn, running


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    with running() as started:
        yield started
