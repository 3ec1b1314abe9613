"""`GET /figures`: the figures of the routes with a rollout, over all workers of this facade."""

import os
import socket

from proxy.analysis.figures import FiguresReport
from proxy.model import Health
from proxy.routing.snapshot import CurrentTable
from proxy.telemetry.route_figures import figures_of, is_watched
from proxy.telemetry.shared_memory import SharedStats, WorkerState


def figures_report(table: CurrentTable, stats: SharedStats, health: Health) -> FiguresReport:
    """The counters since the start of the facade. `facade rollout` subtracts an earlier report."""
    current = table.current
    serving = [worker for worker in stats if worker.state == WorkerState.SERVING]
    versions = {worker.status().table for worker in serving} - {""} or {current.version}
    backends = {
        ref.backend
        for route in current.table.routes
        if is_watched(route)
        for ref in route.backend_refs
    }
    return FiguresReport(
        stats.replica,
        socket.gethostname(),
        os.getpid(),
        tuple(sorted(versions | {current.version})),
        {name: health.breaker(name) for name in sorted(backends)},
        figures_of(stats, current.table),
    )
