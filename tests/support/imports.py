"""The imports of Python files, without running them."""

import ast
import functools
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMESPACES = {
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.proto": "opentelemetry-proto",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.trace": "opentelemetry-sdk",
}
"""Packages below one that several distributions share, with the distribution to declare: the SDK pins its API."""
_LATER = frozenset(("compression",))
"""Packages that Python got after the oldest version that is supported."""
OWN = frozenset(("proxy", "flightspecial_service", "deploy", "tests"))


def imported_packages(folder: Path) -> set[str]:
    """Top-level names that files below `folder` import, anywhere in a file, without own packages and Python's."""
    names = {name for file in folder.rglob("*.py") for name in _imports(file)}
    return names - OWN - sys.stdlib_module_names - _LATER


def distributions(packages: set[str], of: Mapping[str, list[str]]) -> set[str]:
    """The distributions of these packages; `of` is `importlib.metadata.packages_distributions()`."""
    return {
        NAMESPACES[package] if package in NAMESPACES else normal(name)
        for package in packages
        for name in of.get(package, [package])
    }


def normal(name: str) -> str:
    """A distribution's name as indexes compare it: `Google_RE2` is `google-re2`."""
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def _imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {_package(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(_package(node.module))
    return names


def _package(module: str) -> str:
    top = module.partition(".")[0]
    return next((name for name in NAMESPACES if module.startswith(name)), top)
