"""The access log: one JSON line a request, written in batches by a thread of its own.

A request only appends to a list. Nothing that the log's reader does (a full disk, a pipe that nobody
empties) reaches a request: what does not fit is dropped and counted.
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
"""Some 120 KB. A large batch is a pause: writing it takes the core from the requests, and freeing it too."""
_WAITING_BATCHES = 400
_CLOSE_S = 2.0


class LogLock:
    """Whose turn it is to write: of several processes with one log, one at a time. Made before they fork.

    Appending to a file is atomic, but a pipe takes a batch in parts, and those of others between them.
    A record lock belongs to a process, and ends with it whatever its end is. The one byte of the locked file
    tells whether a writer ended in the middle of a line.
    """

    def __init__(self) -> None:
        self._number = _shared_byte()

    @contextlib.contextmanager
    def taken(self) -> Iterator[bool]:
        """Wait for the turn, and have it while inside. Gives whether the writer before was cut off."""
        import fcntl  # Not on Windows, where there is one process.

        number = self._number
        fcntl.lockf(number, fcntl.LOCK_EX)
        try:
            yield os.pread(number, 1, 0) == b"w"
            os.pwrite(number, b"-", 0)
        finally:
            fcntl.lockf(number, fcntl.LOCK_UN)

    def writing(self) -> None:
        """Say so before the first byte."""
        os.pwrite(self._number, b"w", 0)


def _shared_byte() -> int:
    """A file without a name. In memory where that can be had: a container's disk may be read-only."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("facade-access-log")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class AccessLog:
    """Appends lines to `target`: a file's path, `-` for standard output, `none` for nowhere.

    Owns one daemon thread while it is open. Raises OSError if the file cannot be opened. With `turns`, other
    processes write to the same target.
    """

    def __init__(self, target: str, turns: LogLock | None = None) -> None:
        self.dropped = 0
        self.enabled = target != "none"
        self._lines: list[bytes] = []
        self._batches: queue.Queue[list[bytes] | None] = queue.Queue(_WAITING_BATCHES)
        self._timer: asyncio.TimerHandle | None = None
        self._fd = -1
        self._owned = target != "-"
        self._turns = turns
        self._thread: threading.Thread | None = None
        if self.enabled:
            self._fd = sys.stdout.fileno() if target == "-" else _opened(target)
            self._thread = threading.Thread(target=self._write_batches, daemon=True)
            self._thread.start()

    @staticmethod
    def check(target: str) -> None:
        """Raises OSError if the file cannot be opened."""
        if target not in ("-", "none"):
            os.close(_opened(target))

    def offer(self, line: bytes) -> None:
        """Take one line, without its end, if `enabled`. Costs an append; written within 0.25 s."""
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
        """Write what is there; give up on a reader that does not take it within 2 s."""
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
            os.close(self._fd)  # By its only writer: anybody else might close it under a write.

    def _write(self, data: bytes) -> None:
        if self._turns is None:
            _write_all(self._fd, data)
            return
        with self._turns.taken() as cut_off:
            self._turns.writing()
            _write_all(self._fd, b"\n" + data if cut_off else data)


def _opened(target: str) -> int:
    return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
