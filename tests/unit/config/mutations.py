"""Tables with one mistake each, made from the examples of docs/routes.md: fields with values that they cannot have."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, get_args

from proxy.config.documents.base import Doc
from proxy.config.documents.table import TableDoc
from proxy.config.loader import parse_table
from proxy.config.problems import bare, keys_of
from proxy.config.reader import read_tree
from proxy.config.shorthand import long_backend, long_route
from proxy.config.tree import Loc
from proxy.errors import Problem, TableError
from tests.unit.config.test_docs_routes import EXAMPLES, WRAPPED

VALUES: tuple[Any, ...] = (
    None,
    "",
    "x y\u2028",
    "a\r\nx-b: c",
    "/a/{b}/**",
    "${A}",
    "*",
    "{path.nothing}",
    "http://a.example/b",
    -1,
    Decimal("1.5"),
    True,
    [],
    [[]],
    {"a": {}},
    {"Host": "a"},
    ["connection", "Host"],
)
RARE_VALUES: tuple[Any, ...] = (
    "/a/",
    10**12,
    "10",
    "(",
    "/a//b",
    " ",
    "x" * 9000,
    "é",
    "/a/{b}",
    "/a%20b",
    "/a/../b",
    "$a",
    "%A%",
    "{client}",
    "{nothing}",
    "*.example.com",
    "10s",
    5,
    False,
    ["a", "a"],
    [{}],
    {},
    {"a": "b"},
)


class Mutation(NamedTuple):
    """A table with a mistake at `loc`, and what was done there."""

    text: str
    loc: Loc
    what: str


class Field(NamedTuple):
    """A field of the schema in an example."""

    root: Any
    loc: Loc
    model: type[Doc]


def written(value: Any) -> str:
    """A value as JSON, which is YAML, with a line for each key and item."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=_number)


def _number(value: Any) -> Any:
    """Numbers, and words like `off`, are kept apart from text when a table is read."""
    return float(value) if isinstance(value, Decimal) else str(value)


@cache
def fields() -> dict[tuple[str, str], Field]:
    """Each field of each kind of block, in the first example that has it."""
    found: dict[tuple[str, str], Field] = {}
    for kind, example in EXAMPLES:
        text = example
        if kind != "table":
            before = WRAPPED[kind]
            indent = " " * (len(before) - before.rindex("\n") - 1)
            text = before + example.strip().replace("\n", f"\n{indent}") + "\n"
        root = _long(read_tree(text.encode(), "t").root)
        for field in _fields_of(root, root, (), TableDoc):
            found.setdefault((field.model.__name__, str(field.loc[-1])), field)
    return found


def _long(root: dict[str, Any]) -> dict[str, Any]:
    """The table in its long form, in which each block is where the schema has it."""
    backends = {name: long_backend(each) for name, each in root.get("backends", {}).items()}
    return {**root, "backends": backends, "routes": [long_route(each) for each in root["routes"]]}


def _fields_of(root: Any, value: Any, loc: Loc, annotation: Any) -> Iterator[Field]:
    annotation = bare(annotation)
    if isinstance(value, list):
        for position, each in enumerate(value):
            yield from _fields_of(root, each, (*loc, position), _inner(annotation))
    elif isinstance(value, dict) and keys_of(annotation):
        for name, info in annotation.model_fields.items():
            key = info.alias or name
            if key in value:
                yield Field(root, (*loc, key), annotation)
                yield from _fields_of(root, value[key], (*loc, key), info.annotation)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _fields_of(root, each, (*loc, key), _inner(annotation))


def _inner(annotation: Any) -> Any:
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None


def mutations(field: Field, values: Sequence[Any] = VALUES) -> Iterator[Mutation]:
    """The tables with a mistake in one field: a wrong value, another name, no value, another field beside it."""
    for value in values:
        yield _changed(field, {str(field.loc[-1]): value}, f"is {value!r:.40}")
    key = str(field.loc[-1])
    yield _changed(field, {f"{key}x": _at(field.root, field.loc)}, "has another name")
    yield _changed(field, {}, "is missing")
    for (model, other), sample in fields().items():
        if model == field.model.__name__ and other > key:
            both = {key: _at(field.root, field.loc), other: _at(sample.root, sample.loc)}
            yield _changed(field, both, f"stands beside {other}")


def _changed(field: Field, entries: dict[str, Any], what: str) -> Mutation:
    """The table with `entries` in place of the field."""
    *above, key = field.loc

    def copy(value: Any, loc: list[Any]) -> Any:
        if not loc:
            return {name: each for name, each in value.items() if name != key} | entries
        if isinstance(value, list):
            return [copy(each, loc[1:]) if n == loc[0] else each for n, each in enumerate(value)]
        return {n: copy(each, loc[1:]) if n == loc[0] else each for n, each in value.items()}

    return Mutation(written(copy(field.root, list(above))), field.loc, what)


def _at(value: Any, loc: Loc) -> Any:
    for step in loc:
        value = value[step]
    return value


def problems_of(text: str) -> tuple[Problem, ...]:
    """Errors and warnings."""
    try:
        return parse_table(text.encode())[1]
    except TableError as error:
        return error.problems
