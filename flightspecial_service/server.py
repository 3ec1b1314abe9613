"""Runs the app in uvicorn until a signal or the app stops it."""

import asyncio
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from msgspec import Struct, field
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from flightspecial_service.errors import ListenError
from flightspecial_service.interface.http.connection import Connection, Limits
from flightspecial_service.interface.http.middleware import Drain
from flightspecial_service.telemetry import Telemetry

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE_S = 10
"""Limit for requests in flight at shutdown. The platform's own limit has to be longer."""
KEEP_ALIVE_S = 75
"""Longer than a load balancer keeps an idle connection, so that it never reuses one that we close."""
_OPERATIONS_LIMITS = Limits(max_connections=64)
_OTHER_DESCRIPTORS = 256
"""For the database, the operations listener, files and sockets that are being closed."""


class Service(Struct, frozen=True):
    """What is served: the API, and the app of the operations listener, if there is one."""

    app: ASGIApp
    operations: ASGIApp | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)


class Server(uvicorn.Server):
    """uvicorn, configured for this service. `listening` gets the address once requests are accepted.

    The first signal starts the drain: for `drain_s` seconds requests are served as before, but
    readiness fails and each response carries `Connection: close`. Then, or at a second signal, the
    server shuts down. The operations listener, on the second socket, stays open until the end.
    """

    def __init__(
        self,
        service: Service,
        listening: Callable[[str], None],
        drain: Drain | None = None,
        drain_s: float = 0.0,
        limits: Limits | None = None,
    ) -> None:
        self._telemetry = service.telemetry
        super().__init__(self._config(service.app, limits or Limits(), lifespan=True))
        self._listening = listening
        self._drain = drain or Drain()
        self._drain_s = drain_s
        self._end_at: float | None = None
        self._operations = service.operations
        # Its connections count against its own limit.
        self._operations_state = ServerState()
        self._operations_server: asyncio.Server | None = None
        self._telemetry.gauge(
            "flightspecials_http_connections",
            "Open connections of the API",
            lambda: len(self.server_state.connections),
        )

    def _config(self, app: ASGIApp, limits: Limits, lifespan: bool) -> uvicorn.Config:
        protocol = partial(Connection, limits=limits, on_refusal=self._telemetry.count_refusal)
        return uvicorn.Config(
            app,
            loop="uvloop",
            http=cast(Any, protocol),  # a class is declared, any factory is accepted
            ws="none",
            lifespan="on" if lifespan else "off",
            log_config=None,
            access_log=False,
            # The client address is used nowhere, so no forwarding field has to be trusted.
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal starts the drain, if there is one; any other shuts the server down."""
        if self._drain_s and not self._drain.on:
            self._drain.on = True
            self._end_at = time.monotonic() + self._drain_s
            log.info("draining", extra={"drain_s": self._drain_s})
        else:
            self._drain.on = True
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second: shut down at the end of the drain."""
        if self._end_at is not None and time.monotonic() >= self._end_at:
            self.should_exit = True
        ending = await super().on_tick(counter)
        self._operations_state.default_headers = self.server_state.default_headers
        return ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start on the first socket, and for operations on the second; then report the addresses."""
        listener, *operations = sockets or []
        await super().startup([listener])
        for each in operations:
            await self._start_operations(each)
            log.info("serving operations", extra={"url": url_of(each)})
        self._listening(url_of(listener))

    async def _start_operations(self, listener: socket.socket) -> None:
        if self._operations is None:
            return
        config = self._config(self._operations, _OPERATIONS_LIMITS, lifespan=False)
        config.load()

        def connection() -> Connection:
            return cast(Any, config.http_protocol_class)(  # type: ignore[no-any-return]
                config=config, server_state=self._operations_state, app_state={}
            )

        loop = asyncio.get_running_loop()
        self._operations_server = await loop.create_server(connection, sock=listener)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down the API, then the operations listener."""
        await super().shutdown(sockets[:1] if sockets else None)
        if self._operations_server is not None:
            self._operations_server.close()
            for connection in list(self._operations_state.connections):
                connection.shutdown()


def url_of(listener: socket.socket) -> str:
    """The address of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to this address; port 0 selects a free port. Raises ListenError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ListenError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def allow_descriptors(connections: int) -> None:
    """Raise the soft limit of open files to what this many connections need."""
    needed = connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < needed:
            log.warning("too few open files are allowed", extra={"is": allowed, "needed": needed})


@contextmanager
def ending_quietly(server: uvicorn.Server) -> Iterator[None]:
    """Within the block a signal stops `server`, not the process.

    uvicorn raises the signal again after a graceful shutdown, and the process would exit with -15.
    These handlers absorb it.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
