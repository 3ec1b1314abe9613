"""One listening socket and the connections that came in over it, from the first to the last (ADR 13).

Servers at hand end by closing what is idle and what waits in the backlog: clients see a request lost that was on its
way. This one takes in what has connected, and lets every connection end at its own time.
"""

import asyncio
import contextlib
import ctypes
import logging
import ssl
import struct
import sys
from asyncio import AbstractEventLoop, Server
from collections.abc import Callable
from socket import SOL_SOCKET, socket
from typing import Any

from proxy.downstream.interfaces import Drainable

log = logging.getLogger(__name__)

_BACKLOG = 2048
_HANDSHAKE_S = 10
# A client that is in the middle of its work asks again in that time, and is told to leave.
_LAST_CALL_S = 1.0
_LOOK_S = 0.05
# Longer than a round trip: a connection that is being made is made by then.
_HANDSHAKES_S = 0.1
# A few round trips and the work of both sides: a connection belongs to `connections` only when it speaks TLS.
_TLS_HANDSHAKES_S = 1.0
_CANCEL_S = 1.0


# Classic BPF over a TCP segment, one instruction a line: code, two jumps, operand.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x45, 0, 1, 0x02),  # SYN?
    (0x06, 0, 0, 0),  # yes: drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # no: take it whole
)
_SO_ATTACH_FILTER = 26


def _hear_no_more(listening: socket) -> bool:
    """Begin no new connection, and let those under way be made; whether that can be (on Linux).

    Without it, one that is made between the last accept and the close is reset: its client has connected, and
    may have asked. Whoever is not heard asks the kernel again a second later, and is refused, or heard by the
    next process.
    """
    if sys.platform != "linux":
        return False
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _NO_SYN))
    pointer = struct.pack("HP", len(_NO_SYN), ctypes.addressof(program))
    try:
        listening.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
    except OSError:
        return False
    return True


class Listener:
    """Accepts on one socket, and ends in order. `protocol` makes what speaks on a connection of this listener.

    `tls` makes every connection a TLS one.
    """

    def __init__(
        self,
        protocol: "Callable[[Listener], asyncio.Protocol]",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._protocol = protocol
        self._tls = tls
        self._server: Server | None = None
        self.connections: set[Drainable] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        """What works on requests of these connections, and is cut off with them."""

    async def start(self, listening: socket) -> None:
        """Accept from now on. The socket is this listener's."""
        # Our own reference: what waits in its backlog outlives the loop's server.
        self._listening = listening
        self._server = await asyncio.get_running_loop().create_server(
            self._connection,
            sock=listening.dup(),
            ssl=self._tls,
            backlog=_BACKLOG,
            **self._handshake_limit(),
        )

    def _connection(self) -> asyncio.Protocol:
        return self._protocol(self)

    def _handshake_limit(self) -> dict[str, Any]:
        return {} if self._tls is None else {"ssl_handshake_timeout": _HANDSHAKE_S}

    async def stop_accepting(self) -> None:
        """Take in what has connected already, and nothing more."""
        if self._server is None:
            return
        if _hear_no_more(self._listening):
            await asyncio.sleep(_HANDSHAKES_S)
        self._server.close()
        loop = asyncio.get_running_loop()
        with contextlib.closing(self._listening) as listening:
            listening.setblocking(False)
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:  # Nobody waits, or there is no descriptor to take them in with.
                    break
                await self._take_in(loop, accepted)
        # The loop has accepted some in this very turn, and makes their connections in the next.
        await asyncio.sleep(0)

    async def _take_in(self, loop: AbstractEventLoop, accepted: socket) -> None:
        with contextlib.suppress(OSError):  # It left again, or does not speak TLS.
            await loop.connect_accepted_socket(
                self._connection, accepted, ssl=self._tls, **self._handshake_limit()
            )

    async def finish(self, within_s: float, at_once: asyncio.Event) -> None:
        """Let what is in flight end. After `within_s` seconds, or when told so, cut off the rest."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        until = began + within_s
        hidden_until = began if self._tls is None else began + _TLS_HANDSHAKES_S
        while not at_once.is_set() and loop.time() < until:
            if not self.connections and loop.time() >= hidden_until:
                break
            if loop.time() - began >= _LAST_CALL_S:
                for connection in list(self.connections):
                    connection.shutdown()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(at_once.wait(), _LOOK_S)
        await self._cut_off()

    async def _cut_off(self) -> None:
        if not self.connections:
            return
        for connection in list(self.connections):
            connection.shutdown()
        log.warning("cut off %d connections that were not done in time", len(self.connections))
        tasks = set(self.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_S)
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)  # Transports tell of their end in the loop's next turn.
