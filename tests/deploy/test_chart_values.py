"""values.yaml, values-template.yaml and values.schema.json are one thing in three forms."""

import json
import re
import tomllib
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.deploy.rendering import BUILD, CHART, TREE, Helm, substituted

TEMPLATE = CHART / "values-template.yaml"
FACADE_TAG = "FACADE_IMAGE_TAG"
"""Empty in the guide's build. The pipeline sets it where it deploys one program without the other."""
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_the_values_are_the_template_with_nothing_filled_in() -> None:
    assert substituted(TEMPLATE, {}) == (CHART / "values.yaml").read_text()


def test_the_template_asks_for_what_the_build_of_the_guide_exports() -> None:
    text = TEMPLATE.read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == {*BUILD, FACADE_TAG}
    # envsubst takes every dollar for itself, those of comments too.
    assert text.count("$") == len(re.findall(r"\$\{\w+\}", text))


@pytest.mark.parametrize("variable", [*BUILD, FACADE_TAG])
def test_every_variable_arrives(helm: Helm, variable: str) -> None:
    before, after = (
        yaml.safe_load(substituted(TEMPLATE, {**BUILD, variable: text}))
        for text in (BUILD.get(variable, ""), "1234")
    )
    assert helm.files(after) != helm.files(before)


def test_what_looks_like_a_number_stays_a_text() -> None:
    values = yaml.safe_load(substituted(TEMPLATE, {**BUILD, "IMAGE_TAG": "1234567"}))
    assert values["image"]["tag"] == "1234567"


def test_the_schema_is_a_schema() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(SCHEMA)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
    return node


def _differences(values: Any, node: dict[str, Any], place: str = "") -> list[str]:
    """Where a value has no rule, or a rule no value."""
    node = _resolved(node)
    if not isinstance(values, dict) or node.get("additionalProperties") is not False:
        return []
    rules = node["properties"]
    if "required" not in node:  # Whatever may be in it need not be.
        return [f"{place}.{name}" for name in set(values) - set(rules)]
    found = [f"{place}.{name}" for name in set(values) ^ (set(rules) - {"global"})]
    found += [f"{place}.{name} may be missing" for name in set(values) - set(node["required"])]
    for name in set(values) & set(rules):
        found += _differences(values[name], rules[name], f"{place}.{name}")
    return found


def test_the_schema_knows_every_value_and_no_other() -> None:
    assert _differences(yaml.safe_load((CHART / "values.yaml").read_text()), SCHEMA) == []


def test_the_chart_has_the_version_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"]
