"""Values of a request in texts of a table: `{client}`, `{path.id}`."""

from typing import Literal

from msgspec import Struct

ValueKind = Literal["client", "scheme", "host", "request_id", "path", "query", "header"]


class RequestValue(Struct, frozen=True):
    """One value of a request. `path`, `query` and `header` have a name."""

    kind: ValueKind
    name: str = ""


ValueTemplate = tuple[bytes | RequestValue, ...]
"""A text with values: its parts in order."""


class QueryEdits(Struct, frozen=True):
    """Edits of a query: the names to remove, then those to set. Names are decoded."""

    set: tuple[tuple[str, ValueTemplate], ...] = ()
    remove: tuple[str, ...] = ()
