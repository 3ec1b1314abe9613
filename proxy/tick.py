"""Coalesces the writes of one tick of the event loop (ADR 17).

    poll: read, decide, `BufferedWriter.write`; read, decide, `write`; ...   then `WriteBatch`: send, send, ...

Our code and the kernel's code for sending each stay in the processor's caches for longer, and a peer is woken once for
several messages. A tick is what one poll of the loop brings, so no write waits for a timer.
"""

import asyncio

MAX_BUFFERED_BYTES = 16 * 1024
"""More than this is sent without waiting: the transport's buffer, and so its back-pressure, has to see large writes."""


class WriteBatch:
    """The writers with unsent bytes, of a group of connections."""

    __slots__ = ("_loop", "writers")

    def __init__(self) -> None:
        # Kept, because asking for it costs a system call in CPython 3.11.
        self._loop: asyncio.AbstractEventLoop | None = None
        self.writers: list[BufferedWriter] = []
        """Call `schedule` before the first is added."""

    def schedule(self) -> None:
        """Flush all writers at the end of this tick."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        loop.call_soon(self._flush)

    def _flush(self) -> None:
        writers, self.writers = self.writers, []
        for writer in writers:
            writer.flush()


class BufferedWriter:
    """Writes to one transport. Call `flush` before it is closed or half-closed, or `drop` to discard the bytes."""

    __slots__ = ("_batch", "_transport", "unsent")

    def __init__(self, batch: WriteBatch, transport: asyncio.Transport) -> None:
        self._batch = batch
        self._transport = transport
        self.unsent = b""

    def write(self, data: bytes) -> None:
        """Send at the end of the tick, in one piece with the bytes written before."""
        unsent = self.unsent
        if unsent:
            data = unsent + data
        elif data:
            writers = self._batch.writers
            if not writers:
                self._batch.schedule()
            writers.append(self)
        self.unsent = data
        if len(data) > MAX_BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send now. Does nothing if the transport is closing."""
        unsent = self.unsent
        if unsent:
            self.unsent = b""
            if not self._transport.is_closing():
                self._transport.write(unsent)

    def drop(self) -> None:
        """Discard the unsent bytes."""
        self.unsent = b""
