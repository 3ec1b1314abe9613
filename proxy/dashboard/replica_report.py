"""What a replica tells the others of its table: `GET /replica` of the admin listener."""

import socket
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.shared_memory import SharedStats, WorkerState

PATH = "/replica"
_Short = Annotated[str, Meta(max_length=64)]


class WorkerTable(Struct, frozen=True):
    """The state of a worker, and the version of its table; empty before it has one."""

    state: _Short
    table: _Short


class ReplicaReport(Struct, frozen=True):
    """One replica: the JSON of `GET /replica`."""

    replica: _Short
    """Names the process: it is another one after a restart."""
    host: Annotated[str, Meta(max_length=256)]
    table_version: _Short
    loaded_at: Annotated[float, Meta(ge=0, le=253_402_300_799)]
    """When its table took effect, as a Unix time."""
    last_reload_ok: bool
    workers: Annotated[tuple[WorkerTable, ...], Meta(max_length=128)]


def read_report(body: bytes) -> ReplicaReport:
    """Raises ValueError for another JSON, or none."""
    return msgspec.json.decode(body, type=ReplicaReport)


def own_report(table: CurrentTable, stats: SharedStats) -> ReplicaReport:
    """The report of this process."""
    workers = tuple(
        WorkerTable(WorkerState(worker.state).name.lower(), worker.status().table)
        for worker in stats
    )
    current = table.current
    return ReplicaReport(
        stats.replica,
        socket.gethostname(),
        current.version,
        current.loaded_at,
        table.state.ok,
        workers,
    )
