"""One Helm for all tests of this folder: it keeps nothing from one request to the next."""

from collections.abc import Iterator

import pytest

from tests.deploy.rendering import Helm, Values, built_values, helm_running


@pytest.fixture(scope="session")
def helm() -> Iterator[Helm]:
    with helm_running() as running:
        yield running


@pytest.fixture
def values() -> Values:
    return built_values()
