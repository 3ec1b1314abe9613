"""The supervisor of a facade with several workers: it forks them, restarts them when they die or hang, and stops them.

Workers are forked, not spawned: a fork takes milliseconds, shares the memory of imported modules, and inherits the
listening sockets and the shared statistics. Forking is safe because the supervisor has no threads and no event loop:
the admin listener runs in a child, too.

    supervisor --SIGTERM--> workers         graceful shutdown; a second SIGTERM has no further effect
               --SIGQUIT--> all children    immediate shutdown
               --SIGHUP, SIGUSR1--> all     reload, as `signals` says
               --SIGKILL--> hung worker     after SIGUSR2, on which it writes its stacks to the log
"""

import contextlib
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence

from msgspec import Struct

from proxy.errors import FacadeError
from proxy.server.probes import is_hung
from proxy.server.service_manager import ServiceManager
from proxy.server.signals import (
    STOP_SIGNALS,
    SignalWaiter,
    block_reload_signals,
    unblock_reload_signals,
    write_stacks_on_signal,
)
from proxy.telemetry.shared_memory import SharedStats, StatField, WorkerState, WorkerStatus

log = logging.getLogger(__name__)

_POLL_S = 0.25
_STABLE_S = 5.0
"""A child that dies sooner is restarted with exponential backoff."""
_MIN_BACKOFF_S, _MAX_BACKOFF_S = 0.1, 4.0
_START_S = 60.0
_AFTER_DRAIN_S = 5.0
_QUIT_S = 3.0
_STACKS_S = 0.5
REFUSED = 2
"""Exit status of a child that cannot serve with these settings: restarting it would not help."""


class Role(Struct, frozen=True):
    """The program of a child. `run` returns the exit status. `worker` is the worker's index; None for another child."""

    name: str
    run: Callable[[], int]
    worker: int | None = None


class _Child(Struct, eq=False):
    role: Role
    pid: int = 0
    """0 while it is not running."""
    started_at: float = 0.0
    start_at: float = 0.0
    """When it is started next."""
    early_deaths: int = 0
    """Deaths one after the other, each soon after the start."""
    kill_at: float | None = None


class Supervisor:
    """`drain_s` is the time for a graceful shutdown, pause included. `announce` is called when all workers serve."""

    def __init__(
        self,
        stats: SharedStats,
        workers: Sequence[Role],
        admin: Role,
        drain_s: float,
        announce: Callable[[], None],
        manager: ServiceManager,
    ) -> None:
        self._stats = stats
        self._workers = [_Child(role) for role in workers]
        self._admin = _Child(admin)
        self._drain_s = drain_s
        self._announce = announce
        self._manager = manager
        self._announced = False
        self._refused = False
        self._stop_requests = 0
        """The number of signals to shut down so far."""
        self._handled_requests = 0
        """How many of them were passed on. The shutdown has begun if this is not 0."""
        self._kill_at: float | None = None
        self._reload_signals: set[signal.Signals] = set()
        """Signals that have to be passed on."""

    def run(self, on_stop: Callable[[], None]) -> int:
        """Supervise until all children have ended. Returns the exit status.

        `on_stop` is called when the shutdown begins.
        """
        with SignalWaiter(self._request_stop, self._reload_signals.add) as signals:
            while True:
                self._reap()
                self._pass_on_reload_signals()
                if self._stop_requests > self._handled_requests:
                    self._stop(on_stop)
                if self._handled_requests:
                    if self._all_ended():
                        return REFUSED if self._refused else 0
                else:
                    self._start_and_check(signals)
                signals.wait(_POLL_S)

    @property
    def _children(self) -> list[_Child]:
        return [self._admin, *self._workers]

    def _request_stop(self) -> None:
        self._stop_requests += 1

    def _pass_on_reload_signals(self) -> None:
        while self._reload_signals:
            number = self._reload_signals.pop()
            for child in self._children:
                _send(child.pid, number)
            if number == signal.SIGHUP:
                self._manager.reloading()
                self._manager.ready()

    # --- while it serves ------------------------------------------------------------------------

    def _start_and_check(self, signals: "SignalWaiter") -> None:
        now = time.monotonic()
        for child in self._children:
            if not child.pid and now >= child.start_at:
                self._start(child, signals)
        for child in self._workers:
            self._kill_if_hung(child, now)
        up = self._stats.admin_up and self._stats.serving == len(self._stats)
        if up and not self._announced:
            self._announced = True
            self._announce()

    def _start(self, child: _Child, signals: "SignalWaiter") -> None:
        child.started_at, child.kill_at = time.monotonic(), None
        sys.stdout.flush()
        # A signal must not reach the child while it still has the supervisor's handlers: it waits meanwhile.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        block_reload_signals()
        child.pid = os.fork()
        if not child.pid:
            signals.reset_in_child()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        if not child.pid:
            _run_child(child.role)  # It unblocks the reload signals once it can handle them.
        unblock_reload_signals()

    def _kill_if_hung(self, child: _Child, now: float) -> None:
        """Kill a worker that hangs, after it has written its stacks to the log."""
        if not child.pid or child.role.worker is None:
            return
        worker = self._stats.workers[child.role.worker]
        is_starting = worker.state == WorkerState.STARTING
        if child.kill_at is not None:
            if now >= child.kill_at:
                _send(child.pid, signal.SIGKILL)
        elif is_hung(worker, now) or (is_starting and now - child.started_at > _START_S):
            log.error("%s (pid %d) does not answer: killing it", child.role.name, child.pid)
            _send(child.pid, signal.SIGUSR2)
            child.kill_at = now + _STACKS_S

    def _reap(self) -> None:
        for child in self._children:
            if child.pid:
                pid, wait_status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    self._on_exit(child, os.waitstatus_to_exitcode(wait_status))

    def _on_exit(self, child: _Child, status: int) -> None:
        pid, child.pid = child.pid, 0
        if child.role.worker is not None:
            worker = self._stats.workers[child.role.worker]
            worker.head[StatField.STATE] = WorkerState.DOWN
            worker.head[StatField.CONNECTIONS] = 0
            worker.publish(WorkerStatus())
        else:
            self._stats.admin_up = False
        if self._handled_requests:
            if status:
                log.warning("%s (pid %d) ended %s", child.role.name, pid, _exit_text(status))
            return
        if status == REFUSED and not self._announced:
            self._refused = True
            self._request_stop()
            return
        self._schedule_restart(child, pid, status)

    def _schedule_restart(self, child: _Child, pid: int, status: int) -> None:
        now = time.monotonic()
        if now - child.started_at >= _STABLE_S:
            child.early_deaths = 0
        backoff_s = 0.0
        if child.early_deaths:
            backoff_s = min(_MAX_BACKOFF_S, _MIN_BACKOFF_S * 2 ** min(child.early_deaths, 10))
        child.early_deaths += 1
        child.start_at = now + backoff_s
        if child.role.worker is not None:
            self._stats.workers[child.role.worker].head[StatField.RESTARTS] += 1
        log.error(
            "%s (pid %d) ended %s: starting it anew in %.1f s",
            *(child.role.name, pid, _exit_text(status), backoff_s),
        )

    # --- while it stops -------------------------------------------------------------------------

    def _stop(self, on_stop: Callable[[], None]) -> None:
        """The first request stops the workers gracefully, a second one immediately."""
        immediately = self._handled_requests > 0 or self._stop_requests > 1 or self._refused
        if not self._handled_requests:
            self._stats.stopping = True
            self._manager.stopping()
            on_stop()
        self._handled_requests = self._stop_requests
        for child in self._workers:
            _send(child.pid, signal.SIGQUIT if immediately else signal.SIGTERM)
        limit_s = _QUIT_S if immediately else self._drain_s + _AFTER_DRAIN_S
        self._kill_at = time.monotonic() + limit_s

    def _all_ended(self) -> bool:
        """Whether all children have ended. The admin process is the last: until then it responds "not ready"."""
        now = time.monotonic()
        is_late = self._kill_at is not None and now >= self._kill_at
        running = [child for child in self._workers if child.pid]
        if is_late:
            for child in running:
                log.error("%s (pid %d) has not ended in time", child.role.name, child.pid)
                _send(child.pid, signal.SIGKILL)
        if running:
            return False
        if self._admin.pid and self._admin.kill_at is None:
            _send(self._admin.pid, signal.SIGQUIT)
            self._admin.kill_at = now + _QUIT_S
        elif self._admin.pid and self._admin.kill_at is not None and now >= self._admin.kill_at:
            _send(self._admin.pid, signal.SIGKILL)
        return not self._admin.pid


def _run_child(role: Role) -> None:
    """Run a child's role and exit. Never returns."""
    status = 1
    try:
        write_stacks_on_signal()
        status = role.run()
    except FacadeError as error:
        print(error, file=sys.stderr)
        status = REFUSED
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _send(pid: int, number: signal.Signals) -> None:
    """Call this only for a child that was not reaped: until then no other process has its id."""
    if pid:
        os.kill(pid, number)


def _exit_text(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
