"""The snapshot: an immutable table in effect with its index; and the holder of the current one."""

from collections.abc import Mapping

from msgspec import Struct

from proxy.errors import Problem
from proxy.model import Backend, FileSignatures, Limits, Listener, Networks, RouteTable, TlsContexts
from proxy.routing.logged_names import LoggedNames
from proxy.routing.match import Index

# Bytes of a request line beside its target: method, version, spaces.
_LINE_BYTES = 128


class Snapshot(Struct, frozen=True):
    """A table in effect. A request keeps the snapshot that it began with."""

    table: RouteTable
    index: Index
    version: str
    """The first 12 hexadecimal digits of the file's SHA-256."""
    loaded_at: float
    """The time of the load, as `time.time()`."""
    backends: Mapping[str, Backend]
    trusted: Networks
    exposed: Networks
    decision_header: bytes
    reads: LoggedNames
    max_head_bytes: int
    """The largest head that some route accepts. A larger one is refused before it is complete."""
    max_fields: int
    """The same for the number of header fields."""
    warnings: tuple[Problem, ...] = ()
    contexts: TlsContexts = {}
    """The TLS contexts of https backends. Empty if no files were loaded (`proxy.control.tls_files`)."""
    files: FileSignatures = {}
    """The files that the TLS contexts and the error bodies were loaded from."""
    error_bodies: Mapping[str, bytes] = {}
    """The content of the files in `errors`, by their paths in the table. Empty if no files were loaded."""
    has_cors: bool = False
    """Some route has a CORS policy: each OPTIONS request may be a preflight that another route takes."""

    @property
    def listener(self) -> Listener:
        """The limits of client connections."""
        return self.table.listener


class ReloadState(Struct, frozen=True):
    """The result of the last reload."""

    ok: bool = True
    error: str = ""
    at: float = 0.0
    reloads: int = 0
    failures: int = 0


class CurrentTable:
    """The current snapshot and the result of the last reload. The table watcher is its only writer.

    A reload replaces `current`, so requests in flight keep their snapshot.
    """

    __slots__ = ("current", "state")

    def __init__(self, current: Snapshot, state: ReloadState) -> None:
        self.current = current
        self.state = state


def head_bounds(table: RouteTable) -> tuple[int, int]:
    """The largest number of bytes and of header fields in a head that some route accepts, request line included."""
    limits = {route.limits for route in table.routes} | {Limits()}
    sizes = (
        each.max_uri_bytes + each.max_header_bytes + 4 * each.max_headers + _LINE_BYTES
        for each in limits
    )
    return max(sizes), max(each.max_headers for each in limits)
