"""Collects the problems of one file, with our texts and their positions."""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.config.documents.base import Doc
from proxy.config.faults import (
    Fault,
    did_you_mean,
    misplaced,
    not_boolean,
    not_text,
    not_whole,
    quoted,
)
from proxy.config.scalars import AmbiguousScalar
from proxy.config.tree import ONE_OR_SEVERAL, Loc, Tree, one_line
from proxy.errors import Problem

MAX_PROBLEMS = 500
"""After so many errors the search ends: more are not fixed in one edit."""

# Keys of other proxies, and keys that are often written one level too high.
_MEANT = {
    "backend": "write `backend_refs: NAME`",
    "upstream": "write `backend_refs: NAME`",
    "percent": "write `weight:`",
    "rewrite": "write `url_rewrite:` in the backend reference",
    "url_rewrite": "write it in the backend reference: each has its own",
    "prefix": "write `match: {path: {prefix: …}}`",
    "exact": "write `match: {path: {exact: …}}`",
    "path": "write `match: {path: …}`",
    "host": "write `match: {hosts: […]}`",
    "hosts": "write it under `match:`",
    "methods": "write it under `match:`",
    "method": "write `match: {methods: […]}`",
    "headers": "write `match: {headers: …}`, or `request: {headers: …}`",
    "timeout": "write `timeouts: {request: …}`",
}
_SHAPES = {
    "match": "write {path: …}, or a list of such matches",
    "not": "write {path: …}, or a list of such matches",
    "path": "write {prefix: /x}, {exact: /x}, {template: /x/{id}} or {regex: …}",
    "backend_refs": "write a name, {name: weight, …} or a list of references",
    "routes": "write a list: `- name: …`",
    "tests": "write a list: `- name: …`",
    "backends": "write NAME: http://host:port",
}
_ITEM = re.compile(r"[!#-\[\]-~]{1,60}")
_PLAIN_ITEM = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./:-]*[A-Za-z0-9_./-])?")
_BOUNDS = {
    "greater_than_equal": ("ge", "is too small", "write {} or more"),
    "less_than_equal": ("le", "is too large", "write {} or less"),
}


class Problems:
    """The problems of one file."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.listed: list[Problem] = []
        self.errors = 0
        """The number of problems that are errors, not warnings."""

    @property
    def full(self) -> bool:
        """Whether the search for more ends. Warnings never end it: the table may still be loaded."""
        return self.errors >= MAX_PROBLEMS

    def add(self, fault: Fault, base: Loc = ()) -> None:
        """Add a broken rule of the block at `base`."""
        is_error = fault.severity == "error"
        if not is_error and len(self.listed) - self.errors >= MAX_PROBLEMS:
            return
        loc = (*base, *fault.at)
        position = self._tree.key_position(loc) if fault.on_key else self._tree.position(loc)
        text, hint = one_line(fault.text), one_line(fault.hint)
        self.listed.append(Problem(position.line, position.column, text, hint, fault.severity))
        self.errors += is_error

    def add_all(self, error: ValidationError, base: Loc, model: type[Doc]) -> frozenset[str]:
        """Add every error of pydantic for the block at `base`. Returns the invalid keys of the block."""
        wrong_keys: set[str] = set()
        for detail in error.errors(include_url=False):
            wrong_keys.update(str(step) for step in detail["loc"][:1])
            for fault in () if self.full else _faults(detail, model):
                self.add(fault, base)
        return frozenset(wrong_keys)


def _faults(detail: ErrorDetails, model: type[Doc]) -> Iterator[Fault]:
    loc = tuple(detail["loc"])
    context = detail.get("ctx", {})
    match detail["type"]:
        case "facade_faults":
            for fault in context["faults"]:
                at = (*loc, *fault.at)
                yield Fault(at, fault.text, fault.hint, fault.severity, fault.on_key)
        case "facade_fault":
            on_key = loc[-1:] == ("[key]",)
            yield Fault(
                loc[:-1] if on_key else loc, context["text"], context["hint"], on_key=on_key
            )
        case "missing":
            yield Fault(loc[:-1], f"`{loc[-1]}` is missing", f"add `{loc[-1]}:`")
        case "extra_forbidden":
            yield _unknown_key(loc, model)
        case kind:
            text, hint = _sentence(kind, detail["input"], context, loc, model)
            yield Fault(loc, text, hint)


def _unknown_key(loc: Loc, model: type[Doc]) -> Fault:
    key = str(loc[-1])
    block = _annotation_at(model, loc[:-1])
    known = keys_of(block)
    hint = _one_level_off(key, block, loc, model) or did_you_mean(key, known)
    if "backend_refs" in known:
        hint = _MEANT.get(key, hint)
    above = loc[:-1]
    if len(above) > 1 and above[-2] in ONE_OR_SEVERAL:
        above = above[:-1]
    where = f" in `{above[-1]}`" if above and isinstance(above[-1], str) else ""
    return Fault(loc, f"unknown key `{key}`{where}", hint, on_key=True)


def _one_level_off(key: str, block: Any, loc: Loc, model: type[Doc]) -> str:
    """Where a key belongs that is known in one block below, or in the block above. Empty if it is in neither."""
    below = [name for name in keys_of(block) if key in keys_of(_item(_below(block, name)))]
    if len(below) == 1:
        return f"write it under `{below[0]}:`"
    names = [at for at, step in enumerate(loc[:-1]) if isinstance(step, str)]
    if names and key != loc[names[-1]] and key in keys_of(_annotation_at(model, loc[: names[-1]])):
        return f"write it beside `{loc[names[-1]]}`"
    return ""


def _item(annotation: Any) -> Any:
    """The annotation of a block, or of the blocks in a list."""
    annotation = bare(annotation)
    return bare(get_args(annotation)[0]) if get_origin(annotation) is list else annotation


def _sentence(
    kind: str, value: Any, context: dict[str, Any], loc: Loc, model: type[Doc]
) -> tuple[str, str]:
    """Text and hint for an error of pydantic's own."""
    if kind in _BOUNDS:
        key, text, hint = _BOUNDS[kind]
        return f"{quoted(value)} {text}", hint.format(context[key])
    match kind:
        case "int_type" | "int_parsing" | "int_from_float":
            return not_whole(value)
        case "bool_type":
            return not_boolean(value)
        case "literal_error":
            return _not_listed(value, context["expected"])
        case "list_type":
            return f"{misplaced(value)} where a list is meant", _list_hint(value, loc)
        case "too_short":
            return "the list is empty", "write at least one item"
        case _:
            return f"{misplaced(value)} where keys are meant", _keys_hint(loc, model)


def _not_listed(value: Any, expected: str) -> tuple[str, str]:
    words = expected.replace(" or ", ", ").replace("'", "").split(", ")
    if words == ["True"]:
        return f"{quoted(value)} is not known here", "write true"
    if isinstance(value, AmbiguousScalar):
        return not_text(value)[0], f"write {words[0]}"
    return f"{quoted(value)} is not known here", did_you_mean(
        value if isinstance(value, str) else "", words
    )


def _list_hint(value: Any, loc: Loc) -> str:
    if shape := _SHAPES.get(str(loc[-1])):
        return shape
    if not isinstance(value, str) or not _ITEM.fullmatch(value):
        return "write a list: [a, b]"
    return f"write [{value}]" if _PLAIN_ITEM.fullmatch(value) else f'write ["{value}"]'


def _keys_hint(loc: Loc, model: type[Doc]) -> str:
    shape = _SHAPES.get(str(loc[-1])) if loc else None
    if shape and not (loc[-1] == "path" and "url_rewrite" in loc):
        return shape
    known = ", ".join(f"`{key}`" for key in keys_of(_annotation_at(model, loc))[:6])
    return f"write keys like {known}" if known else "write NAME: value"


def keys_of(annotation: Any) -> list[str]:
    """The keys of the block that an annotation describes."""
    if isinstance(annotation, type) and issubclass(annotation, Doc):
        return [info.alias or name for name, info in annotation.model_fields.items()]
    return []


def _annotation_at(annotation: Any, loc: Loc) -> Any:
    """The annotation in a model for the value at `loc`."""
    for step in loc:
        annotation = _below(bare(annotation), step)
    return bare(annotation)


def _below(annotation: Any, step: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Doc):
        fields = annotation.model_fields
        infos = [info for name, info in fields.items() if (info.alias or name) == step]
        return infos[0].annotation if infos else None
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None


def bare(annotation: Any) -> Any:
    """An annotation without its metadata and without `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated or origin is Union or origin is UnionType:
            annotation = get_args(annotation)[0]
        else:
            return annotation
