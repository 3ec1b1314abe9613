"""What Argo CD is told: valid, as the guide has it, and nothing secret in it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.kube_schemas import (
    complaint,
    custom_complaint,
    full_schema,
    full_schemas,
    reduced_schema,
)
from tests.deploy.rendering import (
    BUILD,
    SCENARIOS,
    TREE,
    Helm,
    Values,
    scenario_values,
    substituted,
)

ARGOCD = TREE / "deploy" / "argocd"
FULL = full_schemas()
VARIABLES = {
    **BUILD,
    "HELM_CODECOMMIT_URL": "https://git-codecommit.ap-northeast-2.amazonaws.com/v1/repos/deploy",
    "GIT_USERNAME": "argocd-at-123456789012",
    "GIT_PASSWORD": "not-a-password",
}
CUSTOM = ("application.yaml", "application-hardened.yaml", "project.yaml")


def read(name: str) -> dict[str, Any]:
    """A file as `kubectl apply` gets it."""
    manifest: dict[str, Any] = yaml.safe_load(substituted(ARGOCD / name, VARIABLES))
    return manifest


@pytest.mark.parametrize("source", ["reduced", *(["full"] if FULL else [])])
@pytest.mark.parametrize("name", CUSTOM)
def test_every_custom_resource_is_as_its_definition_wants_it(name: str, source: str) -> None:
    manifest = read(name)
    schema = reduced_schema(manifest["kind"])
    if source == "full":
        assert FULL is not None
        found = full_schema(FULL, manifest["kind"], "v1alpha1")
        assert found is not None
        schema = found
    assert custom_complaint(manifest, schema) == ""


def test_the_repository_secret_is_as_kubernetes_and_argo_cd_want_it() -> None:
    secret = read("repository-template.yaml")
    assert complaint(secret) == ""
    assert secret["metadata"]["labels"] == {"argocd.argoproj.io/secret-type": "repository"}
    assert secret["stringData"]["type"] == "git"
    assert secret["stringData"]["project"] == read("application.yaml")["spec"]["project"]
    assert secret["stringData"]["url"] == read("application.yaml")["spec"]["source"]["repoURL"]


def test_the_repository_secret_holds_places_and_no_credential() -> None:
    written = yaml.safe_load((ARGOCD / "repository-template.yaml").read_text())["stringData"]
    assert (written["username"], written["password"]) == ("${GIT_USERNAME}", "${GIT_PASSWORD}")


def test_the_application_is_that_of_the_guide() -> None:
    application = read("application.yaml")
    assert application["metadata"] == {"name": "flightspecials", "namespace": "argocd"}
    spec = application["spec"]
    assert spec["project"] == "default"
    assert spec["source"]["path"] == "."
    assert spec["destination"] == {
        "server": "https://kubernetes.default.svc",
        "namespace": "flightspecials",
    }
    assert "automated" not in spec["syncPolicy"]


def test_the_automated_variant_is_in_a_comment_and_valid() -> None:
    text = (ARGOCD / "application.yaml").read_text()
    variant = re.sub(r"(?m)^(\s+)# (automated: )", r"\1\2", text)
    manifest = yaml.safe_load(variant)
    assert manifest["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert custom_complaint(manifest, reduced_schema("Application")) == ""


def test_the_notifications_are_in_a_comment_and_valid() -> None:
    text = (ARGOCD / "application.yaml").read_text()
    variant = re.sub(r"(?m)^(\s+)# (annotations:|  notifications\.)", r"\1\2", text)
    manifest = yaml.safe_load(variant)
    assert {
        name.split(".")[-2]: channel
        for name, channel in manifest["metadata"]["annotations"].items()
    } == dict.fromkeys(("on-sync-failed", "on-health-degraded", "on-deployed"), "flightspecials")
    assert custom_complaint(manifest, reduced_schema("Application")) == ""
    assert "annotations" not in read("application.yaml")["metadata"]


@pytest.mark.parametrize("name", ["application.yaml", "application-hardened.yaml"])
def test_the_application_follows_the_branch_that_the_build_pushes(name: str) -> None:
    source = read(name)["spec"]["source"]
    assert source["repoURL"] == VARIABLES["HELM_CODECOMMIT_URL"]
    assert source["targetRevision"] == "main"
    # The top folder of the deployment repository is the chart, with the values that the build renders.
    assert source["path"] == "."
    assert {"Chart.yaml", "values-template.yaml", "values.yaml"} <= {
        file.name for file in (TREE / "deploy" / "chart").iterdir()
    }


@pytest.mark.parametrize("name", ["application.yaml", "application-hardened.yaml"])
def test_the_namespace_is_made(name: str) -> None:
    policy = read(name)["spec"]["syncPolicy"]
    assert "CreateNamespace=true" in policy["syncOptions"]
    labels = policy["managedNamespaceMetadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_hardened_application_stays_within_its_project() -> None:
    project, application = read("project.yaml"), read("application-hardened.yaml")
    spec = application["spec"]
    assert spec["project"] == project["metadata"]["name"]
    assert spec["source"]["repoURL"] in project["spec"]["sourceRepos"]
    assert spec["destination"] in project["spec"]["destinations"]
    # For CreateNamespace=true.
    assert project["spec"]["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace"}]


def test_the_project_allows_what_the_chart_makes_and_nothing_else(helm: Helm) -> None:
    made = {
        (m["apiVersion"].rpartition("/")[0], m["kind"])
        for name in SCENARIOS
        for m in helm.manifests(scenario_values(name))
    }
    allowed = read("project.yaml")["spec"]["namespaceResourceWhitelist"]
    assert {(each["group"], each["kind"]) for each in allowed} == made


def test_the_image_of_the_hardened_application_renders(helm: Helm, values: Values) -> None:
    helm_values = read("application-hardened.yaml")["spec"]["source"]["helm"]["valuesObject"]
    values["image"].update(tag="", repository="")
    values["facade"]["image"]["repository"] = ""
    values["image"].update(helm_values["image"])
    values["facade"]["image"].update(helm_values["facade"]["image"])
    values["facade"]["admin"].update(helm_values["facade"]["admin"])
    images = set(re.findall(r"image: (\S+)", "".join(helm.files(values).values())))
    address = BUILD["ECR_REPO_URI"]
    assert images == {f"{address}:t1a2b3c", f"{address}-facade:t1a2b3c"}


@pytest.mark.parametrize("file", sorted(ARGOCD.iterdir()), ids=lambda file: file.name)
def test_the_comment_of_a_file_names_every_variable_that_it_needs(file: Path) -> None:
    text = file.read_text()
    (command,) = re.findall(rf"envsubst '([^']+)' < {re.escape(file.name)} \|", text)
    assert {f"${name}" for name in re.findall(r"\$\{(\w+)\}", text)} == set(command.split())
