"""The file, section by section: each block to its long form, validated by itself.

Blocks are validated one by one in Python, not in one call for the whole file: a load runs in a
thread beside the event loop, and between two blocks the loop can have its turn.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from proxy.config.documents.base import Doc
from proxy.config.documents.table import HeadDoc, TableDoc
from proxy.config.faults import NOT_A_LIST, Fault, did_you_mean, named, stands
from proxy.config.problems import Complaints, keys_of
from proxy.config.texts import read_name
from proxy.config.tree import Block, Items, Loc, Tree, one_line
from proxy.errors import Problem, TableError

D = TypeVar("D", bound=Doc)

MAX_BLOCK = 20_000
"""Keys and values of one route, backend, cohort or test."""
MAX_BLOCKS = {"backends": 10_000, "cohorts": 10_000, "routes": 100_000, "tests": 20_000}
"""Blocks of each section, so that a load stays below its memory bound."""
_TOO_LARGE = f"more than {MAX_BLOCK:,} keys and values in one block"
_VERSION = 1


class Read(Struct):
    """One block: its long form, what came of it, and which of its keys are wrong."""

    loc: Loc
    value: Any
    doc: Any
    wrong_keys: frozenset[str]


def check_version(tree: Tree, file: str) -> dict[str, Any]:
    """The top of the file. Raises TableError for a file that is no table of this language."""
    root = tree.root
    if not isinstance(root, Block):
        text, hint = f"{stands(root)} where keys are meant", "begin with `version: 1`"
        raise _alone(tree, (), file, text, hint)
    if "version" not in root:
        raise _alone(tree, (), file, "the version is missing", "begin with `version: 1`")
    version = root["version"]
    if type(version) is not int or version != _VERSION:
        text = f"{named(version)} is no version of this language"
        raise _alone(tree, ("version",), file, text, "write `version: 1`")
    return root


def _alone(tree: Tree, loc: Loc, file: str, text: str, hint: str) -> TableError:
    place = tree.place(loc)
    return TableError(file, (Problem(place.line, place.column, one_line(text), hint),))


def read_head(root: dict[str, Any], complaints: Complaints) -> HeadDoc:
    """All but the sections. Keys that start with `x-` are for anchors, and free."""
    known = keys_of(TableDoc)
    value = {}
    for key in root:
        if key in MAX_BLOCKS or key.startswith("x-"):
            continue
        if size_of(root[key]) > MAX_BLOCK:
            complaints.add(Fault((key,), _TOO_LARGE, "split it"))
        elif key in known:
            value[key] = root[key]
        else:
            hint = did_you_mean(key, known)
            complaints.add(Fault((key,), f"unknown key `{key}`", hint, on_key=True))
    head = validated(value, (), HeadDoc, complaints).doc
    return head if head is not None else HeadDoc(version=1)


def read_named(
    root: dict[str, Any],
    section: str,
    model: type[D],
    complaints: Complaints,
    long: Callable[[Any], Any] = lambda value: value,
) -> dict[str, D]:
    """A section of blocks by name: those that are right."""
    blocks = root.get(section, {})
    if not isinstance(blocks, dict):
        hint = "write `name: http://host:port`" if section == "backends" else "write `name: {…}`"
        text = f"{stands(blocks)} where names are meant"
        complaints.add(Fault((section,), text, hint))
        return {}
    if _too_many(section, blocks, complaints):
        return {}
    found: dict[str, D] = {}
    for name, value in blocks.items():
        if complaints.full:
            break
        loc = (section, name)
        try:
            read_name(name)
        except PydanticCustomError as error:
            context = error.context or {}
            complaints.add(Fault(loc, context["text"], context["hint"], on_key=True))
        read = validated(long(value), loc, model, complaints, size_of(value))
        if read.doc is not None and not read.wrong_keys:
            found[name] = read.doc
    return found


def read_listed(
    root: dict[str, Any],
    section: str,
    model: type[D],
    complaints: Complaints,
    long: Callable[[Any], Any] = lambda value: value,
) -> Iterator[Read]:
    """A section that is a list of blocks, one by one. Each block is let go once it has been read."""
    blocks = root.get(section, [])
    if not isinstance(blocks, Items | list):
        complaints.add(Fault((section,), f"{stands(blocks)} {NOT_A_LIST}", "write `- name: …`"))
        return
    if _too_many(section, blocks, complaints):
        return
    for position, value in enumerate(blocks):
        if complaints.full:
            return
        yield validated(long(value), (section, position), model, complaints, size_of(value))
        blocks[position] = None


def _too_many(section: str, blocks: Collection[Any], complaints: Complaints) -> bool:
    bound = MAX_BLOCKS[section]
    if len(blocks) > bound:
        text = f"{len(blocks):,} {section}, more than {bound:,}"
        complaints.add(Fault((section,), text, "split the table"))
    return len(blocks) > bound


def size_of(value: Any) -> int:
    """How many nodes a block of the tree holds."""
    return value.size if isinstance(value, Block | Items) else 1


def validated(value: Any, loc: Loc, model: type[D], complaints: Complaints, size: int = 1) -> Read:
    """`value` as a document. With wrong keys in it, the document lacks them; without hope it is None."""
    if size > MAX_BLOCK:
        complaints.add(Fault(loc, _TOO_LARGE, "split it"))
        return Read(loc, {}, None, frozenset())
    try:
        return Read(loc, value, model.model_validate(value), frozenset())
    except ValidationError as error:
        wrong_keys = complaints.add_all(error, loc, model)
    if not isinstance(value, dict):
        return Read(loc, {}, None, wrong_keys)
    return Read(loc, value, _salvaged(value, model, wrong_keys), wrong_keys)


def _salvaged(value: dict[str, Any], model: type[D], wrong_keys: frozenset[str]) -> D | None:
    """What is right, so that rules between right keys are asked in the same run."""
    right = {key: value[key] for key in value if key not in wrong_keys}
    if "name" in wrong_keys:
        right["name"] = "?"
    try:
        return model.model_validate(right)
    except ValidationError:
        return None
