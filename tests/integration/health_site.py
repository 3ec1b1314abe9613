"""Backends whose health a test changes, and tables that monitor them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import Origin, ok, origin
from tests.support.wire import Wire

PROBE = b"/health"
CHECK = (
    "{path: /health, interval: 200ms, timeout: 150ms, unhealthy_threshold: 2, healthy_threshold: 1}"
)


def status(code: int, body: bytes = b"no") -> bytes:
    return b"HTTP/1.1 %d No\r\ncontent-length: %d\r\n\r\n%b" % (code, len(body), body)


class Endpoint:
    """An endpoint that behaves as a test says: a response, or one of `frozen`, `stuck`, `slow`, `reset`, `endless`.

    A frozen endpoint responds once it is released, a stuck one resets then.
    """

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.probe: bytes | str = ok()
        self.request: bytes | str = ok(name)
        self.probes = 0
        self.requests = 0
        self.waiting = 0
        """Requests that a frozen endpoint holds."""
        self.released = asyncio.Event()
        self.server: Origin | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url

    def is_ill(self, how: bytes | str) -> None:
        """Behave so for probes and requests."""
        self.probe = self.request = how

    def is_well(self) -> None:
        self.probe, self.request = ok(), ok(self.name)
        self.released.set()

    async def __call__(self, wire: Wire) -> None:
        while True:
            request = await wire.request()
            is_probe = request.head.target == PROBE
            self.probes += is_probe
            self.requests += not is_probe
            how = self.probe if is_probe else self.request
            if isinstance(how, bytes):
                wire.send(how)
                await wire.flush()
            elif how in ("frozen", "stuck"):
                self.waiting += 1
                await self.released.wait()
                self.waiting -= 1
                if how == "stuck":
                    wire.reset()
                    return
                wire.send(ok(self.name))
            elif how == "slow":
                await asyncio.sleep(
                    0.4
                )  # Longer than the timeout of a probe, shorter than that of a request.
                wire.send(ok(self.name))
            elif how == "reset":
                wire.reset()
                return
            else:
                await _send_for_ever(wire)


async def _send_for_ever(wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        wire.send(b"1\r\nx\r\n")
        await wire.flush()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def endpoints(count: int) -> AsyncIterator[list[Endpoint]]:
    """Endpoints that are well, called 0, 1 and so on."""
    async with contextlib.AsyncExitStack() as stack:
        found = [Endpoint(b"%d" % number) for number in range(count)]
        for each in found:
            each.server = await stack.enter_async_context(origin(each))
        yield found


def table(urls: list[str], *fields: str) -> str:
    """A table with one backend."""
    listed = ", ".join(f'"{url}"' for url in urls)
    lines = "".join(f"    {field}\n" for field in fields)
    return f"""\
version: 1
defaults: {{timeouts: {{connect: 1s, request: 1s}}}}
backends:
  b:
    endpoints: [{listed}]
{lines}routes: [{{name: all, backend_refs: b}}]
"""


async def ready(facade: RunningFacade) -> dict[str, Any]:
    """The backend in `/readyz`."""
    response = await facade.get("/readyz", admin=True)
    found: dict[str, Any] = json.loads(response.partition(b"\r\n\r\n")[2])["backends"]["b"]
    return found


async def states(facade: RunningFacade) -> list[str]:
    """The states of the endpoints."""
    return [each["state"] for each in (await ready(facade))["endpoints"]]


async def becomes(facade: RunningFacade, *wanted: str) -> None:
    """Wait until the endpoints have these states, and the worker follows them."""
    health = facade.app.forwarder.health
    async with asyncio.timeout(20):
        while await states(facade) != list(wanted) or [
            each.state for each in health.current.backends["b"].endpoints
        ] != list(wanted):
            await asyncio.sleep(0.02)


async def served_by(facade: RunningFacade, *headers: str) -> bytes:
    """Who responded to a request: the name of the endpoint, or the status if it was no 200."""
    response = await facade.get("/", *headers)
    line, _, rest = response.partition(b"\r\n")
    return rest.partition(b"\r\n\r\n")[2] if b" 200 " in line else line.split(b" ")[1]
