"""The files for the CI systems: valid, with the same steps, and with names that exist."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from deploy.pipeline.settings import TARGETS
from deploy.pipeline.steps import STEPS
from tests.deploy.rendering import TREE

BUILDSPEC = TREE / "deploy/codebuild/buildspec.yml"
GITHUB = TREE / "deploy/ci/github-actions.yml"
GITLAB = TREE / "deploy/ci/gitlab-ci.yml"
SCHEMA = Path(__file__).parents[1] / "schemas" / "buildspec.json"


def loaded(file: Path) -> Any:
    return yaml.load(file.read_text(), yaml.CSafeLoader)


@pytest.mark.parametrize(
    ("file", "options"),
    [
        pytest.param(GITHUB, ["vendor.github-workflows"], id="GitHub's"),
        pytest.param(GITHUB, ["custom.github-workflows-require-timeout"], id="a bound of time"),
        pytest.param(GITLAB, ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"], id="GitLab's"),
    ],
)
def test_the_file_fits_the_published_schema(file: Path, options: list[str]) -> None:
    program = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema"]
    done = subprocess.run(
        [*program, *options, str(file)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_the_buildspec_fits_the_reference_of_codebuild() -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft7Validator.check_schema(schema)
    assert list(Draft7Validator(schema).iter_errors(loaded(BUILDSPEC))) == []


def _commands(file: Path) -> list[str]:
    document = loaded(file)
    if file == BUILDSPEC:
        return [each for phase in document["phases"].values() for each in phase["commands"]]
    if file == GITHUB:
        return [each["run"] for each in document["jobs"]["deploy"]["steps"] if "run" in each]
    commands: list[str] = document["deploy"]["script"]
    return commands


@pytest.mark.parametrize("file", [BUILDSPEC, GITHUB, GITLAB], ids=lambda file: file.name)
def test_each_ci_system_runs_every_step_in_order(file: Path) -> None:
    assert _commands(file) == [f"deploy/pipeline/step {step}" for step in STEPS]


def test_codebuild_runs_nothing_after_a_phase_that_failed() -> None:
    phases = loaded(BUILDSPEC)["phases"]
    assert {name: phase["on-failure"] for name, phase in phases.items()} == {
        "install": "ABORT",
        "pre_build": "ABORT",
        "build": "ABORT",
    }


@pytest.mark.parametrize("file", [BUILDSPEC, GITHUB, GITLAB], ids=lambda file: file.name)
def test_what_is_deployed_is_some_of_the_targets(file: Path) -> None:
    defaults = re.findall(
        r"DEPLOY: (?:\$\{\{ inputs.deploy \|\| ')?([a-z ]+?)(?:'| #|$)", file.read_text(), re.M
    )
    assert defaults
    assert {word for each in defaults for word in each.split()} <= set(TARGETS)


@pytest.mark.parametrize(
    "program", ["pipeline/step", "pipeline/test-in-container", "codebuild/repositories"]
)
def test_the_program_is_executable_and_its_shell_is_valid(program: str) -> None:
    file = TREE / "deploy" / program
    assert file.stat().st_mode & 0o111 == 0o111
    subprocess.run(["bash", "-n", str(file)], check=True, timeout=10)


def test_no_builds_take_turns_by_being_cancelled() -> None:
    """A cancelled build may be at its push."""
    assert loaded(GITHUB)["concurrency"]["cancel-in-progress"] is False
    assert loaded(GITLAB)["deploy"]["interruptible"] is False
