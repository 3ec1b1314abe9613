"""The three errors of the guide's chapter 5: each is played, and prevented by the objects that are rendered here."""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.local.postgres import free_port
from tests.deploy.reading import config_of, named, variables, workloads
from tests.deploy.rendering import (
    BUILD,
    CHART,
    TREE,
    Helm,
    Manifest,
    Values,
    changed,
    refusal,
    substituted,
)
from tests.service.service_runner import command, process

APPLICATIONS = ("application.yaml", "application-hardened.yaml")
OF_A_CLUSTER = ("argocd", "default", "kube-system")
"""Namespaces that exist before the first sync."""


def application(name: str) -> Manifest:
    found: Manifest = yaml.safe_load((TREE / "deploy" / "argocd" / name).read_text())
    return found


def without_creation(manifest: Manifest) -> Manifest:
    """The Application as the guide creates it in the UI: without Auto-Create Namespace."""
    policy = manifest["spec"]["syncPolicy"]
    options = [each for each in policy["syncOptions"] if each != "CreateNamespace=true"]
    spec = {**manifest["spec"], "syncPolicy": {**policy, "syncOptions": options}}
    return {**manifest, "spec": spec}


def refused_by_the_cluster(manifest: Manifest, objects: list[Manifest]) -> list[str]:
    """The objects that a first sync cannot create, as their namespace does not exist."""
    spec = manifest["spec"]
    namespaces = set(OF_A_CLUSTER)
    namespaces |= {each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"}
    if "CreateNamespace=true" in spec["syncPolicy"]["syncOptions"]:
        namespaces.add(spec["destination"]["namespace"])
    return [
        each["metadata"]["name"]
        for each in objects
        if each["metadata"].get("namespace", spec["destination"]["namespace"]) not in namespaces
    ]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_first_sync_fails_without_the_namespace(helm: Helm, values: Values, name: str) -> None:
    objects = helm.manifests(values)
    played = refused_by_the_cluster(without_creation(application(name)), objects)
    assert len(played) == len(objects)
    assert refused_by_the_cluster(application(name), objects) == []


def test_a_release_into_the_namespace_of_everybody_is_refused(helm: Helm, values: Values) -> None:
    assert refusal(helm, values, namespace="default")[0].startswith('the namespace is "default"')


def image_values(values: Values, **image: str) -> Values:
    return changed(values, **{f"image__{name}": value for name, value in image.items()})


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        # The build has rendered the file without its variables.
        ({}, "image.tag is empty"),
        ({"ECR_REPO_URI": BUILD["ECR_REPO_URI"]}, "image.tag is empty"),
        ({"IMAGE_TAG": "t1a2b3c"}, "image.repository is empty"),
        # The file was not rendered.
        (None, 'image.tag is "${IMAGE_TAG}"'),
    ],
    ids=["nothing is set", "no tag", "no registry", "the template itself"],
)
def test_an_image_that_is_not_filled_in_is_never_deployed(
    helm: Helm, template: dict[str, str] | None, sentence: str
) -> None:
    file = CHART / "values-template.yaml"
    text = file.read_text() if template is None else substituted(file, template)
    values = yaml.safe_load(text)
    assert any(line.startswith(sentence) for line in refusal(helm, values))


def images(objects: list[Manifest]) -> Iterator[str]:
    for workload in workloads(objects).values():
        for container in workload["spec"]["template"]["spec"]["containers"]:
            yield container["image"]


def test_every_image_has_the_registry_and_the_tag_of_the_build(helm: Helm, values: Values) -> None:
    found = set(images(helm.manifests(values)))
    registry, tag = re.escape(BUILD["ECR_REPO_URI"]), re.escape(BUILD["IMAGE_TAG"])
    assert len(found) == 2
    assert all(re.fullmatch(f"{registry}(-facade)?:{tag}", image) for image in found)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("DATABASE_ENDPOINT", "database.endpoint is empty"),
        ("DATABASE_PORT", "database.port is empty"),
        ("DATABASE_USERNAME", "database.username is empty"),
    ],
)
def test_a_build_without_the_database_is_refused(helm: Helm, name: str, sentence: str) -> None:
    build = {key: value for key, value in BUILD.items() if key != name}
    values = yaml.safe_load(substituted(CHART / "values-template.yaml", build))
    (only,) = refusal(helm, values)
    assert only.startswith(sentence)


def wave(manifest: Manifest) -> int:
    annotations = manifest["metadata"].get("annotations", {})
    return int(annotations.get("argocd.argoproj.io/sync-wave", "0"))


def test_the_migrations_end_before_a_pod_is_replaced(helm: Helm, values: Values) -> None:
    objects = helm.manifests(values)
    job = named(objects, "Job", "flightspecials-migration")
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "Sync"
    assert wave(named(objects, "ServiceAccount", "flightspecials-service-account")) < wave(job)
    for kind, name in (("Rollout", "flightspecials"), ("Deployment", "facade")):
        assert wave(job) < wave(named(objects, kind, name))


@pytest.fixture
def wrong_database(helm: Helm, values: Values) -> dict[str, Any]:
    """Variables of the Job and of the pods for an endpoint where no database listens."""
    given = changed(
        values,
        environment="local",
        database__endpoint="127.0.0.1",
        database__port=str(free_port()),
        database__username="postgres",
        database__existingSecret="flightspecials-database",
    )
    objects = helm.manifests(given)
    found = workloads(objects)
    # DB_PASSWORD is of the Secret, which the container exports. Another run may have the port of the chart.
    more = {
        "PATH": os.environ["PATH"],
        "DB_PASSWORD": "x",
        "OPS_HOST": "127.0.0.1",
        "OPS_PORT": "0",
    }
    return {
        name: variables(found[name], config_of(objects)) | more
        for name in ("flightspecials-migration", "flightspecials")
    }


def test_with_a_wrong_database_the_migrations_fail_and_say_why(
    wrong_database: dict[str, dict[str, str]],
) -> None:
    env = wrong_database["flightspecials-migration"]
    done = command("migrate", env=env)
    assert done.returncode != 0
    assert env["DB_PORT"] in done.stderr
    assert "Traceback" not in done.stderr


def test_with_a_wrong_database_a_pod_stays_alive_and_is_not_ready(
    wrong_database: dict[str, dict[str, str]],
) -> None:
    with process(wrong_database["flightspecials"]) as (service, client):
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert service.popen.poll() is None
