"""The access log: one JSON line a request, written in batches by a thread of its own.

A request only appends to a list. Nothing that the log's reader does (a full disk, a pipe that nobody
empties) reaches a request: what does not fit is dropped and counted.
"""

import asyncio
import logging
import os
import queue
import sys
import threading
from typing import Any

import msgspec

log = logging.getLogger(__name__)

_FLUSH_S = 0.25
_BATCH_LINES = 5_000
_WAITING_BATCHES = 20
_CLOSE_S = 2.0


class AccessLog:
    """Appends lines to `target`: a file's path, `-` for standard output, `none` for nowhere.

    Owns one daemon thread while it is open. Raises OSError if the file cannot be opened.
    """

    def __init__(self, target: str) -> None:
        self.dropped = 0
        self.enabled = target != "none"
        self._encode = msgspec.json.Encoder().encode
        self._lines: list[bytes] = []
        self._batches: queue.Queue[list[bytes] | None] = queue.Queue(_WAITING_BATCHES)
        self._timer: asyncio.TimerHandle | None = None
        self._fd = -1
        self._thread: threading.Thread | None = None
        if self.enabled:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._fd = sys.stdout.fileno() if target == "-" else os.open(target, flags, 0o640)
            self._thread = threading.Thread(target=self._write_batches, daemon=True)
            self._thread.start()

    def offer(self, record: dict[str, Any]) -> None:
        """Take one line. Costs an append; written within 0.25 s."""
        if not self.enabled:
            return
        if len(self._lines) >= _BATCH_LINES:
            self._flush()
        self._lines.append(self._encode(record) + b"\n")
        if self._timer is None:
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
                _write_all(self._fd, b"".join(lines))
            except OSError as error:
                self.dropped += len(lines)
                log.error("access log: %d lines lost: %s", len(lines), error)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
