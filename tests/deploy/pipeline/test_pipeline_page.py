"""docs/pipeline.md names every step and every variable, and no others."""

import re

from deploy.pipeline import database
from deploy.pipeline.steps import STEPS
from tests.deploy.rendering import TREE

PAGE = (TREE / "docs" / "pipeline.md").read_text()
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
SECTIONS = dict(_SECTION.findall(PAGE))


def rows(section: str) -> list[list[str]]:
    """The names in backticks of the first column of a table."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("| `")]
    return [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in lines]


def test_every_step_has_its_row() -> None:
    assert rows("The steps") == [[step] for step in STEPS]


def test_every_variable_has_its_row() -> None:
    files = sorted((TREE / "deploy" / "pipeline").glob("*.py"))
    sources = "".join(file.read_text() for file in files)
    read = set(re.findall(r'environ(?:\.get\(|\[)\s*"([A-Z_]+)"', sources))
    assert {"DEPLOY", "DEPLOY_REPOSITORY_TOKEN", "ROUTES_OVER"} <= read
    ours = {name for name in read if not name.startswith("GIT_")} - {"PATH"}
    # Each of these is read with others that mean the same.
    first = {"AWS_REGION", "CODEBUILD_BUILD_NUMBER", "CODEBUILD_RESOLVED_SOURCE_VERSION"}
    assert {name for row in rows("Settings") for name in row} == ours | first


def test_the_outputs_have_the_names_of_the_stack() -> None:
    assert f"`{database.ENDPOINT}`" in PAGE
    assert f"{database.PORT.removeprefix('M2MFlightSpecialDatabaseStackFlightSpecial')}`" in PAGE


def test_every_command_names_a_program_that_exists() -> None:
    commands = re.findall(r"^(deploy/[\w/-]+)", PAGE, re.MULTILINE)
    assert {"deploy/pipeline/step", "deploy/codebuild/repositories"} <= set(commands)
    assert [each for each in commands if not (TREE / each).is_file()] == []
