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
from asyncio import AbstractEventLoop, Server
from collections.abc import Callable
from socket import SHUT_RD, SOL_SOCKET, socket
from typing import Any

from proxy.downstream.interfaces import AcceptedConnection, Drainable
from proxy.downstream.socket_transport import SocketTransport
from proxy.tcp_keep_alive import keep_alive

log = logging.getLogger(__name__)

BACKLOG = 2048
# With more, the connections that exist would wait too long. With TLS libuv accepts one a poll and descriptor, so that
# the loop gets several descriptors of one socket (ADR 21).
_ACCEPTING = 8
_PAUSE_S = 0.1
# A client that leaves while it waits for its only response is noticed this late, and the timer costs nothing.
_WATCH_S = 0.02
_HANDSHAKE_S = 10
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
        self._servers: list[Server] = []
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
        # The loop's servers get duplicates: the backlog outlives their close as long as our own descriptor is open.
        self._listening = listening
        keep_alive(listening)
        if self._accepts_itself:
            listening.listen(BACKLOG)
            self._begin_accepting()
        else:
            self._servers = await self._open_servers()

    @property
    def _accepts_itself(self) -> bool:
        """The loop accepts TLS connections, and all on Windows, whose loop does not watch sockets."""
        return self._tls is None and sys.platform != "win32"

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

    async def _open_servers(self) -> list[Server]:
        loop = asyncio.get_running_loop()
        create = loop.create_unix_server if _is_unix(self._listening) else loop.create_server
        return [
            await create(
                self._connection,
                sock=self._listening.dup(),
                ssl=self._tls,
                backlog=BACKLOG,
                **self._handshake_limit(),
            )
            for _ in range(_ACCEPTING)
        ]

    async def use_tls(self, tls: ssl.SSLContext) -> None:
        """Accept new connections with `tls`. Those that exist, and handshakes that have begun, keep theirs."""
        if tls is self._tls or self._stopping.is_set():
            return
        self._tls = tls
        opened = await self._open_servers()
        if self._stopping.is_set():
            self._servers += opened
            return
        before, self._servers = self._servers, opened
        for server in before:
            server.close()

    def _connection(self) -> AcceptedConnection:
        return self._protocol(self)

    def _handshake_limit(self) -> dict[str, Any]:
        return {} if self._tls is None else {"ssl_handshake_timeout": _HANDSHAKE_S}

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
        self._stop_servers()
        loop = asyncio.get_running_loop()
        with contextlib.closing(self._listening) as listening:
            listening.setblocking(False)
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:  # The backlog is empty, or no file descriptor is left.
                    break
                accepted.setblocking(False)
                await self._serve(loop, accepted)
        # The loop may have accepted some in this tick. It calls `connection_made` of these in the next.
        await asyncio.sleep(0)

    def _stop_servers(self) -> None:
        if self._accepts_itself:
            asyncio.get_running_loop().remove_reader(self._listening)
        for server in self._servers:
            server.close()

    async def _serve(self, loop: AbstractEventLoop, accepted: socket) -> None:
        if self._accepts_itself:
            self._take(loop, accepted)
            return
        with contextlib.suppress(OSError):  # The client has left, or its TLS handshake failed.
            await loop.connect_accepted_socket(
                self._connection, accepted, ssl=self._tls, **self._handshake_limit()
            )

    async def finish(self, within_s: float, stop_now: asyncio.Event) -> None:
        """Drain: let active requests finish. After `within_s` seconds, or on `stop_now`, close what is left."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + within_s
        # Until then connections may come that are in their TLS handshake now.
        shaking = self._tls is not None or self.pending
        handshakes_end = began + _TLS_HANDSHAKES_S if shaking else began
        while not stop_now.is_set() and loop.time() < deadline:
            if not self.connections and loop.time() >= handshakes_end:
                break
            if loop.time() - began >= _IDLE_GRACE_S:
                for connection in list(self.connections):
                    connection.shutdown()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop_now.wait(), _DRAIN_POLL_S)
        for task in set(self.pending):
            task.cancel()
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
