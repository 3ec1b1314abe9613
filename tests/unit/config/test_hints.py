"""Every problem has its place and says what to write, and a hint never leads to a key that does not exist there."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

import pytest

from proxy.config.documents.table import TableDoc
from proxy.config.problems import bare, keys_of
from proxy.config.reader import read_tree
from proxy.config.tree import Loc, Tree
from proxy.errors import Problem
from tests.unit.config.mutations import RARE_VALUES, VALUES, Field, fields, mutations, problems_of
from tests.unit.config.test_docs_routes import FIELDS

_SNIPPET = re.compile(r"`([^`]+)`")
_KEY = re.compile(r"(?:\A|[{ ])([a-z][a-z0-9_]*):(?: |\Z)")
_DOTTED = re.compile(r"[a-z_]+(?:\[\])?(?:\.[a-z_]+(?:\[\])?)+")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_IN_BRACES = re.compile(r"\{([a-z_]+): ")
_LIBRARIES = re.compile(r"pydantic|Input should|https://e|Traceback|None|typing|<class")


def test_the_examples_have_every_field() -> None:
    names = {(field.model.__name__, key) for (_, key), field in fields().items()}
    assert {key for _, key in names} == {key for _, key, _ in FIELDS}


NAMES = [".".join(name) for name in fields()]


@pytest.mark.untraced
@pytest.mark.parametrize("field", fields().values(), ids=NAMES)
def test_each_mistake_has_a_place_and_a_hint_whose_keys_are_known(field: Field) -> None:
    _check(field, VALUES)


@pytest.mark.soak
@pytest.mark.parametrize("field", fields().values(), ids=NAMES)
def test_rare_mistakes_have_them_too(field: Field) -> None:
    _check(field, RARE_VALUES)


def _check(field: Field, values: Sequence[Any]) -> None:
    for mutation in mutations(field, values):
        found = problems_of(mutation.text)
        places = _places(mutation.text) if found else {}
        for problem in found:
            shown = (*mutation[1:], problem)
            assert problem.text, shown
            assert problem.hint, shown
            assert not _LIBRARIES.search(problem.text + problem.hint), shown
            assert (problem.line, problem.column) in places, shown
            loc = places[problem.line, problem.column]
            assert set(_unknown(problem, loc)) == set(), shown


def _places(text: str) -> dict[tuple[int, int], Loc]:
    """Line and column of each value and key, with its path."""
    tree = read_tree(text.encode(), "t")
    found: dict[tuple[int, int], Loc] = {(1, 1): ()}
    for loc in _locs(tree.root, ()):
        for position in _positions(tree, loc):
            found.setdefault(position, loc)
    return found


def _positions(tree: Tree, loc: Loc) -> Iterator[tuple[int, int]]:
    for position in (tree.position(loc), tree.key_position(loc)):
        yield position.line, position.column


def _locs(value: Any, loc: Loc) -> Iterator[Loc]:
    yield loc
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for step, each in entries:
        yield from _locs(each, (*loc, step))


def _unknown(problem: Problem, loc: Loc) -> Iterator[str]:
    """The keys that the hint names and that are not known at the place of the problem, or above it."""
    blocks = list(_blocks(loc))
    known = {key for block in blocks for key in keys_of(block)}
    hint = problem.hint
    if problem.text.startswith("unknown key"):
        names = set(_WORD.findall(" ".join(_SNIPPET.findall(hint))))
        block = next(block for block in reversed(blocks) if keys_of(block))
        if hint.startswith(("did", "known")):
            yield from names - set(keys_of(block))
            return
    for snippet in _SNIPPET.findall(hint):
        if snippet.startswith("facade "):
            continue
        if _DOTTED.fullmatch(snippet):
            yield from _unknown_steps(snippet.replace("[]", "").split("."))
        elif ":" in snippet and not snippet.startswith(("http", "- ")):
            yield from (
                key for key in _KEY.findall(snippet) if key not in known | _below(blocks, snippet)
            )
        elif _WORD.fullmatch(snippet) and not hint.startswith(("did", "known")):
            yield from {snippet} - known
    outside = _SNIPPET.sub("", hint)
    yield from set(_IN_BRACES.findall(outside)) - known - {"name"}


def _blocks(loc: Loc) -> Iterator[Any]:
    """The annotations from the top of the schema to the value at `loc`, and that of its items."""
    annotation: Any = TableDoc
    yield annotation
    for step in loc:
        annotation = bare(_of(annotation, step))
        yield annotation
    inner = get_args(annotation)
    if inner:
        yield bare(inner[-1])


def _of(annotation: Any, step: str | int) -> Any:
    if keys_of(annotation):
        infos = annotation.model_fields.items()
        return next((info.annotation for name, info in infos if (info.alias or name) == step), None)
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None


def _below(blocks: list[Any], snippet: str) -> set[str]:
    """The keys that are known below the first key of a snippet: `match: {path: {prefix: …}}`."""
    first, *rest = _KEY.findall(snippet)
    waiting = [bare(_of(block, first)) for block in blocks if first in keys_of(block)]
    found: set[str] = set()
    for _ in range(2 * len(rest)):
        for each in waiting:
            found.update(rest if get_origin(each) is dict else keys_of(each))
        waiting = [below for each in waiting for below in _values_in(each, rest)]
    return found


def _values_in(annotation: Any, names: list[str]) -> Iterator[Any]:
    """What stands in a list, in a map, or at one of the names of a block."""
    if keys_of(annotation):
        yield from (bare(_of(annotation, name)) for name in names)
    else:
        yield from (bare(each) for each in get_args(annotation)[-1:])


def _unknown_steps(steps: list[str]) -> Iterator[str]:
    annotation: Any = TableDoc
    for step in steps:
        while not keys_of(annotation) and get_args(annotation):
            annotation = bare(get_args(annotation)[-1])
        if step not in keys_of(annotation):
            yield ".".join(steps)
            return
        annotation = bare(_of(annotation, step))
