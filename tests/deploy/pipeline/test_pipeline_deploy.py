"""What a deployment commits, when it commits nothing, and what it never overwrites."""

import pytest

from tests.deploy.pipeline.conftest import Run
from tests.deploy.pipeline.site import HOST, SECRET, Site, git
from tests.deploy.rendering import BUILD, CHART, substituted


def test_the_values_are_those_that_envsubst_makes_of_the_template(site: Site, run: Run) -> None:
    site.push_image()
    status, output, errors = run("deploy")
    assert (status, errors) == (0, "")
    assert f"'Updated image tag to {site.tag()}'" in output
    assert site.subjects() == [f"Updated image tag to {site.tag()}", "The chart"]
    wanted = {
        **BUILD,
        "IMAGE_TAG": site.tag(),
        "DATABASE_ENDPOINT": HOST,
        "DATABASE_USERNAME": SECRET,
    }
    assert site.deployed() == substituted(CHART / "values-template.yaml", wanted)


def test_the_commit_names_its_source_and_its_build(site: Site, run: Run) -> None:
    site.push_image()
    run("deploy")
    body = git(site.deployment, "log", "-1", "--format=%b%an", "main").splitlines()
    commit = git(site.tree, "rev-parse", "HEAD")
    assert body == [f"Commit: {commit}", "Build: 42", "FlightSpecials pipeline"]


def test_the_same_commit_pushes_nothing_not_even_in_a_later_build(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push_image()
    run("deploy")
    head = site.head()
    monkeypatch.setenv("CODEBUILD_BUILD_NUMBER", "43")
    status, output, _ = run("deploy")
    assert (status, site.head()) == (0, head)
    assert "nothing to push" in output


def test_a_new_template_is_rendered_for_the_same_commit(site: Site, run: Run) -> None:
    site.push_image()
    run("deploy")
    template = site.deployed("values-template.yaml")
    site.edit_deployment("values-template.yaml", template.replace("replicas: 2", "replicas: 5"))
    assert run("deploy")[0] == 0
    assert site.values()["service"]["replicas"] == 5
    assert site.values()["buildNumber"] == "42"


@pytest.mark.parametrize(
    ("target", "service", "facade"),
    [
        pytest.param("service", "new", "old", id="the service alone: the facade keeps its tag"),
        pytest.param("facade", "old", "new", id="the facade alone: the service keeps its tag"),
        pytest.param("service facade", "new", "", id="both share the tag"),
    ],
)
def test_what_is_deployed_gets_the_tag(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch, target: str, service: str, facade: str
) -> None:
    site.push_image()
    run("deploy")
    tags = {"old": site.tag(), "new": site.commit(), "": ""}
    site.push_image()
    monkeypatch.setenv("CODEBUILD_BUILD_NUMBER", "43")
    monkeypatch.setenv("DEPLOY", target)
    status, _, errors = run("deploy")
    assert (status, errors) == (0, "")
    values = site.values()
    assert (values["image"]["tag"], values["facade"]["image"]["tag"]) == (
        tags[service],
        tags[facade],
    )
    assert values["buildNumber"] == ("42" if target == "facade" else "43")
    assert site.subjects()[0] == f"Updated image tag to {tags['new']}"


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("facade", "has no image.tag: deploy the service first"),
        ("service", "has no tag for the facade: deploy both programs first"),
    ],
)
def test_the_first_deployment_has_both_programs(
    site: Site, run: Run, target: str, sentence: str
) -> None:
    """The other one would have an image that was not pushed."""
    site.push_image()
    status, _, errors = run("deploy", target)
    assert (status, site.subjects()) == (2, ["The chart"])
    assert sentence in errors


def test_without_the_facade_the_service_is_deployed_alone(site: Site, run: Run) -> None:
    site.push_image()
    template = site.deployed("values-template.yaml")
    without = template.replace("facade:\n  enabled: true", "facade:\n  enabled: false")
    site.edit_deployment("values-template.yaml", without)
    assert run("deploy", "service")[0] == 0
    assert site.values()["image"]["tag"] == site.tag()


def test_an_older_build_does_not_replace_a_newer_one(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push_image()
    run("deploy")
    head = site.head()
    site.commit()
    site.push_image()
    monkeypatch.setenv("CODEBUILD_BUILD_NUMBER", "41")
    status, _, errors = run("deploy")
    assert (status, site.head()) == (2, head)
    assert "build 41 is older than build 42" in errors
    monkeypatch.setenv("ALLOW_OLDER_BUILD", "1")
    assert run("deploy")[0] == 0
    assert site.values()["buildNumber"] == "41"


def test_an_older_build_of_the_facade_does_not_replace_a_newer_one(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values have the build number of the service alone."""
    site.push_image()
    run("deploy")
    for number, status in ((50, 0), (49, 2)):
        site.commit()
        site.push_image()
        monkeypatch.setenv("CODEBUILD_BUILD_NUMBER", str(number))
        assert run("deploy", "facade")[0] == status
    assert site.values()["buildNumber"] == "42"


def test_images_and_routes_together_are_both_refused_or_both_pushed(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push_image()
    monkeypatch.setenv("DEPLOY", "service facade routes")
    shifted = site.deployed("routes.yaml").replace("stage: legacy #", "stage: live #")
    site.edit_deployment("routes.yaml", shifted)
    head = site.head()
    status, _, errors = run("deploy")
    assert (status, site.head(), "was edited there" in errors) == (2, head, True)
    monkeypatch.setenv("ROUTES_OVER", head)
    assert run("deploy")[0] == 0
    assert [subject[:19] for subject in site.subjects()[:2]] == [
        "Updated routes.yaml",
        "Updated image tag t",
    ]


def test_the_routes_go_without_an_image_and_without_aws(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "CODEBUILD_BUILD_NUMBER"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("DEPLOY_REPOSITORY_URL", str(site.deployment))
    table = site.tree / "deploy/chart/routes.yaml"
    table.write_text(table.read_text().replace("stage: legacy #", "stage: live #"))
    status, output, errors = run("run", "routes")
    assert (status, errors) == (0, ""), output
    assert "stage: live #" in site.deployed("routes.yaml")
    assert site.subjects()[0].startswith("Updated routes.yaml to ")
    assert site.docker_log() == []
    assert "nothing to push" in run("run", "routes")[1]


def test_a_wrong_route_table_is_refused_with_its_place(site: Site, run: Run) -> None:
    table = site.tree / "deploy/chart/routes.yaml"
    table.write_text(table.read_text().replace("stage: legacy #", "stage: lve #"))
    status, _, errors = run("deploy", "routes")
    assert (status, site.subjects()) == (2, ["The chart"])
    assert "routes.yaml:" in errors
    assert "lve" in errors


def test_a_shift_in_the_deployment_repository_is_not_overwritten(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifted = site.deployed("routes.yaml").replace("stage: legacy #", "stage: live #")
    site.edit_deployment("routes.yaml", shifted, "Flights go live")
    head = site.head()
    status, _, errors = run("deploy", "routes")
    assert (status, site.head()) == (2, head)
    assert f"({head[:7]} 'Flights go live' of Dev)" in errors
    monkeypatch.setenv("ROUTES_OVER", head[:7])
    assert run("deploy", "routes")[0] == 0
    assert "stage: legacy #" in site.deployed("routes.yaml")
