"""Where a request goes: endpoints in turn, addresses of a name, Unix sockets, and none to be had."""

import asyncio
import socket
from pathlib import Path

import pytest

from proxy.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamUnreachable,
)
from proxy.model import Backend, Body, Endpoint, Timeouts
from proxy.upstream import HttpUpstream, open_upstream
from proxy.upstream.acquire import acquire
from tests.integration.upstream_client import closed_at_end, get, outgoing, whole
from tests.support.origin import Gate, ok, origin, responding
from tests.support.ports import free_port, full_backlog
from tests.support.waiting import eventually
from tests.support.wire import Wire


async def test_endpoints_take_turns() -> None:
    async with origin(responding(ok())) as first, origin(responding(ok())) as second:
        backend = Backend("old", (first.endpoint, second.endpoint))
        async with closed_at_end(HttpUpstream(backend)) as upstream:
            addresses = []
            for _ in range(6):
                exchange = await upstream.open(outgoing())
                addresses.append(exchange.address)
                await whole(exchange)
        assert addresses == [str(first.endpoint), str(second.endpoint)] * 3


async def test_an_endpoint_that_is_down_is_passed_over() -> None:
    async with origin(responding(ok())) as server:
        down = Endpoint("http", "127.0.0.1", free_port())
        async with closed_at_end(HttpUpstream(Backend("old", (down, server.endpoint)))) as upstream:
            attempts = []
            for _ in range(4):
                exchange = await upstream.open(outgoing("POST", body=Body("length", 0)))
                assert (await whole(exchange)).body == b"ok"
                attempts.append(exchange.attempts)
            assert sorted(attempts) == [1, 1, 2, 2]


async def test_all_endpoints_down_is_told() -> None:
    down = tuple(Endpoint("http", "127.0.0.1", free_port()) for _ in range(3))
    async with closed_at_end(HttpUpstream(Backend("old", down))) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)


async def test_a_request_goes_where_there_is_room() -> None:
    gate = Gate()
    async with origin(gate) as full, origin(responding(ok())) as free:
        backend = Backend("old", (full.endpoint, free.endpoint), False, 1, 10)
        async with closed_at_end(HttpUpstream(backend)) as upstream:
            first = await upstream.open(outgoing())
            await eventually(lambda: gate.waiting == 1)
            patient = outgoing(timeouts=Timeouts(connect_s=60, request_s=60))
            for _ in range(3):
                assert (await asyncio.wait_for(get(upstream, patient), 5)).body == b"ok"
            first.abort()


@pytest.mark.parametrize("bad", ["refused", "hanging"])
async def test_a_name_with_several_addresses_is_tried_through(
    bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with origin(responding(ok())) as server:
        with full_backlog() as hanging:
            ports = {"refused": free_port(), "hanging": hanging}

            loop = asyncio.get_running_loop()
            resolve = loop.getaddrinfo

            async def resolved(host: str, *more: int, **named: int) -> object:
                if host != "old.example":  # uvloop asks for addresses, too.
                    return await resolve(host, *more, **named)
                return [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
                    for port in (ports[bad], server.port)
                ]

            monkeypatch.setattr(loop, "getaddrinfo", resolved)
            backend = Backend("old", (Endpoint("http", "old.example", 80),))
            async with closed_at_end(open_upstream(backend)) as upstream:
                assert (await asyncio.wait_for(get(upstream), 1.5)).body == b"ok"


def _loopbacks() -> list[str]:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


@pytest.mark.parametrize("host", _loopbacks())
async def test_an_address_is_asked_for_by_its_own_name(host: str) -> None:
    hosts: list[bytes] = []

    async def script(wire: Wire) -> None:
        hosts.extend((await wire.request_head()).all(b"host"))
        wire.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with origin(script, host=host) as server:
        endpoint = Endpoint("http", host, server.port)
        async with closed_at_end(open_upstream(Backend("old", (endpoint,)))) as upstream:
            assert (await get(upstream)).status == 204
    assert hosts == [endpoint.authority.encode()]


async def test_a_unix_socket_is_an_endpoint_too(tmp_path: Path) -> None:
    path = tmp_path / "up.sock"
    async with origin(responding(ok()), unix=path) as server:
        backend = Backend("old", (Endpoint("http", "localhost", 80, str(path)),))
        async with closed_at_end(open_upstream(backend)) as upstream:
            assert (await get(upstream)).body == b"ok"
            assert (await get(upstream)).body == b"ok"
            assert server.accepted == 1


async def test_a_unix_socket_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    backend = Backend("old", (Endpoint("http", "localhost", 80, str(tmp_path / "none")),))
    async with closed_at_end(open_upstream(backend)) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)


async def test_running_out_of_descriptors_is_busy_not_broken() -> None:
    resource = pytest.importorskip("resource", reason="limits on descriptors are a Unix matter")
    async with (
        origin(responding(ok())) as server,
        closed_at_end(open_upstream(server.backend())) as upstream,
    ):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as probe:
            lowest_free = probe.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            with pytest.raises(UpstreamError) as caught:
                await get(upstream)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert type(caught.value) is UpstreamBusy
        assert (await get(upstream)).body == b"ok"


async def test_a_small_body_is_not_held_back_by_nagle() -> None:
    """Under asyncio's own loop, too: it looks at the socket's protocol before it sets TCP_NODELAY."""
    async with origin(responding(ok())) as wire:
        upstream = HttpUpstream(Backend("old", (wire.endpoint,)))
        async with closed_at_end(upstream):
            connection = await acquire(upstream.next_pool(), 5)
            own = connection._transport.get_extra_info("socket")
            assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
