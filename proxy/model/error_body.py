"""The bodies that a table gives to error responses of the facade."""

from msgspec import Struct


class ErrorBody(Struct, frozen=True):
    """A body with its type: `body`, or the content of `file`."""

    content_type: bytes = b""
    """Empty for a response without Content-Type."""
    body: bytes = b""
    file: str | None = None
    """The path as written in the table; relative to the folder of the table."""


ErrorBodies = tuple[tuple[str, ErrorBody], ...]
"""For statuses (`502`) and classes (`5xx`)."""


class ErrorFile(Struct, frozen=True):
    """A file that an error body names, and its first position in the table."""

    path: str
    line: int
    column: int
