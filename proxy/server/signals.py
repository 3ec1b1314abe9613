"""The signals of a process that serves: which ones reload, and when they are delivered.

    SIGHUP     read the table and the certificates of the listener again, reopen the access log
    SIGUSR1    reopen the access log
    SIGUSR2    write the stacks of all threads to standard error

None of them ends the process, also not while it starts or stops: until there are handlers, and after the loop has
ended, the first two are blocked. One that comes meanwhile waits.
"""

import asyncio
import contextlib
import faulthandler
import select
import signal
import socket
import sys
from collections.abc import Callable

if sys.platform == "win32":
    RELOAD_SIGNALS: tuple[signal.Signals, ...] = ()
    STOP_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT)
else:
    RELOAD_SIGNALS = (signal.SIGHUP, signal.SIGUSR1)
    STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    """All three end the process gracefully. A terminal sends the last two for Ctrl-C and Ctrl-\\."""


def block_reload_signals() -> None:
    """Let reload signals wait. Call it before the first thread starts: threads inherit what is blocked."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, RELOAD_SIGNALS)


def unblock_reload_signals() -> None:
    """Deliver the reload signals that wait, and those that come."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, RELOAD_SIGNALS)


def follow_reload_signals(reload: Callable[[], None], reopen: Callable[[], None]) -> None:
    """Call `reload` and `reopen` on the running loop for SIGHUP and SIGUSR1. Only in the main thread."""
    if sys.platform == "win32":
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(signal.SIGUSR1, reopen)
    unblock_reload_signals()


def write_stacks_on_signal() -> None:
    """SIGUSR2 writes the stacks of all threads to standard error, also while the event loop is blocked."""
    if sys.platform != "win32":
        faulthandler.register(signal.SIGUSR2, file=sys.stderr, all_threads=True)


class SignalWaiter:
    """Waits for signals to stop, to reload, and of the end of a child. Each ends a wait."""

    def __init__(
        self,
        on_stop_signal: Callable[[], None],
        on_reload_signal: Callable[[signal.Signals], None],
    ) -> None:
        self._on_stop_signal = on_stop_signal
        self._on_reload_signal = on_reload_signal
        self._read, self._write = socket.socketpair()

    def __enter__(self) -> "SignalWaiter":
        self._read.setblocking(False)
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: self._on_stop_signal())
        for number in RELOAD_SIGNALS:
            signal.signal(number, lambda sent, _: self._on_reload_signal(signal.Signals(sent)))
        unblock_reload_signals()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        block_reload_signals()
        signal.set_wakeup_fd(-1)
        self._read.close()
        self._write.close()

    def wait(self, seconds: float) -> None:
        """Return after a signal, at the latest after `seconds`."""
        select.select([self._read], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._read.recv(4096)

    def reset_in_child(self) -> None:
        """Restore the default handlers, in a child."""
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        # Ctrl-C reaches all processes of a terminal: the supervisor handles it and sends SIGTERM.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.__exit__()
