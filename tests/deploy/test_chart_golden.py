"""The whole output of three sets of values, to the byte.

When the chart is meant to change, `python -m tests.deploy` writes the files anew: look at the
difference before you commit.
"""

import re

import pytest

from tests.deploy.rendering import (
    CHART,
    GOLDEN,
    SCENARIOS,
    Helm,
    Values,
    helm_running,
    scenario_values,
    whole_text,
)

# What gives another result on another day, or in another cluster.
NOT_THE_SAME_TWICE = re.compile(
    r"\b(rand\w+|uuidv4|now|date\w*|ago|lookup|gen(CA|PrivateKey|SelfSigned|Signed)\w*|"
    r"derivePassword|htpasswd|bcrypt|encryptAES|getHostByName|env|expandenv)\b"
)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_output_is_as_it_was(helm: Helm, scenario: str) -> None:
    kept = (GOLDEN / f"{scenario}.yaml").read_text()
    assert whole_text(helm.files(scenario_values(scenario))) == kept


def test_every_golden_file_is_of_a_scenario() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_same_values_give_the_same_bytes(helm: Helm, scenario: str) -> None:
    with helm_running() as another:
        assert another.files(scenario_values(scenario)) == helm.files(scenario_values(scenario))


def test_no_template_asks_for_chance_the_clock_or_the_cluster() -> None:
    for file in sorted((CHART / "templates").rglob("*")):
        if file.is_file():
            actions = re.findall(r"{{-?(?!\s*/\*)(.*?)-?}}", file.read_text(), re.DOTALL)
            code = re.sub(r'"[^"]*"', "", " ".join(actions))
            assert not NOT_THE_SAME_TWICE.search(code), file.name


@pytest.mark.parametrize("call", ["randAlphaNum 8", "now | date", "lookup", "uuidv4", "genCA"])
def test_a_call_to_chance_would_be_found(call: str) -> None:
    assert NOT_THE_SAME_TWICE.search(f" include . | default ({call}) ")


def test_the_lint_of_helm_has_nothing_to_say(helm: Helm, values: Values) -> None:
    told = [each["error"] for each in helm.lint(values)["messages"]]
    assert told == ["icon is recommended"]
