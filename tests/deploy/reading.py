"""Finds things in rendered objects."""

from collections.abc import Mapping
from typing import Any

from tests.deploy.rendering import Manifest


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def workloads(manifests: list[Manifest]) -> dict[str, Manifest]:
    """What has pods, by name."""
    kinds = ("Rollout", "Deployment", "Job")
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] in kinds}


def pod(workload: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> dict[str, Any]:
    (only,) = pod(workload)["containers"]
    found: dict[str, Any] = only
    return found


def variables(workload: Manifest, config: Mapping[str, str]) -> dict[str, str]:
    """What the container will find in its environment."""
    return {
        each["name"]: each["value"]
        if "value" in each
        else config[each["valueFrom"]["configMapKeyRef"]["key"]]
        for each in container(workload)["env"]
    }


def config_of(manifests: list[Manifest]) -> dict[str, str]:
    data: dict[str, str] = named(manifests, "ConfigMap", "flightspecials-configmap")["data"]
    return data
