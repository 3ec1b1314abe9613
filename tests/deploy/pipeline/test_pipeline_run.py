"""The whole pipeline, and a failure of each of its steps."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from deploy.local.postgres import free_port
from tests.deploy.pipeline.conftest import Run
from tests.deploy.pipeline.json_server import advisory_server
from tests.deploy.pipeline.site import IMAGES, Site
from tests.deploy.rendering import TREE
from tests.support.moto_server import REGION

REGISTRY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"


@pytest.fixture
def advisories(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The packages with a known vulnerability: none, until a test adds one."""
    with advisory_server() as (url, vulnerable):
        monkeypatch.setenv("OSV_URL", url)
        yield vulnerable


def test_a_commit_goes_all_the_way(site: Site, run: Run, advisories: list[str]) -> None:
    tag = site.tag()
    status, output, errors = run("run")
    assert status == 0, errors
    lines = output.splitlines()
    (printed,) = re.findall(r"```text\n(.*?)```", (TREE / "docs/pipeline.md").read_text(), re.S)
    shown = printed.replace("t1a2b3c", tag).replace("9f8e7d6", site.head()[:7])
    assert lines == shown.splitlines()
    assert site.subjects()[0] == f"Updated image tag to {tag}"
    assert site.values()["image"] == {
        "repository": f"{REGISTRY}/m2m-flightspecial",
        "tag": tag,
        "digest": "",
        "pullPolicy": "IfNotPresent",
    }
    assert not (site.docker / "login").exists()
    built = [line for line in site.docker_log() if line.startswith("build ")]
    assert ["--target service" in built[0], "--target facade" in built[1]] == [True, True]
    for image in IMAGES:
        sbom = json.loads((site.tree / f"dist/sbom/{image}-{tag}.cdx.json").read_text())
        assert sbom["bomFormat"] == "CycloneDX"


def test_the_same_commit_builds_and_pushes_nothing(site: Site, run: Run) -> None:
    site.push_image()
    run("deploy")
    head = site.head()
    status, output, _ = run("run")
    assert (status, site.head(), site.docker_log()) == (0, head, [])
    assert output.count(f"nothing to do: ECR has m2m-flightspecial:{site.tag()}") == 4


def test_what_a_killed_push_left_out_is_pushed_by_the_next_run(site: Site, run: Run) -> None:
    site.push_image(IMAGES[0])
    for step in ("build", "push", "deploy"):
        assert run(step)[0] == 0
    pushes = [line for line in site.docker_log() if line.startswith("push ")]
    assert pushes == [f"push {REGISTRY}/m2m-flightspecial-facade:{site.tag()}"]


def test_a_tag_that_another_build_of_the_commit_has_pushed_is_pushed(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _prepare(run, "sbom")
    monkeypatch.setenv("DOCKER_FAILS", "late push")
    assert run("push", "service")[0] == 0
    assert f"ECR has m2m-flightspecial:{site.tag()}" in run("build", "service")[1]


def _prepare(run: Run, step: str) -> None:
    for name in ("build", "sbom"):
        if name == step:
            return
        assert run(name, "service")[0] == 0


@pytest.mark.parametrize(
    ("step", "variables", "sentence"),
    [
        ("test", {"TEST_COMMAND": "false"}, "`false` ended with 1"),
        ("test", {"TEST_COMMAND": "no-such-program"}, "`no-such-program` cannot be run"),
        ("build", {"DOCKER_FAILS": "build"}, "`docker build` of m2m-flightspecial:t"),
        ("sbom", {"DOCKER_FAILS": "create"}, "error: no create today"),
        ("push", {"DOCKER_FAILS": "login"}, f"`docker login {REGISTRY}` failed"),
        ("push", {"DOCKER_FAILS": "push"}, "`docker push` of 123456789012"),
    ],
)
def test_a_step_that_fails_names_itself_and_deploys_nothing(
    site: Site,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    variables: dict[str, str],
    sentence: str,
) -> None:
    head = site.head()
    _prepare(run, step)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    status, _, errors = run(step, "service")
    assert status == (2 if "cannot be run" in sentence else 1)
    assert f"step {step} failed: " in errors
    assert sentence in errors
    assert not (site.docker / "login").exists()
    # Even if it were started: there is no image to deploy.
    status, _, errors = run("deploy", "service")
    assert (status, site.head()) == (2, head)
    assert f"m2m-flightspecial has no image {site.tag()}: run the step push first" in errors


def test_the_steps_after_a_failed_one_do_not_run(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_COMMAND", "false")
    status, output, errors = run("run")
    assert (status, site.docker_log(), site.subjects()) == (1, [], ["The chart"])
    assert output.splitlines()[-1] == "--- test"
    assert errors == "step test failed: `false` ended with 1; its output is above\n"


def test_a_known_vulnerability_stops_before_the_push(
    site: Site, run: Run, advisories: list[str]
) -> None:
    _prepare(run, "scan")
    # The second one is this project's own wheel, which no index has: its name is not looked up.
    advisories += ["idna", "strangler-facade"]
    status, output, errors = run("scan", "service")
    assert (status, "GHSA-test" in output) == (1, True), output + errors
    assert "strangler-facade" not in output
    assert "step scan failed: " in errors
    assert not [line for line in site.docker_log() if line.startswith("push ")]


def test_packages_that_cannot_be_looked_up_are_no_success(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _prepare(run, "scan")
    monkeypatch.setenv("OSV_URL", f"http://127.0.0.1:{free_port()}/v1/query")
    status, _, errors = run("scan", "service")
    sbom = f"dist/sbom/m2m-flightspecial-{site.tag()}.cdx.json"
    assert status == 1
    assert f"step scan failed: pip-audit of {sbom} ended with " in errors
    (site.tree / sbom).write_text('{"components": []}')
    status, _, errors = run("scan", "service")
    assert (status, f"{sbom} lists no package of PyPI" in errors) == (1, True)


def test_severe_findings_of_ecr_stop_before_the_deployment(
    site: Site, run: Run, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push_image()
    counts = {"CRITICAL": 2, "MEDIUM": 1}
    found = {
        "repositoryName": IMAGES[0],
        "imageId": {"imageTag": site.tag()},
        "imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindings": {"findingSeverityCounts": counts},
    }
    address = f"{moto}/moto-api/static/ecr/scan-finding-results"
    httpx.post(address, json={"results": [found], "region": REGION}).raise_for_status()
    status, _, errors = run("findings", "service")
    assert status == 1
    assert f"step findings failed: ECR found 2 CRITICAL in m2m-flightspecial:{site.tag()}" in errors
    monkeypatch.setenv("SCAN_SEVERITY", "none")
    assert run("findings", "service")[0] == 0


def test_changes_that_are_in_no_commit_are_not_built(site: Site, run: Run) -> None:
    (site.tree / "new.py").touch()
    status, _, errors = run("build")
    assert (status, site.docker_log()) == (2, [])
    assert "has changes that are in no commit (new.py, …)" in errors


def test_the_commit_comes_from_the_ci_system_where_there_is_no_clone(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.tree / ".git").rename(site.folder / "elsewhere")
    commit = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setenv("CODEBUILD_RESOLVED_SOURCE_VERSION", commit)
    # The folder of the test may be in a clone of somebody else.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(site.folder))
    assert run("build")[0] == 0
    assert f"--build-arg REVISION={commit}" in site.docker_log()[0]
    assert "m2m-flightspecial:t0123456 ." in site.docker_log()[0]
