"""The endpoints that a monolith has: from its OpenAPI document, or a list with a method and a path in each line."""

import re
from typing import Any

import yaml

from proxy.errors import FacadeError
from proxy.ledger.report import Known

MAX_BYTES = 8 * 1024 * 1024
_MAX_ENDPOINTS = 5_000
_METHODS = frozenset(("get", "put", "post", "delete", "options", "head", "patch", "trace"))
_LINE = re.compile(r"(?:([A-Z]{3,10})[ \t]+)?(/[!-~]{0,1023})")


def read_known(text: bytes, file: str) -> list[Known]:
    """The endpoints in a file. Raises FacadeError."""
    try:
        content = text.decode()
    except UnicodeDecodeError:
        raise FacadeError(f"facade: {file} is not UTF-8: write one endpoint in each line") from None
    is_document = content.lstrip()[:1] == "{" or re.search(r"^(openapi|swagger):", content, re.M)
    known = _of_document(content, file) if is_document else _of_lines(content, file)
    if not known:
        raise FacadeError(f"facade: {file} has no endpoint")
    if len(known) > _MAX_ENDPOINTS:
        raise FacadeError(f"facade: {file} has more than {_MAX_ENDPOINTS:,} endpoints")
    return known


def _of_lines(content: str, file: str) -> list[Known]:
    known, faults = [], []
    for number, line in enumerate(content.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            faults.append(f"{file}:{number}: this is no endpoint: write GET /orders/{{id}}")
        else:
            known.append(Known(found[1] or "", found[2]))
    if faults:
        raise FacadeError("\n".join(faults[:20]))
    return known


def _of_document(content: str, file: str) -> list[Known]:
    try:
        document: Any = yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        raise FacadeError(f"facade: {file} is neither JSON nor YAML") from None
    paths = document.get("paths") if isinstance(document, dict) else None
    if not isinstance(paths, dict):
        raise FacadeError(f"facade: {file} is no OpenAPI document: it has no `paths`")
    prefix = document.get("basePath", "")
    prefix = prefix.rstrip("/") if isinstance(prefix, str) else ""
    return [
        Known(str(method).upper(), f"{prefix}{path}")
        for path, operations in paths.items()
        if isinstance(operations, dict) and str(path).startswith("/")
        for method in operations
        if str(method).lower() in _METHODS
    ]
