"""The access log: one JSON line for each request, written in batches by a thread.

A request only appends to a list. A full disk or a pipe that is not read cannot delay a request: lines that do
not fit into the queue are dropped and counted.
"""

import asyncio
import contextlib
import logging
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Iterator

log = logging.getLogger(__name__)

_FLUSH_S = 0.25
_BATCH_LINES = 256
"""About 120 KB. Writing and freeing a larger batch would delay requests for longer, because of the GIL."""
_QUEUED_BATCHES = 400
_CLOSE_S = 2.0


class LogLock:
    """A lock among processes that write to the same log. Created before they fork.

    Appending to a file is atomic, but a pipe splits a batch, and batches of other processes could come between.
    The kernel releases a record lock when its process ends in any way. The locked file has one byte: `w` while a
    process writes, so the next one knows whether the last line is incomplete.
    """

    def __init__(self) -> None:
        self._fd = _shared_file()

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Wait for the lock and hold it. Yields whether the last writer ended in the middle of a batch."""
        import fcntl  # Not on Windows, where there is one process.

        fd = self._fd
        fcntl.lockf(fd, fcntl.LOCK_EX)
        try:
            yield os.pread(fd, 1, 0) == b"w"
            os.pwrite(fd, b"-", 0)
        finally:
            fcntl.lockf(fd, fcntl.LOCK_UN)

    def mark_writing(self) -> None:
        """Call this before the first byte of a batch is written."""
        os.pwrite(self._fd, b"w", 0)


def _shared_file() -> int:
    """A file without a name, in memory if the system has that: a container's disk may be read-only."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("facade-access-log")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class AccessLog:
    """Appends lines to `target`: the path of a file, `-` for standard output, `none` for no log.

    Owns one daemon thread until `aclose`. Raises OSError if the file cannot be opened. With `lock`, other
    processes may write to the same target.
    """

    def __init__(self, target: str, lock: LogLock | None = None) -> None:
        self.dropped = 0
        """Lines that were lost."""
        self.enabled = target != "none"
        self._lines: list[bytes] = []
        self._batches: queue.Queue[list[bytes] | None] = queue.Queue(_QUEUED_BATCHES)
        self._timer: asyncio.TimerHandle | None = None
        self._fd = -1
        self._owned = target != "-"
        self._lock = lock
        self._thread: threading.Thread | None = None
        if self.enabled:
            self._fd = sys.stdout.fileno() if target == "-" else _open(target)
            self._thread = threading.Thread(target=self._write_batches, daemon=True)
            self._thread.start()

    @staticmethod
    def check(target: str) -> None:
        """Raises OSError if the file cannot be opened."""
        if target not in ("-", "none"):
            os.close(_open(target))

    def offer(self, line: bytes) -> None:
        """Queue one line, without its line end. Call it only if `enabled`. The line is written within 0.25 s."""
        lines = self._lines
        lines.append(line)
        if len(lines) >= _BATCH_LINES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._batches.put_nowait(lines)
        except queue.Full:
            self.dropped += len(lines)

    async def aclose(self) -> None:
        """Write the queued lines; give up after 2 s, for example on a pipe that is not read."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flush()
        if self._thread is None:
            return
        try:
            self._batches.put_nowait(None)
        except queue.Full:
            log.warning("access log: %d batches were not written", self._batches.qsize())
            return
        await asyncio.to_thread(self._thread.join, _CLOSE_S)

    def _write_batches(self) -> None:
        while (lines := self._batches.get()) is not None:
            try:
                self._write(b"\n".join((*lines, b"")))
            except OSError as error:
                self.dropped += len(lines)
                log.error("access log: %d lines lost: %s", len(lines), error)
        if self._owned:
            os.close(self._fd)  # Closed by this thread: another one could close it during a write.

    def _write(self, data: bytes) -> None:
        if self._lock is None:
            _write_all(self._fd, data)
            return
        with self._lock.held() as cut_off:
            self._lock.mark_writing()
            _write_all(self._fd, b"\n" + data if cut_off else data)


def _open(target: str) -> int:
    return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
