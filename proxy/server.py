"""Serves a facade on its two listeners, and ends in order when it is told to."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator

import uvicorn

from proxy.app import Facade
from proxy.asgi import Receive, Scope, Send
from proxy.protocol import FacadeProtocol
from proxy.settings import Address, Settings, SettingsError

log = logging.getLogger(__name__)

_BACKLOG = 2048
# Longer than the idle time-out of the balancers in front of us (findings, 17).
_CLIENT_KEEPALIVE_S = 75


class _Server(uvicorn.Server):
    """uvicorn, without hands on the signals: two servers share one process, and one owner stops both."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Quiet(logging.Filter):
    """An answer cut short on purpose is in the access log; uvicorn's own line about it is noise."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "returned without completing response" not in record.getMessage()


def bind(address: Address, option: str) -> socket.socket:
    """A listening socket. Raises SettingsError where there is none to have; `option` is what to change."""
    try:
        family, kind, proto, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )[0]
        made = socket.socket(family, kind, proto)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(target)
        made.setblocking(False)
    except OSError as error:
        why = error.strerror or error
        raise SettingsError(
            f"cannot listen on {address}: {why}; choose another with {option}"
        ) from None
    return made


async def serve(
    facade: Facade,
    settings: Settings,
    announce: Callable[[Address, Address], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set. `announce` gets the addresses once both listeners accept.

    Raises SettingsError if a listener cannot be had.
    """
    listening = [bind(settings.listen, "--listen"), bind(settings.admin, "--admin")]
    traffic = _server(_for_http(facade), settings)
    admin = _server(facade.admin, settings)
    logging.getLogger("uvicorn.error").addFilter(_Quiet())
    async with facade.running():
        serving = [
            asyncio.create_task(server.serve(sockets=[own]))
            for server, own in zip((traffic, admin), listening, strict=True)
        ]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait_for(asyncio.gather(traffic.accepting.wait(), admin.accepting.wait()), 10)
        announce(*(_address_of(own) for own in listening))
        await asyncio.wait((*serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        facade.stopping = True
        stopped.cancel()
        # Traffic first: the admin listener tells "not ready" until the last request is done.
        traffic.should_exit = True
        await asyncio.wait(serving[:1])
        admin.should_exit = True
        await asyncio.gather(*serving)


def _server(app: Callable[..., object], settings: Settings) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            loop="none",
            http=FacadeProtocol,
            ws="none",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            access_log=False,
            log_config=None,
            backlog=_BACKLOG,
            timeout_keep_alive=_CLIENT_KEEPALIVE_S,
            timeout_graceful_shutdown=int(settings.drain_s),
        )
    )


def _for_http(facade: Facade) -> Callable[[Scope, Receive, Send], object]:
    handler = facade.handler

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await handler(scope, receive, send)

    return app


def _address_of(listening: socket.socket) -> Address:
    host, port = listening.getsockname()[:2]
    return Address(host, port)
