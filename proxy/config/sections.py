"""Reads the sections of a file: each block is expanded to its long form and validated separately.

Blocks are validated one by one in Python, not in one call for the whole file: a load runs in a thread beside
the event loop, and the event loop can run between two blocks.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from proxy.config.documents.base import Doc
from proxy.config.documents.table import HeadDoc, TableDoc
from proxy.config.faults import NOT_A_LIST, Fault, did_you_mean, misplaced, quoted
from proxy.config.problems import Problems, keys_of
from proxy.config.reader import MAX_BLOCK
from proxy.config.texts import read_name
from proxy.config.tree import Block, Items, Loc, Tree, one_line
from proxy.errors import Problem, TableError

D = TypeVar("D", bound=Doc)

MAX_BLOCKS = {"backends": 10_000, "cohorts": 10_000, "routes": 100_000, "tests": 20_000}
"""Blocks of each section: a load stays below its memory bound."""
_TOO_LARGE = f"more than {MAX_BLOCK:,} keys and values in one block"
_VERSION = 1


class ReadBlock(Struct):
    """One block: its long form, its document, its invalid keys, and the number of its nodes."""

    loc: Loc
    value: Any
    doc: Any
    wrong_keys: frozenset[str]
    size: int


def check_version(tree: Tree, file: str) -> dict[str, Any]:
    """The top level of the file. Raises TableError for a file that is no table of this version."""
    root = tree.root
    if not isinstance(root, Block):
        text, hint = f"{misplaced(root)} where keys are meant", "begin with `version: 1`"
        raise _only_problem(tree, (), file, text, hint)
    if "version" not in root:
        raise _only_problem(tree, (), file, "the version is missing", "begin with `version: 1`")
    version = root["version"]
    if type(version) is not int or version != _VERSION:
        text = f"{quoted(version)} is no version of this language"
        raise _only_problem(tree, ("version",), file, text, "write `version: 1`")
    return root


def _only_problem(tree: Tree, loc: Loc, file: str, text: str, hint: str) -> TableError:
    position = tree.position(loc)
    return TableError(file, (Problem(position.line, position.column, one_line(text), hint),))


def read_head(root: dict[str, Any], problems: Problems) -> HeadDoc:
    """Everything but the sections. Keys that start with `x-` are free: they hold anchors."""
    known = keys_of(TableDoc)
    value = {}
    for key in root:
        if key in MAX_BLOCKS or key.startswith("x-"):
            continue
        if size_of(root[key]) > MAX_BLOCK:
            problems.add(Fault((key,), _TOO_LARGE, "split it"))
        elif key in known:
            value[key] = root[key]
        else:
            hint = did_you_mean(key, known)
            problems.add(Fault((key,), f"unknown key `{key}`", hint, on_key=True))
    head = read_block(value, (), HeadDoc, problems).doc
    return head if head is not None else HeadDoc(version=1)


def read_named(
    root: dict[str, Any],
    section: str,
    model: type[D],
    problems: Problems,
    long: Callable[[Any], Any] = lambda value: value,
) -> dict[str, D]:
    """The valid blocks of a section that maps names to blocks."""
    blocks = root.get(section, {})
    if not isinstance(blocks, dict):
        hint = "write NAME: http://host:port" if section == "backends" else "write NAME: {…}"
        text = f"{misplaced(blocks)} where names are meant"
        problems.add(Fault((section,), text, hint))
        return {}
    if _too_many(section, blocks, problems):
        return {}
    valid: dict[str, D] = {}
    for name, value in blocks.items():
        if problems.full:
            break
        loc = (section, name)
        try:
            read_name(name)
        except PydanticCustomError as error:
            context = error.context or {}
            problems.add(Fault(loc, context["text"], context["hint"], on_key=True))
        block = read_block(long(value), loc, model, problems, size_of(value))
        if block.doc is not None and not block.wrong_keys:
            valid[name] = block.doc
    return valid


def read_listed(
    root: dict[str, Any],
    section: str,
    model: type[D],
    problems: Problems,
    long: Callable[[Any], Any] = lambda value: value,
) -> Iterator[ReadBlock]:
    """The blocks of a section that is a list. Each block is released after it was read, to save memory."""
    blocks = root.get(section, [])
    if not isinstance(blocks, Items | list):
        problems.add(Fault((section,), f"{misplaced(blocks)} {NOT_A_LIST}", "write `- name: …`"))
        return
    if _too_many(section, blocks, problems):
        return
    for position, value in enumerate(blocks):
        if problems.full:
            return
        yield read_block(long(value), (section, position), model, problems, size_of(value))
        blocks[position] = None


def _too_many(section: str, blocks: Collection[Any], problems: Problems) -> bool:
    bound = MAX_BLOCKS[section]
    if len(blocks) > bound:
        text = f"{len(blocks):,} {section}, more than {bound:,}"
        problems.add(Fault((section,), text, "split the table"))
    return len(blocks) > bound


def size_of(value: Any) -> int:
    """The number of nodes in a block of the tree."""
    return value.size if isinstance(value, Block | Items) else 1


def read_block(
    value: Any, loc: Loc, model: type[D], problems: Problems, size: int = 1
) -> ReadBlock:
    """`value` as a document. The document lacks invalid keys; it is None if the rest is invalid, too."""
    if size > MAX_BLOCK:
        problems.add(Fault(loc, _TOO_LARGE, "split it"))
        return ReadBlock(loc, {}, None, frozenset(), size)
    try:
        return ReadBlock(loc, value, model.model_validate(value), frozenset(), size)
    except ValidationError as error:
        wrong_keys = problems.add_all(error, loc, model)
    if not isinstance(value, dict):
        return ReadBlock(loc, {}, None, wrong_keys, size)
    return ReadBlock(loc, value, _valid_part(value, model, wrong_keys), wrong_keys, size)


def _valid_part(value: dict[str, Any], model: type[D], wrong_keys: frozenset[str]) -> D | None:
    """A document of the valid keys, so that the rules between them are checked in the same run."""
    valid = {key: value[key] for key in value if key not in wrong_keys}
    if "name" in wrong_keys:
        valid["name"] = "?"
    try:
        return model.model_validate(valid)
    except ValidationError:
        return None
