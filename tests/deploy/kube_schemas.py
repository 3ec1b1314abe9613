"""Holds objects against the schemas of Kubernetes, and custom resources against ours or the full ones.

Strict: a field that a schema does not know is an error here; a cluster would drop it without a word.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

REDUCED = Path(__file__).parent / "schemas"
OLDEST, NEWEST = "1.27", "1.37"
"""Of Kubernetes: what Chart.yaml asks for, and the newest whose schemas we have."""

Schema = dict[str, Any]


def full_schemas() -> Path | None:
    """A folder of CustomResourceDefinitions, if the environment names one."""
    named = os.environ.get("CRD_SCHEMAS")
    return Path(named).absolute() if named else None


def complaint(manifest: dict[str, Any], version: str = NEWEST) -> str:
    """What Kubernetes' own schema finds wrong; empty if nothing."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as wrong:
        return f"{manifest['kind']} {list(wrong.absolute_path)}: {wrong.message}"
    return ""


def custom_complaint(manifest: dict[str, Any], schema: Schema) -> str:
    """What the schema of a custom resource finds wrong; empty if nothing."""
    wrong = best_match(Draft7Validator(schema).iter_errors(manifest))
    return f"{manifest['kind']} {wrong.json_path}: {wrong.message}" if wrong else ""


@cache
def reduced_schema(kind: str) -> Schema:
    """Ours."""
    schema: Schema = json.loads((REDUCED / f"{kind.lower()}.json").read_text())
    return schema


@cache
def full_schema(folder: Path, kind: str, version: str) -> Schema | None:
    """Of the CustomResourceDefinition of this kind, if the folder has it."""
    for file in sorted(folder.glob(f"*{kind.lower()}*.yaml")):
        definition = yaml.load(file.read_text(), yaml.CSafeLoader)
        if definition["spec"]["names"]["kind"] != kind:
            continue
        for each in definition["spec"]["versions"]:
            if each["name"] == version:
                return strict(each["schema"]["openAPIV3Schema"])
    return None


def strict(node: Schema) -> Schema:
    """A structural schema of Kubernetes as a JSON Schema that refuses unknown fields."""
    made = {key: value for key, value in node.items() if not key.startswith("x-kubernetes-")}
    if node.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if "properties" in made:
        made["properties"] = {name: strict(each) for name, each in made["properties"].items()}
        if not node.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = strict(made[key])
    return made
