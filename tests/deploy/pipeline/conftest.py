"""A site for each test, on one moto server for all of them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.pipeline.__main__ import main
from tests.deploy.pipeline.site import CODECOMMIT, Site, make_account, make_site
from tests.support.moto_server import moto_environment, moto_running

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with moto_running(
        ("cloudformation", "list_stacks"),
        ("ecr", "describe_repositories"),
        ("secretsmanager", "list_secrets"),
    ) as url:
        yield url


@pytest.fixture
def site(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Everything is there, and nothing is deployed. The environment of this process is that of a build."""
    httpx.post(f"{moto}/moto-api/reset")
    for name in list(os.environ):
        if name.startswith(
            ("AWS_", "GIT_", "CODEBUILD_", "GITHUB_", "CI_", "DEPLOY", "ECR_", "DATABASE_")
        ):
            monkeypatch.delenv(name)
    made = make_site(tmp_path)
    variables = {
        **moto_environment(moto),
        "CODEBUILD_BUILD_NUMBER": "42",
        "TEST_COMMAND": "true",
        "TMPDIR": str(tmp_path),
        "PATH": f"{made.programs}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        # The addresses of CodeCommit lead to bare repositories on this machine.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{tmp_path / 'remote'}/.insteadOf",
        "GIT_CONFIG_VALUE_0": CODECOMMIT,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    make_account()
    return made


@pytest.fixture
def run(site: Site, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the pipeline; returns its exit status and what it printed."""

    def run_(*words: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main(words, os.environ, site.tree)
        return status, *capfd.readouterr()

    return run_
