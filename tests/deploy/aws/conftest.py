"""moto's server with the types of moto_types.py, and the stacks in it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.deploy.aws import stacks
from tests.deploy.aws.moto_types import make_known
from tests.support.moto_server import moto_environment, moto_running


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of the server; its variables are set in this process."""
    make_known()
    # moto imports a service on its first request, which may take longer than the service waits.
    warm = (("ssm", "describe_parameters"), ("secretsmanager", "list_secrets"))
    with moto_running(*warm) as url, pytest.MonkeyPatch.context() as patch:
        for name, value in moto_environment(url).items():
            patch.setenv(name, value)
        yield url


@pytest.fixture(scope="module")
def made(moto: str) -> None:
    """All stacks, for the tests of a file that change nothing."""
    _empty(moto)
    stacks.create_all()


@pytest.fixture
def empty(moto: str) -> None:
    """No stacks and nothing else."""
    _empty(moto)


def _empty(moto: str) -> None:
    httpx.post(f"{moto}/moto-api/reset", timeout=30).raise_for_status()
