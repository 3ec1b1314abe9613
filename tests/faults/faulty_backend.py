"""A backend that is fast enough for load, and fails in one of the ways of the fault table."""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Literal, cast

Fault = Literal["killed", "frozen", "resetting", "500", "empty 200", "slow by 5 s", "DNS gone"]
FAULTS: tuple[Fault, ...] = (
    "killed",
    "frozen",
    "resetting",
    "500",
    "empty 200",
    "slow by 5 s",
    "DNS gone",
)
PROBE = b"/health"
_SLOW_S = 5.0
_LENGTH = b"content-length: "


def response(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


class FaultyBackend:
    """Listens on a port of its own. Well until `fail`, and again from `heal` on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.host = f"{name}.test"
        self.port = 0
        self.fault: Fault | None = None
        self.seen: Counter[bytes] = Counter()
        """The bodies of writes, and how often each came."""
        self.reads = 0
        self.probed_at: list[float] = []
        """When each probe came."""
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def writes(self) -> int:
        return self.seen.total()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in tuple(self.connections):
            connection.reset()
        if server is not None:
            await server.wait_closed()

    async def fail(self, fault: Fault) -> None:
        self.fault = fault
        if fault in ("killed", "DNS gone"):
            await self.stop()  # A name that is gone keeps no connection for long.

    async def heal(self) -> None:
        self.fault = None
        if self._server is None:
            await self.start()


class _Connection(asyncio.Protocol):
    def __init__(self, backend: FaultyBackend) -> None:
        self._backend = backend
        self._data = b""
        self._timers: list[asyncio.TimerHandle] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._backend.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._backend.connections.discard(self)
        for timer in self._timers:
            timer.cancel()

    def reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        at = head.lower().find(_LENGTH)
        length = 0 if at < 0 else int(head[at + len(_LENGTH) :].split(b"\r\n")[0])
        if len(rest) < length:
            return
        self._data = rest[length:]
        self._respond(head, rest[:length])

    def _respond(self, head: bytes, body: bytes) -> None:
        backend, (method, target) = self._backend, head.split(b" ", 2)[:2]
        if target == PROBE:
            backend.probed_at.append(time.monotonic())
        elif method == b"POST":
            backend.seen[body] += 1
        else:
            backend.reads += 1
        good = response(200, b'["%b"]' % backend.name.encode())
        match backend.fault:
            case "frozen":
                return
            case "resetting":
                self.reset()
            case "500":
                self._transport.write(response(500, b"no"))
            case "empty 200":
                self._transport.write(response(200, b""))
            case "slow by 5 s":
                loop = asyncio.get_running_loop()
                self._timers.append(loop.call_later(_SLOW_S, self._transport.write, good))
            case _:
                self._transport.write(good)


@contextlib.contextmanager
def _names(backends: list[FaultyBackend]) -> Iterator[None]:
    """Resolve the names of the backends, each as long as it is there."""
    usual = socket.getaddrinfo
    by_host = {each.host: each for each in backends}

    def resolve(host: object, *args: object, **kwargs: object) -> object:
        backend = by_host.get(host if isinstance(host, str) else "")
        if backend is None:
            return usual(host, *args, **kwargs)  # type: ignore[arg-type] # passed on as they came
        if backend.fault == "DNS gone":
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")
        return usual("127.0.0.1", *args, **kwargs)  # type: ignore[arg-type] # passed on as they came

    socket.getaddrinfo = resolve  # type: ignore[assignment] # the operating system's resolver
    try:
        yield
    finally:
        socket.getaddrinfo = usual


@contextlib.asynccontextmanager
async def faulty_backends(names: list[str]) -> AsyncIterator[dict[str, FaultyBackend]]:
    """Backends by name, all well."""
    found = [FaultyBackend(name) for name in names]
    with _names(found):
        try:
            for each in found:
                await each.start()
            yield {each.name: each for each in found}
        finally:
            for each in found:
                await each.stop()
