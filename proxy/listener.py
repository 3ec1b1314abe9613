"""One listening socket and the connections that came in over it, from the first to the last.

uvicorn's `Server` polls ten times a second, and ends by closing what is idle and what waits in the backlog:
clients see a request lost that was on its way. Only its protocol classes are used here, which need a `Config`,
a `ServerState`, and to be told to shut down. Ours take being told so again and again (see `Drainable`).
"""

import asyncio
import contextlib
import ctypes
import logging
import ssl
import struct
import sys
from asyncio import AbstractEventLoop, Server
from collections.abc import Awaitable, Callable
from socket import SOL_SOCKET, socket
from typing import Any, Protocol, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from proxy.asgi import Receive, Scope, Send

log = logging.getLogger(__name__)

App = Callable[[Scope, Receive, Send], Awaitable[None]]
_BACKLOG = 2048
# Longer than the idle time-out of the balancers in front of us (findings, 17).
_CLIENT_KEEPALIVE_S = 75
_HANDSHAKE_S = 10
# A client that is in the middle of its work asks again in that time, and is told to leave.
_LAST_CALL_S = 1.0
_LOOK_S = 0.05
# Longer than a round trip: a connection that is being made is made by then.
_HANDSHAKES_S = 0.1
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


class Drainable(Protocol):
    """What is asked of a connection in `ServerState.connections`. It leaves the set when it is lost."""

    def shutdown(self) -> None:
        """Close if nothing of a request has come, the kernel's buffer included; else this one is the last.

        Called some times a second until the connection is gone.
        """

    def abort(self) -> None:
        """Be gone."""


class Listener:
    """Accepts on one socket, and ends in order. `protocol` is called as a protocol class of uvicorn is.

    `tls` makes every connection a TLS one.
    """

    def __init__(
        self, app: App, protocol: Callable[..., asyncio.Protocol], tls: ssl.SSLContext | None = None
    ) -> None:
        self._protocol = protocol
        self._config = uvicorn.Config(
            app,
            loop="none",
            http=HttpToolsProtocol,
            ws="none",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            access_log=False,
            log_config=None,
            timeout_keep_alive=_CLIENT_KEEPALIVE_S,
        )
        self._config.load()
        self._tls = tls
        self._state = ServerState()
        self._server: Server | None = None

    @property
    def _connections(self) -> set[Drainable]:
        return cast(set[Drainable], self._state.connections)

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
        return self._protocol(config=self._config, server_state=self._state, app_state={})

    def _handshake_limit(self) -> dict[str, Any]:
        return {} if self._tls is None else {"ssl_handshake_timeout": _HANDSHAKE_S}

    def ask_to_leave(self) -> None:
        """Answers of uvicorn's protocols that have not begun yet say `connection: close` from now on."""
        # The list, not another one: requests in flight hold it already.
        if not self._state.default_headers:
            self._state.default_headers.append((b"connection", b"close"))

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
        while self._connections and not at_once.is_set() and loop.time() < until:
            if loop.time() - began >= _LAST_CALL_S:
                for connection in list(self._connections):
                    connection.shutdown()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(at_once.wait(), _LOOK_S)
        await self._cut_off()

    async def _cut_off(self) -> None:
        if not self._connections:
            return
        for connection in list(self._connections):
            connection.shutdown()
        log.warning("cut off %d connections that were not done in time", len(self._connections))
        tasks = set(self._state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_S)
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # Transports tell of their end in the loop's next turn.
