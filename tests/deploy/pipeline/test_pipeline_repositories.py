"""The two repositories of the guide: found or created, connected as `ccorigin`, with `main` pushed."""

import os
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from deploy.pipeline.repositories import main
from tests.deploy.pipeline.json_server import refusing_aws
from tests.deploy.pipeline.site import CODECOMMIT, DEPLOYMENT, SOURCE, Site, git
from tests.support.moto_server import REGION

Connect = Callable[[], tuple[int, str, str]]


@pytest.fixture
def connect(site: Site, capfd: pytest.CaptureFixture[str]) -> Connect:
    """Both remotes are empty, and CodeCommit has none of them yet."""
    client = boto3.client("codecommit", REGION)
    client.delete_repository(repositoryName=DEPLOYMENT)
    site.deployment.rename(site.folder / "filled")
    for name in (SOURCE, DEPLOYMENT):
        git(site.folder, "init", "--quiet", "--bare", "--initial-branch", "main", f"remote/{name}")

    def run() -> tuple[int, str, str]:
        capfd.readouterr()
        status = main(os.environ, site.tree)
        return status, *capfd.readouterr()

    return run


def _created() -> set[str]:
    """What CodeCommit has."""
    client, found = boto3.client("codecommit", REGION), set()
    for name in (SOURCE, DEPLOYMENT):
        try:
            client.get_repository(repositoryName=name)
            found.add(name)
        except ClientError:
            continue
    return found


def _folder(site: Site) -> Path:
    return site.folder / "m2m-flightspecial-helm"


def test_both_are_created_connected_and_pushed(site: Site, connect: Connect) -> None:
    status, output, errors = connect()
    assert (status, errors) == (0, "")
    assert f"deployment repository: created {CODECOMMIT}{DEPLOYMENT}" in output
    assert f"source repository: created {CODECOMMIT}{SOURCE}" in output
    assert _created() == {SOURCE, DEPLOYMENT}
    for folder, name in ((site.tree, SOURCE), (_folder(site), DEPLOYMENT)):
        assert git(folder, "config", "remote.ccorigin.url") == CODECOMMIT + name
        assert git(folder, "rev-parse", "--abbrev-ref", "main@{upstream}") == "ccorigin/main"
        pushed = git(site.folder / "remote" / name, "rev-parse", "main")
        assert pushed == git(folder, "rev-parse", "main")
    chart = site.tree / "deploy" / "chart"
    for file in chart.iterdir():
        assert (_folder(site) / file.name).read_bytes() == file.read_bytes()


def test_a_second_run_finds_them_and_changes_nothing(site: Site, connect: Connect) -> None:
    connect()
    head = site.head()
    status, output, errors = connect()
    assert (status, errors, site.head()) == (0, "", head)
    assert "deployment repository: found " in output


def test_the_pipeline_deploys_into_what_was_connected(
    site: Site, connect: Connect, run: Callable[..., tuple[int, str, str]]
) -> None:
    connect()
    site.push_image()
    assert run("deploy")[0] == 0
    assert site.values()["image"]["tag"] == site.tag()


def test_any_git_url_needs_no_aws(
    site: Site, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("DEPLOY_REPOSITORY_URL", str(site.deployment))
    monkeypatch.setenv("SOURCE_REPOSITORY_URL", str(site.folder / "remote" / SOURCE))
    status, output, errors = connect()
    assert (status, errors) == (0, "")
    assert f"deployment repository: found {site.deployment}" in output
    assert _created() == set()


def test_a_deployment_repository_with_commits_is_cloned(
    site: Site, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_REPOSITORY_URL", str(site.folder / "filled"))
    assert connect()[0] == 0
    assert git(_folder(site), "log", "--format=%s") == "The chart"


def test_an_interrupted_run_is_finished_by_the_next(
    site: Site, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = site.folder / "remote" / SOURCE / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'closed for today' >&2\nexit 1\n")
    hook.chmod(0o755)
    status, _, errors = connect()
    assert status == 2
    assert "step repositories failed: the source repository " in errors
    assert "[remote rejected] (pre-receive hook declined): closed for today" in errors
    hook.unlink()
    assert connect()[0] == 0
    assert git(site.folder / "remote" / SOURCE, "log", "--format=%s", "main") == "The source"


def _without_main(site: Site) -> None:
    git(site.tree, "branch", "--move", "trunk")


def _other_remote(site: Site) -> None:
    git(site.tree, "remote", "add", "ccorigin", "https://me:pw@example.com/x.git")


def _no_clone(site: Site) -> None:
    _folder(site).mkdir()


@pytest.mark.parametrize(
    ("break_", "sentence"),
    [
        (_without_main, "has no branch main: create it with `git branch main`"),
        (_other_remote, "is https://example.com/x.git, not a repository that does not exist yet"),
        (_no_clone, "is no working copy of Git: it has to become the deployment repository"),
    ],
)
def test_nothing_is_created_where_something_is_wrong(
    site: Site, connect: Connect, break_: Callable[[Site], None], sentence: str
) -> None:
    break_(site)
    status, output, errors = connect()
    assert (status, output, _created()) == (2, "", set())
    assert sentence in errors


def test_without_a_region_both_problems_are_one(
    site: Site, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    status, _, errors = connect()
    assert (status, errors.count("AWS_REGION is not set")) == (2, 1)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "OperationNotAllowedException",
            "CodeCommit does not create repositories for this account: "
            f"create {DEPLOYMENT} elsewhere, and set DEPLOY_REPOSITORY_URL",
        ),
        (
            "AccessDeniedException",
            "the role of this build lacks a permission for CreateRepository: it says why",
        ),
        (
            "UnrecognizedClientException",
            "AWS refuses the credentials (UnrecognizedClientException)",
        ),
        ("RepositoryLimitExceededException", f"CreateRepository failed in {REGION}: Repository"),
    ],
)
def test_an_account_that_may_not_create_one(
    site: Site, connect: Connect, monkeypatch: pytest.MonkeyPatch, code: str, sentence: str
) -> None:
    codes = {"GetRepository": "RepositoryDoesNotExistException", "CreateRepository": code}
    with refusing_aws(codes) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        status, _, errors = connect()
    assert (status, _folder(site).exists()) == (2, False)
    assert f"step repositories failed: {sentence}" in errors
