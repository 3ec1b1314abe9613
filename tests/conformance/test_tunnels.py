"""Tunnels (WebSockets) have bounds of their own: silence, number, and what becomes of them when traffic moves."""

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from proxy.tcp_keep_alive import IDLE_S
from tests.conformance.frames import TEXT, frame
from tests.conformance.harness import Tier, client, facade, table
from tests.conformance.websocket import ASKING, SWITCHING, opened
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import Origin, ok, origin
from tests.support.waiting import eventually
from tests.support.wire import Wire, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
HELLO = frame(TEXT, b"hello", masked=True)


async def serve(wire: Wire) -> None:
    """Accepts each upgrade, and responses all else."""
    while True:
        request = await wire.request_head()
        upgrades = bool(request.all(b"upgrade"))
        wire.send(SWITCHING if upgrades else ok())
        if upgrades:
            await wire.end()
            return


async def status_of(wire: Wire, request: bytes) -> int:
    wire.send(request)
    return (await wire.response_head()).status


async def readyz(up: RunningFacade) -> dict[str, Any]:
    async with connected(up.admin.host, up.admin.port) as wire:
        wire.send(b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        found: dict[str, Any] = json.loads((await wire.response()).body)["backends"]["legacy"]
        return found


async def test_a_silent_websocket_outlives_the_idle_timeout_of_streams(
    tier: Tier, tmp_path: Path
) -> None:
    async with opened(tier, tmp_path, route="timeouts: {stream_idle: 200ms}") as ws:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.client.more(), 1.5)
        ws.client.send(HELLO)
        assert await ws.upstream.exactly(len(HELLO)) == HELLO


async def test_a_websocket_that_is_silent_for_tunnel_idle_ends(tier: Tier, tmp_path: Path) -> None:
    async with opened(tier, tmp_path, route="timeouts: {tunnel_idle: 300ms}") as ws:
        for _ in range(8):
            ws.client.send(HELLO)
            assert await ws.upstream.exactly(len(HELLO)) == HELLO
            await asyncio.sleep(0.1)
        ended = await asyncio.gather(ws.client.end(), ws.upstream.end())
        assert [data for data, _ in ended] == [b"", b""]
        line = (await ws.up.log_lines(1))[0]
        assert (line["reason"], "tunnel_idle" in line["error"]) == ("timeout", True)


async def test_websockets_do_not_take_the_connections_of_requests(
    tier: Tier, tmp_path: Path
) -> None:
    limits = "circuit_breakers: {max_connections: 2, max_tunnels: 5}"
    async with (
        origin(serve) as made,
        facade(tier, table(made.url, backend=limits), tmp_path) as up,
        contextlib.AsyncExitStack() as stack,
    ):
        wires = [await stack.enter_async_context(client(up)) for _ in range(5)]
        for wire in wires:
            assert await status_of(wire, ASKING) == 101
        async with client(up) as wire:
            assert await status_of(wire, ASKING) == 503
        async with client(up) as wire:
            assert await status_of(wire, GET) == 200
        async with asyncio.timeout(8):
            while (found := await readyz(up))["idle"] < 1:
                await asyncio.sleep(0.05)
        assert found == {
            "active": 0,
            "stream": 0,
            "idle": 1,
            "max_connections": 2,
            "tunnel": 5,
            "max_tunnels": 5,
            "pending": 0,
        }
        wires[0].close()
        await eventually(lambda: up.app.upstream_stats()["legacy"].tunnels == 4)
        async with client(up) as wire:
            assert await status_of(wire, ASKING) == 101


async def test_a_response_that_goes_on_is_shown_as_a_stream(tier: Tier, tmp_path: Path) -> None:
    async with (
        origin() as made,
        facade(tier, table(made.url), tmp_path) as up,
        client(up) as wire,
    ):
        wire.send(GET)
        upstream = await made.connection()
        await upstream.request_head()
        assert up.app.upstream_stats()["legacy"].streams == 0
        upstream.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        await wire.response_head()
        assert up.app.upstream_stats()["legacy"].streams == 1


def moving(made: Origin, other: Origin, weight: int, route: str) -> str:
    return (
        "version: 1\n"
        f'backends: {{legacy: "{made.url}", newcomer: "{other.url}"}}\n'
        "routes: [{name: all, "
        f"backend_refs: {{legacy: {100 - weight}, newcomer: {weight}}}, {route}}}]\n"
    )


async def reload(up: RunningFacade, routes: str) -> None:
    before = up.app.table.current.version
    up.routes.write_text(routes)
    await eventually(lambda: up.app.table.current.version != before)


@pytest.mark.parametrize(("way", "ends"), [("drain", True), ("keep", False)])
async def test_a_rollback_ends_the_websockets_of_a_route_that_drains_them(
    tier: Tier, tmp_path: Path, way: str, ends: bool
) -> None:
    route = f"tunnels: {way}"
    async with origin(serve) as legacy, origin() as newcomer:
        routes = moving(legacy, newcomer, 100, route)
        async with facade(tier, routes, tmp_path) as up, client(up) as wire:
            wire.send(ASKING)
            upstream = await newcomer.connection()
            await upstream.request_head()
            upstream.send(SWITCHING)
            assert (await wire.response_head()).status == 101
            await reload(up, moving(legacy, newcomer, 30, route))
            with pytest.raises(TimeoutError):  # It still may be sent requests: the tunnel stays.
                await asyncio.wait_for(wire.more(), 1.2)
            await reload(up, moving(legacy, newcomer, 0, route))
            if ends:
                assert await wire.end() == (b"", False)
            else:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(wire.more(), 1.2)
                wire.send(HELLO)
                assert await upstream.exactly(len(HELLO)) == HELLO


async def test_both_sides_have_tcp_keep_alive(tier: Tier, tmp_path: Path) -> None:
    """A peer that is gone without a word ends a tunnel long before `tunnel_idle`."""
    seen: list[tuple[int, int]] = []
    async with opened(tier, tmp_path) as ws:
        for sock in _own_sockets(ws.up.listen.port, ws.server.port):
            on = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            seen.append((on, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)))
            sock.detach()
    assert len(seen) == 2
    assert set(seen) == {(1, IDLE_S)}


def _own_sockets(listen_port: int, backend_port: int) -> list[socket.socket]:
    """The facade's end of the client's connection, and of the one to the backend. It runs in this process."""
    found = []
    for name in Path("/proc/self/fd").iterdir():
        try:
            sock = socket.socket(fileno=int(name.name))
        except OSError:
            continue
        if _ports(sock) & {("own", listen_port), ("peer", backend_port)}:
            found.append(sock)
        else:
            sock.detach()
    return found


def _ports(sock: socket.socket) -> set[tuple[str, int]]:
    if sock.family != socket.AF_INET:
        return set()
    try:
        return {("own", sock.getsockname()[1]), ("peer", sock.getpeername()[1])}
    except OSError:  # A listening socket.
        return set()
