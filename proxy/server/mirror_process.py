"""The mirror process: it makes the copies of all workers, and compares the responses (ADR 34).

Workers hand it requests that have ended. It has its own connections, and runs only while no process of the facade wants
the CPU. It ends when its standard input does. `python -m proxy.server.mirror_process` reads what it needs from there.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import sys
import time
from pathlib import Path

import msgspec

from proxy.control import table_watcher
from proxy.control.table_watcher import TableWatcher
from proxy.errors import FacadeError
from proxy.mirroring.comparisons import REST_FOR_COPIES
from proxy.mirroring.copy_maker import CopyMaker
from proxy.mirroring.inlet import Inlet
from proxy.mirroring.lane import RECEIVE_BUFFER_BYTES
from proxy.model import Backend
from proxy.server.app import background_tasks
from proxy.server.event_loop import loop_factory
from proxy.server.heartbeat import Heartbeat, resident_bytes
from proxy.server.mirror_way import MirrorPlan
from proxy.server.signals import write_stacks_on_signal
from proxy.telemetry.shared_memory import SharedMirror, StatField, WorkerState, WorkerStatus
from proxy.upstream import Upstream, open_upstream


def main() -> int:
    """Copy and compare until the standard input ends. Returns the exit status."""
    _ignore_signals()
    write_stacks_on_signal()
    _lower_priority()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s mirror: %(message)s",
    )
    # Every process watches the table; another one logs for all of them.
    table_watcher.log.setLevel(logging.CRITICAL)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    text = sys.stdin.buffer.readline()
    if not text:
        return 0  # The facade has ended meanwhile.
    plan = msgspec.json.decode(text, type=MirrorPlan)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_copy(plan))
    except (FacadeError, OSError) as error:
        logging.error("%s", error)
        return 1
    return 0


def _ignore_signals() -> None:
    """A terminal and systemd send theirs to all processes of a facade: this one ends after the workers."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _lower_priority() -> None:
    """Run when nothing else does: a process with SCHED_IDLE gives the CPU away as soon as another one wakes up."""
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    os.nice(19)


async def _copy(plan: MirrorPlan) -> None:
    shared = SharedMirror(plan.memory)
    shared.stats.begin()
    maker = CopyMaker.create(_open, shared, REST_FOR_COPIES)
    routes = Path(plan.routes)
    watcher = TableWatcher(routes, plan.backends, maker.mirrors.adopt, recording=False)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    inlet = Inlet([socket.socket(fileno=each) for each in plan.ends], maker.mirrors)
    heartbeat = Heartbeat(shared.stats, lambda lag_s: _status(watcher, lag_s), lambda: None)
    async with background_tasks(watcher, heartbeat.run(), *maker.tasks()):
        shared.stats.head[StatField.STATE] = WorkerState.SERVING
        inlet.start()
        await ended.wait()
        inlet.stop()
        await maker.aclose()
    shared.stats.head[StatField.STATE] = WorkerState.DOWN


def _open(backend: Backend, tls: ssl.SSLContext | None) -> Upstream:
    return open_upstream(backend, None, tls, receive_buffer_bytes=RECEIVE_BUFFER_BYTES)


def _status(watcher: TableWatcher, lag_s: float) -> WorkerStatus:
    version = watcher.table.current.version
    return WorkerStatus(version, lag_s, 0, time.process_time(), resident_bytes())


if __name__ == "__main__":
    sys.exit(main())
