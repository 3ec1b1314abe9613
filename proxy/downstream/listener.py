"""One listening socket and the connections accepted from it, from start to drain (ADR 13).

Common servers shut down by closing idle connections and the backlog, and lose requests that clients have just sent.
This one first accepts every connection that the kernel has made, then lets each connection finish.
"""

import asyncio
import contextlib
import ctypes
import logging
import ssl
import struct
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable
from socket import SHUT_RD, SOL_SOCKET, socket

from proxy.downstream.interfaces import AcceptedConnection, Drainable
from proxy.downstream.socket_transport import SocketTransport
from proxy.downstream.tls_handshakes import TlsHandshakes
from proxy.tcp_keep_alive import keep_alive

log = logging.getLogger(__name__)

BACKLOG = 2048
# In one tick. With more, the connections that exist would wait too long.
_ACCEPTING = 8
_PAUSE_S = 0.1
# A client that leaves while it waits for its only response is noticed this late, and the timer costs nothing.
_WATCH_S = 0.02
# Idle connections stay open for this long: a busy client sends its next request, and its response says `close`.
_IDLE_GRACE_S = 1.0
_DRAIN_POLL_S = 0.05
# Longer than a round trip: TCP handshakes that have begun are complete then.
_TCP_HANDSHAKES_S = 0.1
# A few round trips and the computation: a connection is in `connections` only after its TLS handshake.
_TLS_HANDSHAKES_S = 1.0
_CANCEL_S = 1.0


# Classic BPF over a TCP segment, one instruction a line: code, two jumps, operand.
_DROP_SYN_FILTER = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x45, 0, 1, 0x02),  # is SYN set?
    (0x06, 0, 0, 0),  # yes: drop the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # no: accept all of it
)
_SO_ATTACH_FILTER = 26


def _drop_new_syns(listening: socket) -> bool:
    """Let handshakes that have begun complete, and drop the SYNs of new ones. False if that is impossible (not Linux).

    Without it the kernel could complete a handshake between the last accept and the close, and would then reset the
    connection: the client may have sent a request on it. A client whose SYN is dropped repeats it a second later,
    and is refused or reaches the next process.
    """
    if sys.platform != "linux":
        return False
    program = ctypes.create_string_buffer(
        b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN_FILTER)
    )
    pointer = struct.pack("HP", len(_DROP_SYN_FILTER), ctypes.addressof(program))
    try:
        listening.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, pointer)
    except OSError:
        return False
    return True


def _is_unix(listening: socket) -> bool:
    return isinstance(listening.getsockname(), str)


class Listener:
    """Accepts connections on one socket, and drains them. `protocol` makes the protocol of each connection.

    With `tls` every connection is a TLS connection.
    """

    def __init__(
        self,
        protocol: "Callable[[Listener], AcceptedConnection]",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._protocol = protocol
        self._tls = tls
        self._handshakes = TlsHandshakes()
        self._unwatched: list[SocketTransport] = []
        """Connections of the last `_WATCH_S` whose sockets the event loop may not watch yet."""
        self._stopping = asyncio.Event()
        self.connections: set[Drainable] = set()
        self.pending: set[asyncio.Task[None]] = set()
        """Tasks of connections that are not in `connections` yet."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Tasks that serve requests of these connections. They are cancelled with the connections."""

    async def start(self, listening: socket) -> None:
        """Begin to accept. The listener owns the socket."""
        self._listening = listening
        keep_alive(listening)
        listening.listen(BACKLOG)
        self._begin_accepting()

    def _begin_accepting(self) -> None:
        if not self._stopping.is_set():
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_ACCEPTING):
            try:
                accepted, _ = self._listening.accept()
            except BlockingIOError:
                return
            except ConnectionError:  # The client has left.
                continue
            except OSError as error:  # No descriptor is free, or no memory.
                log.warning("cannot accept a connection: %s", error.strerror)
                loop.remove_reader(self._listening)
                loop.call_later(_PAUSE_S, self._begin_accepting)
                return
            accepted.setblocking(False)
            self._take(loop, accepted)

    def _take(self, loop: AbstractEventLoop, accepted: socket) -> None:
        """Begin to serve an accepted connection."""
        self._connect(loop, accepted, self._connection())

    def _connect(
        self, loop: AbstractEventLoop, accepted: socket, connection: AcceptedConnection
    ) -> None:
        if self._tls is not None:
            self._handshakes.begin(loop, accepted, connection, self._tls)
            return
        transport = SocketTransport(loop, accepted, connection)
        transport.begin()
        if not connection.ends_after_response:
            transport.watch()
        elif not transport.is_closing():
            if not self._unwatched:
                loop.call_later(_WATCH_S, self._watch)
            self._unwatched.append(transport)

    def _watch(self) -> None:
        unwatched, self._unwatched = self._unwatched, []
        for transport in unwatched:
            transport.watch()

    def use_tls(self, tls: ssl.SSLContext) -> None:
        """Accept new connections with `tls`. Those that exist, and handshakes that have begun, keep theirs."""
        self._tls = tls

    def _connection(self) -> AcceptedConnection:
        return self._protocol(self)

    async def stop_accepting(self) -> None:
        """Accept the connections that clients have made already, then close the socket."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if _is_unix(self._listening):
            # Refuses new connections at once. Those in the backlog can still be accepted.
            with contextlib.suppress(OSError):
                self._listening.shutdown(SHUT_RD)
        elif _drop_new_syns(self._listening):
            await asyncio.sleep(_TCP_HANDSHAKES_S)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening)
        with contextlib.closing(self._listening) as listening:
            listening.setblocking(False)
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:  # The backlog is empty, or no file descriptor is left.
                    break
                accepted.setblocking(False)
                self._take(loop, accepted)

    async def finish(self, within_s: float, stop_now: asyncio.Event) -> None:
        """Drain: let active requests finish. After `within_s` seconds, or on `stop_now`, close what is left."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + within_s
        # Until then connections may come that are in their TLS handshake now.
        handshakes_end = began + _TLS_HANDSHAKES_S
        while not stop_now.is_set() and loop.time() < deadline:
            is_late = loop.time() >= handshakes_end
            if not self.connections and (is_late or not (self.pending or self._handshakes)):
                break
            if loop.time() - began >= _IDLE_GRACE_S:
                for connection in list(self.connections):
                    connection.shutdown()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_POLL_S):
                    await stop_now.wait()
        for task in set(self.pending):
            task.cancel()
        self._handshakes.abort()
        await self._close_rest()

    async def _close_rest(self) -> None:
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
        await asyncio.sleep(0)  # Transports call `connection_lost` in the next tick.
