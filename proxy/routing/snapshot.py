"""A table in effect, with all that a request needs of it; and the place that holds the current one."""

from collections.abc import Mapping

from msgspec import Struct

from proxy.errors import Problem
from proxy.model import Backend, FileSignatures, Limits, Listener, RouteTable, TlsContexts
from proxy.routing.facts import Networks
from proxy.routing.logged_names import LoggedNames
from proxy.routing.match import Index

# Of a request line, beside its target: method, version, spaces.
_LINE_BYTES = 128


class Snapshot(Struct, frozen=True):
    """Everything that one request needs of the table, from its first line to its last."""

    table: RouteTable
    index: Index
    version: str
    """The first 12 hexadecimal digits of the file's SHA-256."""
    loaded_at: float
    """`time.time()` of the load."""
    backends: Mapping[str, Backend]
    trusted: Networks
    exposed: Networks
    decision_header: bytes
    reads: LoggedNames
    max_head_bytes: int
    """Beyond this no route takes a request's head: it need not be read to its end."""
    max_fields: int
    """The same for the number of its header fields."""
    warnings: tuple[Problem, ...] = ()
    contexts: TlsContexts = {}
    """How https backends are spoken to; empty without `with_credentials`."""
    files: FileSignatures = {}
    """The files that backends were made ready with."""

    @property
    def listener(self) -> Listener:
        """The limits of client connections."""
        return self.table.listener


class ReloadState(Struct, frozen=True):
    """How the last look at the file ended."""

    ok: bool = True
    error: str = ""
    at: float = 0.0
    reloads: int = 0
    failures: int = 0


class CurrentTable:
    """The table in effect, and how the last look at its file ended. Its one writer is the table watcher.

    `current` is replaced, never edited: a request keeps the snapshot that it began with.
    """

    __slots__ = ("current", "state")

    def __init__(self, current: Snapshot, state: ReloadState) -> None:
        self.current = current
        self.state = state


def head_bounds(table: RouteTable) -> tuple[int, int]:
    """The most bytes and header fields that some route takes, request line and line ends included."""
    limits = {route.limits for route in table.routes} | {Limits()}
    sizes = (
        each.max_uri_bytes + each.max_header_bytes + 4 * each.max_headers + _LINE_BYTES
        for each in limits
    )
    return max(sizes), max(each.max_headers for each in limits)
