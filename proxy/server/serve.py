"""Serves a facade: on two listeners in one process, or a worker's traffic. Ends in order when it is told to."""

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable

from proxy.downstream.asgi import AsgiService
from proxy.downstream.asgi_types import App
from proxy.downstream.connection import DownstreamConnection
from proxy.downstream.connection_tracker import ConnectionTracker
from proxy.downstream.interfaces import RequestService
from proxy.downstream.listener import Listener
from proxy.forwarding.asgi_app import AsgiTier
from proxy.forwarding.quick_request import QuickTier
from proxy.http1.known_lines import KnownLines
from proxy.routing.snapshot import CurrentTable
from proxy.server.admin.app import admin_app
from proxy.server.app import Facade
from proxy.server.probes import OwnHealth
from proxy.server.settings import Address, Settings, SettingsError, Tier, TlsFiles
from proxy.telemetry.shared_memory import State

log = logging.getLogger(__name__)

_ADMIN_CONNECTIONS = 100
_ADMIN_ENDS_S = 1.0
# Files, the table's watcher, the admin listener, and a few to spare.
_OTHER_DESCRIPTORS = 64
_WITHOUT_LIMIT = 8192


def bind(address: Address, option: str, *, shared: bool = False) -> socket.socket:
    """A socket that may listen. Raises SettingsError where there is none to have; `option` is what to change.

    `shared`: other sockets of ours may have the same address, and the kernel deals connections out to them.
    """
    try:
        family, kind, proto, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )[0]
        made = socket.socket(family, kind, proto)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind(target)
        except OSError:
            made.close()
            raise
        made.setblocking(False)
    except OSError as error:
        why = error.strerror or error
        raise SettingsError(
            f"cannot listen on {address}: {why}; choose another with {option}"
        ) from None
    return made


def tls_context(files: TlsFiles | None) -> ssl.SSLContext | None:
    """For the traffic listener. Raises SettingsError for files that cannot be used."""
    if files is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for option, path in (("--tls-cert", files.cert), ("--tls-key", files.key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise SettingsError(f"facade: {option} {path}: {error.strerror or error}") from None
    try:
        # Without an answer to a question for a passphrase, which would be asked on the terminal.
        context.load_cert_chain(files.cert, files.key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SettingsError(
            f"facade: --tls-cert {files.cert} and --tls-key {files.key}: {reason}: "
            "they have to be a certificate and its private key, as PEM, the key without a passphrase"
        ) from None
    return context


def service_of(tier: Tier, facade: Facade, tasks: set[asyncio.Task[None]]) -> RequestService:
    """What serves the requests of the traffic listener. `tasks` holds the tasks of the ASGI tier."""
    fast = QuickTier(facade.forwarder, KnownLines())
    if tier == "fast":
        return fast
    return AsgiTier(AsgiService(facade.handler, tasks, lambda: fast.limits), fast)


def raise_descriptor_limit() -> None:
    """As many descriptors as this process may have; shells give fewer for the sake of old programs."""
    if sys.platform == "win32":
        return
    import resource  # Not on Windows.

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # Some systems say "no limit", but mean one.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections() -> int:
    """What the limit of descriptors leaves for clients: each may need a second one, for a backend."""
    if sys.platform == "win32":
        return _WITHOUT_LIMIT
    import resource  # Not on Windows.

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, (soft - _OTHER_DESCRIPTORS) // 2)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """For `asyncio.Runner`."""
    if sys.platform == "win32":
        return None
    import uvloop  # Not on Windows.

    return uvloop.new_event_loop


async def serve(
    facade: Facade,
    settings: Settings,
    announce: Callable[[Address, Address], None],
    stop: asyncio.Event,
    at_once: asyncio.Event | None = None,
) -> None:
    """Serve traffic and admin in this process until `stop`. `announce` gets both addresses once they accept.

    `at_once` cuts the drain short. Raises SettingsError if a listener cannot be had.
    """
    tls = tls_context(settings.tls)
    listening, own = bind(settings.listen, "--listen"), bind(settings.admin, "--admin")
    at, admin_at = address_of(listening), address_of(own)
    health = OwnHealth(facade.place.part, facade.publish)
    admin = admin_app(facade.table, facade.place.board, health, settings.admin_token)
    traffic = Traffic(facade, settings, listening, tls)
    async with serving_admin(admin, facade.table, own), facade.running():
        await traffic.start()
        announce(at, admin_at)
        await stop.wait()
        await traffic.end(at_once or asyncio.Event())


class Traffic:
    """What a process takes of the traffic: from its first connection to the end of its last."""

    def __init__(
        self,
        facade: Facade,
        settings: Settings,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._facade = facade
        self._settings = settings
        self._listening = listening
        self._clients = ConnectionTracker(
            most_connections(), facade.meters.connections, facade.meters.refused
        )
        tier: Tier = "asgi" if facade.is_foreign else settings.tier
        self._listener = Listener(self._protocol, tls)
        self._service = service_of(tier, facade, self._listener.tasks)

    def _protocol(self, listener: Listener) -> asyncio.Protocol:
        return DownstreamConnection(self._service, self._clients, listener.connections)

    async def start(self) -> None:
        """Accept from now on."""
        await self._listener.start(self._listening)
        self._facade.state = State.SERVING

    async def end(self, at_once: asyncio.Event) -> None:
        """Not ready any more; go on for the pause; take no more in; let what is in flight end (row P1)."""
        self._facade.state = State.STOPPING
        self._clients.draining = True
        log.info("stopping: accepting for %g s more", self._settings.pause_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(at_once.wait(), self._settings.pause_s)
        await self._listener.stop_accepting()
        await self._listener.finish(self._settings.drain_s, at_once)


@contextlib.asynccontextmanager
async def serving_admin(
    app: App, table: CurrentTable, listening: socket.socket
) -> AsyncIterator[None]:
    """The admin listener serves `app` while inside: requests are handled like those of clients, but never forwarded."""
    clients = ConnectionTracker(_ADMIN_CONNECTIONS, lambda _: None, lambda _: None)

    def protocol(listener: Listener) -> asyncio.Protocol:
        service = AsgiService(app, listener.tasks, lambda: table.current)
        return DownstreamConnection(service, clients, listener.connections)

    listener = Listener(protocol)
    await listener.start(listening)
    try:
        yield
    finally:
        await listener.stop_accepting()
        await listener.finish(_ADMIN_ENDS_S, asyncio.Event())


def address_of(listening: socket.socket) -> Address:
    """Where a bound socket listens."""
    host, port = listening.getsockname()[:2]
    return Address(host, port)
