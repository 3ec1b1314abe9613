"""Bad input: a sentence for each problem, exit 2, and nothing half done."""

from collections.abc import Callable

import boto3
import httpx
import pytest

from deploy.local.postgres import free_port
from deploy.pipeline.database import ENDPOINT, PORT
from deploy.pipeline.git import reason, shown
from tests.deploy.pipeline.conftest import Run
from tests.deploy.pipeline.site import (
    DEPLOYMENT,
    IMAGES,
    SECRET,
    STACK,
    Site,
    make_account,
    make_stack,
)
from tests.support.moto_server import REGION


def refused(site: Site, run: Run, *words: str) -> list[str]:
    """The problems, without the name of the step. Nothing was deployed."""
    head = site.head()
    status, _, errors = run(*words)
    assert (status, site.head(), site.docker_log()) == (2, head, []), errors
    lines = errors.splitlines()
    named = f"step {words[0] if words[0] != 'run' else 'check'} failed: "
    assert [line for line in lines if not line.startswith((named, "step run failed: "))] == []
    return [line.partition(" failed: ")[2] for line in lines]


def test_no_credentials(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    assert refused(site, run, "run") == [
        "there are no AWS credentials (Unable to locate credentials): "
        "run with a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    ]


def test_another_region(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part that is missing there is named."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    found = refused(site, run, "check")
    assert [line.partition(":")[0] for line in found] == [
        "there is no ECR repository m2m-flightspecial-facade in us-east-1",
        "there is no ECR repository m2m-flightspecial in us-east-1",
        f"there is no CodeCommit repository {DEPLOYMENT} in us-east-1",
        f"there is no secret {SECRET} in us-east-1",
    ]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("AWS_REGION", "", "AWS_REGION is not set: write the region, like ap-northeast-2"),
        ("AWS_REGION", "no region", "AWS_REGION is 'no region', which is no region"),
        ("IMAGE_TAG", "", "IMAGE_TAG is empty: unset it, the tag of this commit is "),
        ("IMAGE_TAG", "t0000000", "IMAGE_TAG is t0000000, but the tag of this commit is "),
        ("DATABASE_ENDPOINT", "", "DATABASE_ENDPOINT is empty: give it a value, or unset it"),
        ("DATABASE_ENDPOINT", "a b", "DATABASE_ENDPOINT is 'a b': it has to be a host name"),
        ("DATABASE_PORT", '5432"', "DATABASE_PORT is '5432\"': it has to be a port"),
        ("DATABASE_USERNAME", "other", f"there is no secret other in {REGION}: "),
        ("DATABASE_STACK", "Other", f"there is no stack Other in {REGION}: "),
        ("ECR_REPO_URI", "1.dkr.ecr.x.amazonaws.com/other", "there is no ECR repository other"),
        ("CODEBUILD_BUILD_NUMBER", "", "CODEBUILD_BUILD_NUMBER (or GITHUB_RUN_NUMBER, "),
        ("CODEBUILD_BUILD_NUMBER", "4.2", "CODEBUILD_BUILD_NUMBER (or GITHUB_RUN_NUMBER, "),
        ("CODEBUILD_RESOLVED_SOURCE_VERSION", "main", "the commit is 'main', which is no hash"),
        ("DEPLOY", "sevice", "DEPLOY has 'sevice': write some of service, facade, routes"),
        ("DEPLOY", "", "DEPLOY is empty: write some of service, facade, routes"),
        ("SCAN_SEVERITY", "SEVERE", "SCAN_SEVERITY is 'SEVERE': write one of CRITICAL, "),
        (
            "DEPLOY_REPOSITORY_URL",
            "/no/where",
            "the deployment repository /no/where cannot be read: ",
        ),
        ("DEPLOY_BRANCH", "prod", "has no branch prod: run deploy/codebuild/repositories first"),
    ],
)
def test_a_setting(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    if name == "AWS_REGION":
        monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv(name, value)
    found = refused(site, run, "run")
    assert [line for line in found if sentence in line], found


def test_all_problems_of_the_settings_together(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CODEBUILD_BUILD_NUMBER", "IMAGE_TAG", "DATABASE_PORT"):
        monkeypatch.setenv(name, "")
    assert len(refused(site, run, "run")) == 3


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        pytest.param({}, f"has no output {ENDPOINT} and no output {PORT}", id="no outputs"),
        pytest.param({ENDPOINT: "db"}, f"has no output {PORT}:", id="no port"),
        pytest.param({ENDPOINT: "a'b", PORT: "1"}, 'DATABASE_ENDPOINT is "a\'b"', id="no host"),
    ],
)
def test_a_stack_without_its_outputs(
    site: Site, run: Run, moto: str, outputs: dict[str, str], sentence: str
) -> None:
    httpx.post(f"{moto}/moto-api/reset")
    make_account(outputs)
    site.push_image()
    for step in ("check", "deploy"):
        found = refused(site, run, step)
        assert len(found) == 1
        assert sentence in found[0]


def test_an_empty_output_is_none(site: Site, run: Run, moto: str) -> None:
    client = boto3.client("cloudformation", REGION)
    client.delete_stack(StackName=STACK)
    make_stack({ENDPOINT: "", PORT: "5432"})
    assert f"has no output {ENDPOINT}:" in refused(site, run, "check")[0]


def test_an_account_that_does_not_respond(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("DEPLOY_REPOSITORY_URL", str(site.deployment))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = refused(site, run, "deploy")
    assert "AWS does not respond" in found[0]
    assert f"is {REGION} the right AWS_REGION" in found[0]


def _without_template(text: str) -> str:
    return text.replace("${IMAGE_TAG}", "latest")


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (
            lambda text: text + 'mine: "${MY_VALUE} ${OTHER}"\n',
            "values-template.yaml names ${MY_VALUE}, which is not set: export MY_VALUE",
        ),
        (_without_template, "values-template.yaml gives image.tag 'latest', not t"),
        (lambda text: text + "  bad: [\n", "values.yaml is no YAML at line "),
    ],
)
def test_a_template(site: Site, run: Run, edit: Callable[[str], str], sentence: str) -> None:
    site.push_image()
    site.edit_deployment("values-template.yaml", edit(site.deployed("values-template.yaml")))
    for step in ("check", "deploy"):
        assert sentence in refused(site, run, step)[0]


def test_a_variable_of_the_template_may_come_from_the_environment(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push_image()
    template = site.deployed("values-template.yaml") + 'mine: "${MY_VALUE}"\n'
    site.edit_deployment("values-template.yaml", template)
    monkeypatch.setenv("MY_VALUE", "5")
    assert run("deploy")[0] == 0
    assert site.values()["mine"] == "5"


def test_a_repository_without_the_chart(site: Site, run: Run) -> None:
    site.push_image()
    site.edit_deployment("values.yaml", "")
    other = site.folder / "other" / "values-template.yaml"
    other.unlink()
    site.edit_deployment("values.yaml", "{}\n")
    assert (
        "the deployment repository has no values-template.yaml" in refused(site, run, "deploy")[0]
    )


def test_an_image_that_was_not_pushed(site: Site, run: Run) -> None:
    site.push_image(IMAGES[0])
    (found,) = refused(site, run, "deploy")
    assert found == f"m2m-flightspecial-facade has no image {site.tag()}: run the step push first"


def test_a_push_that_is_refused(site: Site, run: Run) -> None:
    site.push_image()
    hook = site.deployment / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'main is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    (found,) = refused(site, run, "deploy")
    assert found == (
        f"the deployment repository {_url()} refuses the push: "
        "[remote rejected] (pre-receive hook declined): main is protected"
    )


def _url() -> str:
    return f"https://git-codecommit.{REGION}.amazonaws.com/v1/repos/{DEPLOYMENT}"


def test_a_token_is_in_no_url_and_in_no_output(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that wants a password gets the token; a wrong one is refused in a sentence."""
    monkeypatch.setenv("DEPLOY_REPOSITORY_URL", f"http://me:hush@127.0.0.1:{free_port()}/x.git")
    monkeypatch.setenv("DEPLOY_REPOSITORY_TOKEN", "secret-token")
    status, output, errors = run("check", "routes")
    assert status == 2
    assert "hush" not in output + errors
    assert "secret-token" not in output + errors
    assert "/x.git cannot be read: " in errors


@pytest.mark.parametrize(
    ("errors", "found"),
    [
        ("fatal: repository '/x' does not exist\n", "repository '/x' does not exist"),
        ("warning: slow\nerror: a\nfatal: b.\n", "b"),
        (
            "! [rejected] HEAD -> main (fetch first)\nerror: failed to push\n",
            "[rejected] (fetch first)",
        ),
        ("remote: no\n ! [remote rejected] HEAD -> main (hook)\n", "[remote rejected] (hook): no"),
        ("", "git gives no reason"),
    ],
)
def test_the_reason_of_git_is_one_line(errors: str, found: str) -> None:
    assert reason(errors) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://me:pw@host/x", "https://host/x"),
        ("https://host/@x", "https://host/@x"),
        ("git@host:x", "git@host:x"),
    ],
)
def test_a_url_is_shown_without_its_user(url: str, found: str) -> None:
    assert shown(url) == found
