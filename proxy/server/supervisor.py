"""Keeps the processes of a facade running: forks them, starts anew what dies or hangs, and ends them in order.

Workers are forked and not spawned: a new one is there in milliseconds, shares the memory of what was imported,
and has its listening socket and the board without being told where they are. Forking is safe because the
supervisor has no thread, no event loop and nothing else to do: the admin listener is a child, too.

    supervisor --SIGTERM--> workers        end in order; said again it changes nothing
               --SIGQUIT--> all            end at once
               --SIGKILL--> what hangs     after its stacks were written to the log (SIGUSR2)
"""

import contextlib
import faulthandler
import logging
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence

from msgspec import Struct

from proxy.errors import FacadeError
from proxy.server.probes import hung
from proxy.telemetry.shared_memory import SharedStats, State, StatField, Status

log = logging.getLogger(__name__)

_LOOK_S = 0.25
_LIVED_S = 5.0
"""A process that dies sooner is started anew after a while only, ever longer."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 4.0
_START_S = 60.0
_AFTER_DRAIN_S = 5.0
_AT_ONCE_S = 3.0
_STACKS_S = 0.5
_OURS = (signal.SIGTERM, signal.SIGINT)
REFUSED = 2
"""Exit status of a process that cannot serve as it was asked to."""


class Role(Struct, frozen=True):
    """What a child does: `run` gives its exit status. `part` is its number on the board, if it has one."""

    name: str
    run: Callable[[], int]
    part: int | None = None


class _Child(Struct, eq=False):
    role: Role
    pid: int = 0
    """0 while it is not running."""
    began: float = 0.0
    due: float = 0.0
    """When it is to be started."""
    short_lives: int = 0
    kill_at: float | None = None


class Supervisor:
    """`drain_s` is how long workers may take to end, with their pause. `announce` is called once all serve."""

    def __init__(
        self,
        board: SharedStats,
        workers: Sequence[Role],
        admin: Role,
        drain_s: float,
        announce: Callable[[], None],
    ) -> None:
        self._board = board
        self._workers = [_Child(role) for role in workers]
        self._admin = _Child(admin)
        self._drain_s = drain_s
        self._announce = announce
        self._announced = False
        self._refused = False
        self._told = 0
        """How often it was told to stop."""
        self._obeyed = 0
        self._kill_at: float | None = None

    def run(self, on_stop: Callable[[], None]) -> int:
        """Supervise until everything has ended; the exit status. `on_stop` is called when that begins."""
        with _Waker(self._tell) as waker:
            while True:
                self._reap()
                if self._told > self._obeyed:
                    self._stop(on_stop)
                if self._obeyed:
                    if self._ended():
                        return REFUSED if self._refused else 0
                else:
                    self._look(waker)
                waker.wait(_LOOK_S)

    @property
    def _children(self) -> list[_Child]:
        return [self._admin, *self._workers]

    def _tell(self) -> None:
        self._told += 1

    # --- while it serves ------------------------------------------------------------------------

    def _look(self, waker: "_Waker") -> None:
        now = time.monotonic()
        for child in self._children:
            if not child.pid and now >= child.due:
                self._start(child, waker)
        for child in self._workers:
            self._judge(child, now)
        up = self._board.admin_up and self._board.serving == len(self._board)
        if up and not self._announced:
            self._announced = True
            self._announce()

    def _start(self, child: _Child, waker: "_Waker") -> None:
        child.began, child.kill_at = time.monotonic(), None
        sys.stdout.flush()
        # A signal that comes in between is kept for whom it is for.
        signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
        child.pid = os.fork()
        if not child.pid:
            waker.leave()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
        if not child.pid:
            _live(child.role)

    def _judge(self, child: _Child, now: float) -> None:
        """Kill a worker that hangs, after it has told where."""
        if not child.pid or child.role.part is None:
            return
        part = self._board.parts[child.role.part]
        if child.kill_at is not None:
            if now >= child.kill_at:
                _send(child.pid, signal.SIGKILL)
        elif hung(part, now) or (part.state == State.STARTING and now - child.began > _START_S):
            log.error("%s (pid %d) does not answer: killing it", child.role.name, child.pid)
            _send(child.pid, signal.SIGUSR2)
            child.kill_at = now + _STACKS_S

    def _reap(self) -> None:
        for child in self._children:
            if child.pid:
                pid, how = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    self._gone(child, os.waitstatus_to_exitcode(how))

    def _gone(self, child: _Child, status: int) -> None:
        pid, child.pid = child.pid, 0
        if child.role.part is not None:
            head = self._board.parts[child.role.part].head
            head[StatField.STATE], head[StatField.CONNECTIONS] = State.DOWN, 0
            self._board.parts[child.role.part].publish(Status())
        else:
            self._board.admin_up = False
        if self._obeyed:
            if status:
                log.warning("%s (pid %d) ended %s", child.role.name, pid, _told(status))
            return
        if status == REFUSED and not self._announced:
            self._refused = True
            self._tell()
            return
        self._plan_anew(child, pid, status)

    def _plan_anew(self, child: _Child, pid: int, status: int) -> None:
        now = time.monotonic()
        if now - child.began >= _LIVED_S:
            child.short_lives = 0
        wait_s = 0.0
        if child.short_lives:
            wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(child.short_lives, 10))
        child.short_lives += 1
        child.due = now + wait_s
        if child.role.part is not None:
            self._board.parts[child.role.part].head[StatField.RESTARTS] += 1
        log.error(
            "%s (pid %d) ended %s: starting it anew in %.1f s",
            *(child.role.name, pid, _told(status), wait_s),
        )

    # --- while it stops -------------------------------------------------------------------------

    def _stop(self, on_stop: Callable[[], None]) -> None:
        """Told once, end in order; told again, at once."""
        again = self._obeyed > 0 or self._told > 1 or self._refused
        if not self._obeyed:
            self._board.stopping = True
            on_stop()
        self._obeyed = self._told
        for child in self._workers:
            _send(child.pid, signal.SIGQUIT if again else signal.SIGTERM)
        in_s = _AT_ONCE_S if again else self._drain_s + _AFTER_DRAIN_S
        self._kill_at = time.monotonic() + in_s

    def _ended(self) -> bool:
        """Whether everything has. The admin listener is the last: it tells "not ready" until then."""
        now = time.monotonic()
        late = self._kill_at is not None and now >= self._kill_at
        running = [child for child in self._workers if child.pid]
        if late:
            for child in running:
                log.error("%s (pid %d) has not ended in time", child.role.name, child.pid)
                _send(child.pid, signal.SIGKILL)
        if running:
            return False
        if self._admin.pid and self._admin.kill_at is None:
            _send(self._admin.pid, signal.SIGQUIT)
            self._admin.kill_at = now + _AT_ONCE_S
        elif self._admin.pid and self._admin.kill_at is not None and now >= self._admin.kill_at:
            _send(self._admin.pid, signal.SIGKILL)
        return not self._admin.pid


class _Waker:
    """Wakes the supervisor on a signal: `told` is called for SIGTERM and SIGINT, and SIGCHLD ends a wait."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self._read, self._write = socket.socketpair()

    def __enter__(self) -> "_Waker":
        self._read.setblocking(False)
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in _OURS:
            signal.signal(number, lambda *_: self._told())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        self._read.close()
        self._write.close()

    def wait(self, seconds: float) -> None:
        """Until a signal comes, or that long."""
        select.select([self._read], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._read.recv(4096)

    def leave(self) -> None:
        """In a child: signals are its own again."""
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        # Ctrl-C reaches all processes of a terminal; the supervisor hears it, and tells.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.__exit__()


def _live(role: Role) -> None:
    """A child's life. Does not come back."""
    status = 1
    try:
        faulthandler.register(signal.SIGUSR2, file=sys.stderr, all_threads=True)
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
    """Only to children that were not reaped yet: their number is theirs until then."""
    if pid:
        os.kill(pid, number)


def _told(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
