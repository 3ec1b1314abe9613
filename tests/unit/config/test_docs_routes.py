"""docs/routes.md is complete and true: every field of every block, and every example loads."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import pytest
import yaml

from proxy.config.documents.base import Doc
from proxy.config.documents.table import TableDoc
from tests.unit.config.config_tables import parse

PAGE = (Path(__file__).parents[3] / "docs" / "routes.md").read_text()
SECTIONS = dict(
    re.findall(r"^##+ `?([^`\n]+)`?\n(.*?)(?=^##+ |\Z)", PAGE, re.DOTALL | re.MULTILINE)
)
EXAMPLES = re.findall(r"^```yaml (\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

AROUND = """\
version: 1
backends: {legacy: "http://legacy:8080", flightspecials: "http://flightspecials:8080"}
cohorts: {flights: {salt: s, hash_policy: [{cookie: TB_UID}]}}
"""
ROUTES = """\
routes:
- {name: home, match: {path: {exact: /}}, redirect: {path: /travelbuddy/}}
- {name: flights, stage: canary, backend_refs: {legacy: 95, flightspecials: 5}}
"""
# What stands before a fragment; the fragment is indented as far as the last line.
WRAPPED = {
    "route": AROUND + "routes:\n- ",
    "match": AROUND + "routes:\n- name: r\n  backend_refs: legacy\n  match:\n    ",
    "test": AROUND + ROUTES + "tests:\n- ",
    "defaults": AROUND + ROUTES + "defaults:\n  ",
    "backend": "version: 1\nroutes: [{name: r, backend_refs: x}]\nbackends:\n  x:\n    ",
    "cohort": "version: 1\nroutes: [{name: r, redirect: {path: /}}]\ncohorts:\n  x:\n    ",
}


def _blocks(model: type[Doc], path: str, seen: set[type[Doc]]) -> Iterator[tuple[str, type[Doc]]]:
    """Each block once, with the path under which it is first met."""
    if model in seen:
        return
    seen.add(model)
    yield path or "The file", model
    for name, info in model.model_fields.items():
        key = info.alias or name
        found = _inner(info.annotation, f"{path}.{key}" if path else key)
        if found is not None:
            yield from _blocks(*found, seen)


def _inner(annotation: Any, path: str) -> tuple[type[Doc], str] | None:
    """The block inside an annotation, below a list or a map."""
    if isinstance(annotation, type) and issubclass(annotation, Doc):
        return annotation, path
    arguments = [each for each in get_args(annotation) if each is not NoneType]
    if not arguments:
        return None
    if get_origin(annotation) is list:
        return _inner(arguments[0], f"{path}[]")
    if get_origin(annotation) is dict:
        return _inner(arguments[1], f"{path}.NAME")
    return _inner(arguments[0], path)


BLOCKS = list(_blocks(TableDoc, "", set()))
FIELDS = [
    (path, info.alias or name, info)
    for path, model in BLOCKS
    for name, info in model.model_fields.items()
]


def test_the_walk_finds_the_blocks_deep_in_a_route() -> None:
    paths = [path for path, _ in BLOCKS]
    assert "routes[].mirror.compare.body.ignore[]" in paths
    assert "routes[].match[].headers.NAME" in paths
    assert len(paths) > 50


@pytest.mark.parametrize(("path", "key", "info"), FIELDS, ids=[f"{p}.{k}" for p, k, _ in FIELDS])
def test_every_field_has_a_row_and_an_example(path: str, key: str, info: Any) -> None:
    section = SECTIONS[path]
    row = re.search(rf"^\| `{key}` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert row is not None
    assert row[3].strip() == info.description
    assert (row[2].strip() == "required") == info.is_required()
    examples = "".join(re.findall(r"^```yaml \w+\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))
    assert re.search(rf"\b{key}:", examples)


@pytest.mark.parametrize(("path", "model"), BLOCKS, ids=[path for path, _ in BLOCKS])
def test_no_row_tells_of_a_field_that_is_not_there(path: str, model: type[Doc]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", SECTIONS[path], re.MULTILINE)
    assert rows == [info.alias or name for name, info in model.model_fields.items()]


@pytest.mark.parametrize(("path", "model"), BLOCKS, ids=[path for path, _ in BLOCKS])
def test_the_defaults_on_the_page_are_those_of_the_code(path: str, model: type[Doc]) -> None:
    for name, info in model.model_fields.items():
        if info.is_required() or info.default is None or info.default_factory is not None:
            continue
        alone = model.model_construct(**{name: info.default})
        dumped = alone.model_dump(by_alias=True, include={name})[info.alias or name]
        row = re.search(
            rf"^\| `{info.alias or name}` \| [^|]+ \| ([^|]+) \|", SECTIONS[path], re.MULTILINE
        )
        assert row is not None
        shown = row[1].strip().strip("`")
        assert (shown == "empty") if dumped == "" else (yaml.safe_load(shown) == dumped)


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_every_example_loads(kind: str, example: str) -> None:
    if kind == "table":
        parse(example)
        return
    before = WRAPPED[kind]
    indent = " " * (len(before) - before.rindex("\n") - 1)
    parse(before + example.strip().replace("\n", f"\n{indent}") + "\n")


def test_every_fence_of_yaml_says_what_it_is() -> None:
    assert len(re.findall(r"^```yaml", PAGE, re.MULTILINE)) == len(EXAMPLES)
    assert {kind for kind, _ in EXAMPLES} <= {"table", *WRAPPED}
