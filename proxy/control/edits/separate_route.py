"""One route of a table that was checked, read from its own lines, for an edit of its stage and weights (ADR 26). Pure.

The rest of the table is not parsed: the edit leaves it as it is, and nothing in it depends on the stage or the weights
of the route. Tests do, so a table with a test that this route could concern is loaded as a whole.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from proxy.config.reader import MAX_BLOCK, MAX_BYTES, MAX_NODES, read_tree
from proxy.config.separate import NotCertain, is_separate, read_route, separate
from proxy.config.shorthand import long_route
from proxy.config.stage_rules import stage_faults
from proxy.control.changes import Changes, RouteChange, state_of
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.splices import Splice, spliced
from proxy.control.edits.yaml_nodes import Document, read_item
from proxy.errors import TableError
from proxy.model import ALL_BP, BackendRef, Match, Route
from proxy.model.stage import STAGES, Stage


class WrittenRef(Struct, frozen=True):
    """A reference, with its weight in hundredths of a per cent."""

    name: str
    weight: int


class WrittenRoute(Struct, frozen=True):
    """A route as it is written: what `stage_rules` looks at, and the rest."""

    name: str
    stage: Stage | None
    backend_refs: tuple[WrittenRef, ...] | None
    direct_response: object | None
    redirect: object | None
    retired: object | None
    rollout: object | None
    mirror: object | None
    override: object | None
    fallback: object | None
    rest: dict[str, Any]
    """Everything but stage and weights."""
    size: int

    def route(self) -> Route:
        """The route with its stage and references, and nothing else."""
        refs = tuple(BackendRef(ref.name, ref.weight) for ref in self.backend_refs or ())
        return Route(self.name, (Match(),), refs, self.stage)


class SeparateRoute(Struct, frozen=True):
    """A text that loads, and the route that is edited."""

    text: bytes
    file: str
    kill_switch: bool
    nodes: int
    """The keys and values of the whole text."""
    start: int
    """The first byte of the route's lines."""
    lines: bytes
    written: WrittenRoute

    def route(self, name: str) -> Route:
        """Its stage and references. Raises NotCertain for another route."""
        if name != self.written.name:
            raise NotCertain
        return self.written.route()

    def document(self, name: str | None) -> Document:
        """The nodes of the route. Raises NotCertain for another one, and for the top level."""
        if name != self.written.name:
            raise NotCertain
        return read_item(self.lines)

    def edited(
        self, document: Document, splices: Sequence[Splice], intended: Changes
    ) -> EditedTable:
        """The new text. Raises NotCertain unless it is certain that it loads, and that it changes what is intended."""
        lines = spliced(self.lines, document, splices)
        written = _written(lines, self.file)
        nodes = self.nodes - self.written.size + written.size
        if written.rest != self.written.rest or not is_separate(lines):
            raise NotCertain
        if written.size > MAX_BLOCK or nodes > MAX_NODES or any(stage_faults(written)):
            raise NotCertain
        change = RouteChange(
            written.name, state_of(self.written.route()), state_of(written.route())
        )
        text = self.text[: self.start] + lines + self.text[self.start + len(self.lines) :]
        if Changes(routes=(change,)) != intended or len(text) > MAX_BYTES:
            raise NotCertain
        return EditedTable(text, self.kill_switch, intended, nodes)


def separate_route(text: bytes, file: str, name: str, nodes: int) -> SeparateRoute | None:
    """The route `name` of a text that loads and whose routes can be read one by one.

    None if the edit needs the whole text.
    """
    parts = separate(text, ())
    if parts is None:
        return None
    named = re.compile(rb"name[\"']?[ ]*:[ ]*[\"']?" + re.escape(name.encode()) + rb"(?![\w.-])")
    start = parts.start
    try:
        for lines in parts.routes:
            if named.search(lines) and (written := _written(lines, file)).name == name:
                root = read_tree(parts.outline, file).root
                if not lines.endswith(b"\n") or _is_tested(name, root.get("tests", ())):
                    return None
                kill_switch = root.get("kill_switch", False)
                return SeparateRoute(text, file, kill_switch, nodes, start, lines, written)
            start += len(lines)
    except (TableError, NotCertain):
        return None
    return None


def _is_tested(name: str, tests: Sequence[Any]) -> bool:
    """Whether the result of a test could depend on the route. A test that names another one passes only there."""
    return any(test.get("expect", {}).get("route", name) == name for test in tests)


def _written(lines: bytes, file: str) -> WrittenRoute:
    """The route in these lines. Raises NotCertain or TableError for lines that are no route."""
    value = long_route(item := read_route(lines, file)[1])
    if not isinstance(value, dict) or type(value.get("name")) is not str:
        raise NotCertain
    rest = {key: each for key, each in value.items() if key != "stage"}
    refs = value.get("backend_refs")
    written_refs = None
    if refs is not None:
        if not isinstance(refs, list):
            raise NotCertain
        written_refs = tuple(map(_ref, refs))
        rest["backend_refs"] = [_without_weight(each) for each in refs]
    given = {key: value.get(key) for key in WrittenRoute.__struct_fields__[3:-2]}
    return WrittenRoute(
        value["name"], _stage(value.get("stage")), written_refs, **given, rest=rest, size=item.size
    )


def _stage(word: object) -> Stage | None:
    for stage in STAGES:
        if word == stage:
            return stage
    if word is not None:
        raise NotCertain
    return None


def _ref(value: Any) -> WrittenRef:
    if not isinstance(value, dict) or type(value.get("name")) is not str:
        raise NotCertain
    return WrittenRef(value["name"], _bp(value.get("weight")))


def _bp(weight: object) -> int:
    """Hundredths of a per cent. `bool` is an `int`, and no weight."""
    if not isinstance(weight, int | Decimal) or isinstance(weight, bool):
        raise NotCertain
    exact = Decimal(weight) * 100
    if exact != exact.to_integral_value() or not 0 <= exact <= ALL_BP:
        raise NotCertain
    return int(exact)


def _without_weight(ref: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in ref.items() if key != "weight"}
