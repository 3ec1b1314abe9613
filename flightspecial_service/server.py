"""Runs the app in uvicorn until a signal or the app stops it."""

import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from flightspecial_service.errors import Malformed
from flightspecial_service.interface.http.middleware import Drain
from flightspecial_service.interface.http.problems import problem

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE_S = 10
"""Limit for requests in flight at shutdown. The platform's own limit has to be longer."""
KEEP_ALIVE_S = 75
"""Longer than a load balancer keeps an idle connection, so that it never reuses one that we close."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol with its own response to malformed HTTP."""

    def send_400_response(self, msg: str) -> None:
        """Send application/problem+json, as for every other error."""
        response = problem(Malformed("this is not a request in HTTP/1.1"))
        head = b"".join(b"%b: %b\r\n" % pair for pair in response.headers)
        length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(response.body)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + length + response.body)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn, configured for this service. `listening` gets the address once requests are accepted.

    The first signal starts the drain: for `drain_s` seconds requests are served as before, but
    readiness fails and each response carries `Connection: close`. Then, or at a second signal, the
    server shuts down.
    """

    def __init__(
        self,
        app: ASGIApp,
        listening: Callable[[str], None],
        drain: Drain | None = None,
        drain_s: float = 0.0,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=_Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                # The client address is used nowhere, so no forwarding field has to be trusted.
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._listening = listening
        self._drain = drain or Drain()
        self._drain_s = drain_s
        self._end_at: float | None = None

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
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then report the addresses."""
        await super().startup(sockets)
        for each in sockets or ():
            host, port = each.getsockname()[:2]
            self._listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to this address; port 0 selects a free port. Raises OSError."""
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
    return listener


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
