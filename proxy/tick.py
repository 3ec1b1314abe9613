"""Coalesces writes: what connections send during one tick of the event loop goes out at its end (ADR 17).

    poll: read, decide, `BufferedWriter.write`; read, decide, `write`; ...   then `WriteBatch`: send, send, ...

The deciding code and the kernel's sending code each stay in the processor's caches, and the peer is woken once
instead of once a message. No write waits longer than one tick: the events of one poll.
"""

import asyncio

MOST_BYTES = 16 * 1024
"""What a connection may have waiting. A larger piece goes out at once, so that a slow reader is noticed at once."""


class WriteBatch:
    """The outlets of one owner that have something to send before the loop polls again."""

    __slots__ = ("_loop", "outlets")

    def __init__(self) -> None:
        # Kept, because asking for it costs a system call in CPython 3.11.
        self._loop: asyncio.AbstractEventLoop | None = None
        self.outlets: list[BufferedWriter] = []
        """Whoever is added while there is none calls `begin`."""

    def begin(self) -> None:
        """Flush them at the end of this turn."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        loop.call_soon(self._end)

    def _end(self) -> None:
        outlets, self.outlets = self.outlets, []
        for outlet in outlets:
            outlet.flush()


class BufferedWriter:
    """The way out of one connection. Whoever closes or half-closes the transport flushes first, or means to `drop`."""

    __slots__ = ("_transport", "_turn", "unsent")

    def __init__(self, turn: WriteBatch, transport: asyncio.Transport) -> None:
        self._turn = turn
        self._transport = transport
        self.unsent = b""

    def write(self, data: bytes) -> None:
        """Send at the end of the turn, after what was written before."""
        unsent = self.unsent
        if unsent:
            data = unsent + data
        elif data:
            outlets = self._turn.outlets
            if not outlets:
                self._turn.begin()
            outlets.append(self)
        self.unsent = data
        if len(data) > MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send now. A transport that was closed meanwhile takes nothing more."""
        unsent = self.unsent
        if unsent:
            self.unsent = b""
            if not self._transport.is_closing():
                self._transport.write(unsent)

    def drop(self) -> None:
        """Forget what was not sent."""
        self.unsent = b""
