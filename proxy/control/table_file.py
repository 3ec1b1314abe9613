"""The snapshot that the file of a table makes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from proxy.config.load import Loaded
from proxy.control.error_files import load_error_files
from proxy.control.key_files import load_key_files
from proxy.control.tls_files import load_tls_files
from proxy.errors import FacadeError, Problem, TableError
from proxy.model import Endpoint, Networks, field_name
from proxy.routing.logged_names import names_that_rules_read
from proxy.routing.snapshot import Snapshot, head_bounds


def snapshot_of(
    loaded: Loaded, text: bytes, overrides: Mapping[str, Endpoint], now: float
) -> Snapshot:
    """The snapshot of a table without the content of the files that it names. `now` is in seconds since the epoch.

    Raises FacadeError if `overrides` names a backend that the table does not have.
    """
    table = loaded.table
    backends = {backend.name: backend for backend in table.backends}
    for name, endpoint in overrides.items():
        if name not in backends:
            raise FacadeError(
                f"--backend {name}: the table has no such backend, it has {', '.join(backends)}"
            )
        backends[name] = replace(backends[name], endpoints=(endpoint,))
    return Snapshot(
        table,
        loaded.index,
        hashlib.sha256(text).hexdigest()[:12],
        now,
        backends,
        Networks(table.forwarded.trusted_proxies),
        Networks(table.explain.expose_to),
        field_name(table.explain.response_header.encode()),
        names_that_rules_read(table),
        *head_bounds(table),
        loaded.warnings,
        has_cors=any(route.cors is not None for route in table.routes),
    )


def with_files(snapshot: Snapshot, path: Path) -> Snapshot:
    """`snapshot` with the current content of the files that its table names: of TLS, error bodies and keys.

    Blocks. Raises TableError with the problems of all of them.
    """
    problems: list[Problem] = []
    try:
        errors = load_error_files(snapshot.table.error_files, path)
    except TableError as refused:
        problems += refused.problems
    try:
        keys = load_key_files(snapshot.table.key_files, path)
    except TableError as refused:
        problems += refused.problems
    try:
        tls = load_tls_files(snapshot.backends, snapshot.table.tls_files, path)
    except TableError as refused:
        problems += refused.problems
    if problems:
        raise TableError(str(path), tuple(sorted(problems)))
    return replace(
        snapshot,
        table=replace(snapshot.table, keys=keys.keys),
        backends=tls.backends,
        contexts=tls.contexts,
        files={**tls.files, **errors.files, **keys.files},
        error_bodies=errors.bodies,
    )
