"""A table that is edited, as the operations see it. Pure."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from proxy.control.changes import Changes
from proxy.control.edits.splices import Splice
from proxy.control.edits.yaml_nodes import Document
from proxy.control.rollout_mark import RolloutMark
from proxy.model import Route


class EditedTable(Struct, frozen=True):
    """The text after an edit."""

    text: bytes
    kill_switch: bool
    changes: Changes
    nodes: int | None
    """Its keys and values; None if its routes cannot be read one by one."""
    mark: RolloutMark | None = None
    """What the history records of a rollout."""


class EditableTable(Protocol):
    """A text that loads: the whole table (`ParsedTable`), or one route of it (`SeparateRoute`)."""

    @property
    def text(self) -> bytes: ...

    @property
    def kill_switch(self) -> bool: ...

    @property
    def nodes(self) -> int | None: ...

    def route(self, name: str) -> Route:
        """A route with at least its stage and references. Raises EditError for a name that no route has."""
        ...

    def document(self, name: str | None) -> Document:
        """The nodes of the text. `name` is the route that is edited."""
        ...

    def edited(
        self, document: Document, splices: Sequence[Splice], intended: Changes
    ) -> EditedTable:
        """The new text. Raises EditError unless it loads, and changes `intended` and nothing else."""
        ...
