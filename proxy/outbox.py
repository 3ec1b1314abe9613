"""What connections have to say, gathered over one turn of the event loop and sent at its end (ADR 17).

    poll: read, decide, `Outlet.write`; read, decide, `Outlet.write`; ...   then `Outbox`: send, send, ...

The code that decides and the kernel's that sends each stay in the processor's caches, and whoever is spoken to is woken
once and not for each message. Nothing waits longer than the turn: all events that one poll brought.
"""

import asyncio

MOST_BYTES = 16 * 1024
"""What a connection may have waiting. A larger piece goes out at once, so that a slow reader is noticed at once."""


class Outbox:
    """The outlets of one owner that have something to send."""

    __slots__ = ("_outlets",)

    def __init__(self) -> None:
        self._outlets: list[Outlet] = []

    def add(self, outlet: "Outlet") -> None:
        """Flush it at the end of this turn."""
        if not self._outlets:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outlets.append(outlet)

    def _flush(self) -> None:
        outlets, self._outlets = self._outlets, []
        for outlet in outlets:
            outlet.flush()


class Outlet:
    """The way out of one connection. Whoever closes or half-closes the transport flushes first, or means to `drop`."""

    __slots__ = ("_outbox", "_transport", "unsent")

    def __init__(self, outbox: Outbox, transport: asyncio.Transport) -> None:
        self._outbox = outbox
        self._transport = transport
        self.unsent = b""

    def write(self, data: bytes) -> None:
        """Send at the end of the turn, after what was written before."""
        unsent = self.unsent
        if unsent:
            data = unsent + data
        elif data:
            self._outbox.add(self)
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
