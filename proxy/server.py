"""Serves a facade: on two listeners in one process, or a worker's traffic. Ends in order when it is told to."""

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable

from proxy.admin import admin_app
from proxy.app import Facade
from proxy.board import State
from proxy.client_walk import ClientWalk
from proxy.clients import Clients
from proxy.cycle import App, Cycle
from proxy.fast_walk import new_walk
from proxy.health import OwnHealth
from proxy.listener import Listener
from proxy.protocol import FacadeProtocol, WalkOf
from proxy.reading import RequestHead
from proxy.settings import Address, Settings, SettingsError, Tier, TlsFiles
from proxy.walk import Kit

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


def walks_of(tier: Tier, app: App, tasks: set[asyncio.Task[None]]) -> WalkOf:
    """What does the work of a request: on the ASGI tier, `app` in a task that `tasks` holds.

    What ASGI cannot carry goes the fast way on both: WebSockets byte by byte, and HTTP/1.0, which knows no chunks.
    """
    if tier == "fast":
        return new_walk

    def walk_of(
        kit: Kit, client: FacadeProtocol, head: RequestHead, body: bytes | None
    ) -> ClientWalk:
        if head.upgrade == b"websocket" or not head.minor:
            return new_walk(kit, client, head, body)
        return Cycle(app, tasks, client, head, body)

    return walk_of


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
    admin = admin_app(facade.tables, facade.place.board, health, settings.admin_token)
    traffic = Traffic(facade, settings, listening, tls)
    async with serving_admin(admin, facade.kit, own), facade.running():
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
        self._clients = Clients(
            most_connections(), facade.meters.connections, facade.meters.refused
        )
        tier: Tier = "asgi" if facade.is_foreign else settings.tier
        self._listener = Listener(self._protocol, tls)
        self._walk_of = walks_of(tier, facade.handler, self._listener.tasks)

    def _protocol(self, listener: Listener) -> asyncio.Protocol:
        return FacadeProtocol(self._facade.kit, self._clients, self._walk_of, listener.connections)

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
async def serving_admin(app: App, kit: Kit, listening: socket.socket) -> AsyncIterator[None]:
    """The admin listener serves `app` while inside."""
    clients = Clients(_ADMIN_CONNECTIONS, lambda _: None, lambda _: None)

    def protocol(listener: Listener) -> asyncio.Protocol:
        # Traffic's care, but no way from the admin listener into the traffic.
        def walk_of(
            _: Kit, client: FacadeProtocol, head: RequestHead, body: bytes | None
        ) -> ClientWalk:
            return Cycle(app, listener.tasks, client, head, body)

        return FacadeProtocol(kit, clients, walk_of, listener.connections)

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
