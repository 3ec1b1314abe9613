"""Every object that the chart makes is one that a cluster takes, in every scenario."""

import copy
from typing import Any

import pytest

from tests.deploy.kube_schemas import (
    NEWEST,
    OLDEST,
    complaint,
    custom_complaint,
    full_schema,
    full_schemas,
    reduced_schema,
    strict,
)
from tests.deploy.rendering import SCENARIOS, Helm, Manifest, scenario_values

CUSTOM = ("Rollout", "AnalysisTemplate", "ServiceMonitor")
FULL = full_schemas()


def _as_deployment(rollout: Manifest) -> Manifest:
    """A Rollout's pods in an object that Kubernetes itself has a schema for."""
    spec = {key: rollout["spec"][key] for key in ("selector", "template")}
    return {
        **rollout,
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": spec,
    }


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_object_is_as_kubernetes_wants_it(helm: Helm, scenario: str, version: str) -> None:
    manifests = helm.manifests(scenario_values(scenario))
    own = [each for each in manifests if each["kind"] not in CUSTOM]
    rollouts = [_as_deployment(each) for each in manifests if each["kind"] == "Rollout"]
    assert len(own) >= 4
    assert [found for each in [*own, *rollouts] if (found := complaint(each, version))] == []


@pytest.mark.parametrize("source", ["reduced", *(["full"] if FULL else [])])
@pytest.mark.parametrize("scenario", ["seed", "everything"])
def test_every_custom_resource_is_as_its_definition_wants_it(
    helm: Helm, scenario: str, source: str
) -> None:
    custom = [each for each in helm.manifests(scenario_values(scenario)) if each["kind"] in CUSTOM]
    assert custom
    checked = set()
    for manifest in custom:
        kind, version = manifest["kind"], manifest["apiVersion"].rpartition("/")[2]
        if source == "full":
            assert FULL is not None
            schema = full_schema(FULL, kind, version)
        else:
            schema = reduced_schema(kind)
        if schema is not None:
            assert custom_complaint(manifest, schema) == ""
            checked.add(kind)
    assert "Rollout" in checked


def test_the_reduced_schemas_are_for_all_custom_resources(helm: Helm) -> None:
    made = {each["kind"] for each in helm.manifests(scenario_values("everything"))}
    assert set(CUSTOM) <= made


def _edited(manifest: Manifest, path: str, value: Any) -> Manifest:
    made = copy.deepcopy(manifest)
    *blocks, last = path.split(".")
    block: Any = made
    for name in blocks:
        block = block[int(name)] if name.isdigit() else block[name]
    block[last] = value
    return made


@pytest.mark.parametrize("source", ["reduced", *(["full"] if FULL else [])])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("spec.strategy.canary.maxSurg", "50%", id="a field with a typo"),
        pytest.param("spec.strategy.canary.steps.0.setWeight", "20", id="a weight in quotes"),
        pytest.param("spec.strategy.canary.steps.1.pauze", {}, id="a step that is none"),
        pytest.param("spec.replicas", "2", id="a number in quotes"),
        pytest.param("spec.revisionHistoryLimits", 2, id="a field that is none"),
    ],
)
def test_a_wrong_rollout_is_found(helm: Helm, source: str, path: str, value: Any) -> None:
    manifests = helm.manifests(scenario_values("seed"))
    rollout = next(each for each in manifests if each["kind"] == "Rollout")
    schema = reduced_schema("Rollout")
    if source == "full":
        assert FULL is not None
        found = full_schema(FULL, "Rollout", "v1alpha1")
        assert found is not None
        schema = found
    assert custom_complaint(rollout, schema) == ""
    assert custom_complaint(_edited(rollout, path, value), schema) != ""


def test_a_wrong_object_of_kubernetes_is_found(helm: Helm) -> None:
    manifests = helm.manifests(scenario_values("seed"))
    rollout = next(each for each in manifests if each["kind"] == "Rollout")
    made = _edited(_as_deployment(rollout), "spec.template.spec.containers.0.probe", {})
    assert "probe" in complaint(made)


NODE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"type": "string"},
        "size": {"x-kubernetes-int-or-string": True},
        "when": {"type": "string", "nullable": True},
        "free": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"known": {"type": "string"}},
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "list": {"type": "array", "items": {"properties": {"a": {"type": "integer"}}}},
    },
}


@pytest.mark.parametrize(
    ("value", "is_fine"),
    [
        ({"size": 5}, True),
        ({"size": "50%"}, True),
        ({"size": 0.5}, False),
        ({"when": None}, True),
        ({"when": 5}, False),
        ({"free": {"known": "x", "other": 5}}, True),
        ({"free": {"known": 5}}, False),
        ({"labels": {"a": "b"}}, True),
        ({"labels": {"a": 5}}, False),
        ({"list": [{"a": 1}]}, True),
        ({"list": [{"b": 1}]}, False),
        ({"siz": 5}, False),
    ],
)
def test_a_definition_of_a_custom_resource_becomes_a_strict_schema(
    value: Any, is_fine: bool
) -> None:
    assert (custom_complaint({"kind": "X", **value}, strict(NODE)) == "") is is_fine
