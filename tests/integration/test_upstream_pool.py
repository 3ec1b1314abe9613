"""How connections are made, shared, capped, aged and closed."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from proxy.errors import (
    ConnectTimeout,
    UpstreamBroke,
    UpstreamBusy,
    UpstreamError,
    UpstreamUnreachable,
)
from proxy.model import Backend, Body, Endpoint, Timeouts
from proxy.upstream import HttpUpstream, Stats, open_upstream
from tests.integration.upstream_servers import (
    Answer,
    Peer,
    Server,
    asking,
    closing,
    eventually,
    get,
    refused_port,
    serving,
    whole,
)


class Gate:
    """A script that answers, each request of it, only when the gate is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.request()
            self.waiting += 1
            await self.open.wait()
            self.waiting -= 1
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@contextlib.asynccontextmanager
async def gated(**caps: int) -> AsyncIterator[tuple[Gate, Server, HttpUpstream]]:
    gate = Gate()
    async with serving(gate) as server:
        upstream = HttpUpstream(server.backend(**caps))
        async with closing(upstream):
            yield gate, server, upstream


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port where connecting neither succeeds nor fails."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
        yield int(listening.getsockname()[1])


# --- cap and queue ----------------------------------------------------------------------------------


async def test_no_more_connections_than_the_cap_and_the_queue_is_in_order() -> None:
    async with gated(max_connections=3, max_pending_requests=10) as (gate, server, upstream):
        done: list[int] = []

        async def ask(number: int) -> None:
            await get(upstream)
            done.append(number)

        tasks = [asyncio.create_task(ask(number)) for number in range(9)]
        await eventually(lambda: gate.waiting == 3)
        assert upstream.stats() == Stats(connections=3, idle=0, in_flight=3, pending=6)
        gate.open.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        assert server.accepted == 3
        assert [number // 3 for number in done] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert upstream.stats() == Stats(connections=3, idle=3)


async def test_a_full_queue_is_told_at_once() -> None:
    async with gated(max_connections=1, max_pending_requests=2) as (gate, _, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(3)]
        await eventually(lambda: upstream.stats().pending == 2 and gate.waiting == 1)
        began = time.monotonic()
        with pytest.raises(UpstreamBusy):
            await upstream.open(asking())
        assert time.monotonic() - began < 0.5
        gate.open.set()
        await asyncio.gather(*tasks)


async def test_waiting_in_the_queue_has_an_end() -> None:
    async with gated(max_connections=1) as (gate, _, upstream):
        first = asyncio.create_task(get(upstream))
        await eventually(lambda: gate.waiting == 1)
        with pytest.raises(UpstreamBusy):
            await upstream.open(asking(timeouts=Timeouts(connect_s=0.1)))
        assert upstream.stats().pending == 0
        gate.open.set()
        await first


async def test_a_waiter_that_leaves_gives_its_place_to_the_next() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(3)]
        await eventually(lambda: upstream.stats().pending == 2 and gate.waiting == 1)
        tasks[1].cancel()
        gate.open.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert tasks[1].cancelled()
        assert tasks[2].result().body == b"ok"
        assert (server.accepted, upstream.stats()) == (1, Stats(connections=1, idle=1))


async def test_an_aborted_exchange_makes_room_for_a_waiter() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        first = await upstream.open(asking())
        await eventually(lambda: gate.waiting == 1)
        waiter = asyncio.create_task(get(upstream))
        await eventually(lambda: upstream.stats().pending == 1)
        first.abort()
        gate.open.set()
        assert (await asyncio.wait_for(waiter, 5)).body == b"ok"
        assert server.accepted == 2


async def test_a_connection_whose_waiter_left_is_not_lost() -> None:
    async with gated(max_connections=1) as (gate, _, upstream):
        gate.open.set()
        for _ in range(20):
            task = asyncio.create_task(get(upstream))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
        assert (await asyncio.wait_for(get(upstream), 5)).body == b"ok"
        await eventually(lambda: upstream.stats() == Stats(connections=1, idle=1))


@pytest.mark.parametrize("turns", range(12))
async def test_cancelling_at_any_moment_leaks_no_slot(turns: int) -> None:
    async with gated(max_connections=2, max_pending_requests=50) as (gate, _, upstream):
        gate.open.set()
        tasks = [asyncio.create_task(get(upstream)) for _ in range(12)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.wait(tasks, timeout=5)
        kept = [task for task in tasks if not task.cancelled()]
        assert all(task.result().body == b"ok" for task in kept)
        await eventually(lambda: upstream.stats().in_flight == upstream.stats().pending == 0)
        assert upstream.stats().connections <= 2
        assert (await asyncio.wait_for(get(upstream), 5)).body == b"ok"


async def test_refusals_in_a_row_leave_nothing_behind() -> None:
    backend = Backend("old", (Endpoint("http", "127.0.0.1", refused_port()),), False, 2, 100)
    async with closing(open_upstream(backend)) as upstream:
        asked = [asyncio.create_task(get(upstream)) for _ in range(30)]
        results = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
        assert {type(result) for result in results} == {UpstreamUnreachable}
        assert upstream.stats() == Stats()


async def test_connecting_has_an_end() -> None:
    with full_backlog() as port:
        backend = Backend("old", (Endpoint("http", "127.0.0.1", port),))
        async with closing(open_upstream(backend)) as upstream:
            began = time.monotonic()
            with pytest.raises(ConnectTimeout):
                await upstream.open(asking(timeouts=Timeouts(connect_s=0.3)))
            assert 0.25 < time.monotonic() - began < 1.5


# --- keep-alive -------------------------------------------------------------------------------------


async def test_an_idle_connection_is_closed_before_the_upstream_would() -> None:
    async with serving(_answering) as server:
        async with closing(HttpUpstream(server.backend(), keepalive_s=0.3)) as upstream:
            await get(upstream)
            assert upstream.stats().idle == 1
            began = time.monotonic()
            await eventually(lambda: upstream.stats().connections == 0)
            assert 0.25 < time.monotonic() - began < 1.5
            await eventually(lambda: server.open == 0)
            assert (await get(upstream)).body == b"ok"
            assert server.accepted == 2


async def test_a_connection_closed_by_the_upstream_is_not_taken() -> None:
    async def script(peer: Peer) -> None:
        await peer.answer()

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        for count in range(1, 6):
            exchange = await upstream.open(asking("POST"))
            assert (await whole(exchange)).body == b"ok"
            assert server.accepted == count
            await eventually(lambda: server.open == 0)


async def test_the_connection_used_last_is_taken_first() -> None:
    async def script(peer: Peer) -> None:
        number = b"%d" % server.accepted
        while True:
            await peer.answer(number)

    async with serving(script) as server, closing(open_upstream(server.backend())) as upstream:
        answers = await asyncio.gather(*(get(upstream) for _ in range(3)))
        assert upstream.stats().idle == 3
        last = (await get(upstream)).body
        assert last in {answer.body for answer in answers}
        assert [(await get(upstream)).body for _ in range(5)] == [last] * 5


async def _answering(peer: Peer) -> None:
    while True:
        await peer.answer()


# --- closing ------------------------------------------------------------------------------------------


async def test_closing_waits_for_what_is_in_flight() -> None:
    async with gated(max_connections=1) as (gate, server, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(2)]
        await eventually(lambda: gate.waiting == 1 and upstream.stats().pending == 1)
        closed = asyncio.create_task(upstream.aclose(5))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamUnreachable):
            await upstream.open(asking())
        assert not closed.done()
        gate.open.set()
        assert [answer.body for answer in await asyncio.gather(*tasks)] == [b"ok", b"ok"]
        await asyncio.wait_for(closed, 1)
        assert upstream.stats() == Stats()
        await eventually(lambda: server.open == 0)


async def test_closing_cuts_off_what_does_not_end() -> None:
    async with gated(max_connections=1) as (gate, _, upstream):
        tasks = [asyncio.create_task(get(upstream)) for _ in range(2)]
        await eventually(lambda: gate.waiting == 1 and upstream.stats().pending == 1)
        began = time.monotonic()
        await upstream.aclose(0.1)
        assert time.monotonic() - began < 1
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in told] == [UpstreamBroke, UpstreamUnreachable]


async def test_closing_while_connecting_ends_the_attempt() -> None:
    with full_backlog() as port:
        upstream = open_upstream(Backend("old", (Endpoint("http", "127.0.0.1", port),)))
        task = asyncio.create_task(get(upstream))
        await eventually(lambda: upstream.stats().pending == 1)
        await asyncio.wait_for(upstream.aclose(0.05), 2)
        with pytest.raises(UpstreamUnreachable):
            await task


async def test_closing_closes_idle_connections_at_once() -> None:
    async with serving(_answering) as server:
        upstream = open_upstream(server.backend())
        await get(upstream)
        began = time.monotonic()
        await upstream.aclose(10)
        assert time.monotonic() - began < 1
        await eventually(lambda: server.open == 0)


# --- endpoints and addresses --------------------------------------------------------------------------


async def _asked_of(upstream: HttpUpstream, count: int) -> list[Answer]:
    return [await get(upstream) for _ in range(count)]


async def test_endpoints_take_turns() -> None:
    async with serving(_answering) as first, serving(_answering) as second:
        backend = Backend("old", (first.endpoint, second.endpoint))
        async with closing(HttpUpstream(backend)) as upstream:
            addresses = []
            for _ in range(6):
                exchange = await upstream.open(asking())
                addresses.append(exchange.address)
                await whole(exchange)
        assert addresses == [str(first.endpoint), str(second.endpoint)] * 3


async def test_an_endpoint_that_is_down_is_passed_over() -> None:
    async with serving(_answering) as server:
        down = Endpoint("http", "127.0.0.1", refused_port())
        async with closing(HttpUpstream(Backend("old", (down, server.endpoint)))) as upstream:
            attempts = []
            for _ in range(4):
                exchange = await upstream.open(asking("POST", body=Body("length", 0)))
                assert (await whole(exchange)).body == b"ok"
                attempts.append(exchange.attempts)
            assert sorted(attempts) == [1, 1, 2, 2]


async def test_all_endpoints_down_is_told() -> None:
    down = tuple(Endpoint("http", "127.0.0.1", refused_port()) for _ in range(3))
    async with closing(HttpUpstream(Backend("old", down))) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)


async def test_a_request_goes_where_there_is_room() -> None:
    gate = Gate()
    async with serving(gate) as full, serving(_answering) as free:
        backend = Backend("old", (full.endpoint, free.endpoint), False, 1, 10)
        async with closing(HttpUpstream(backend)) as upstream:
            first = await upstream.open(asking())
            await eventually(lambda: gate.waiting == 1)
            for _ in range(3):
                assert (await asyncio.wait_for(get(upstream), 5)).body == b"ok"
            first.abort()


@pytest.mark.parametrize("bad", ["refused", "hanging"])
async def test_a_name_with_several_addresses_is_tried_through(
    bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(_answering) as server:
        with full_backlog() as hanging:
            ports = {"refused": refused_port(), "hanging": hanging}

            async def resolved(*_: object, **__: object) -> list[object]:
                return [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
                    for port in (ports[bad], server.port)
                ]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
            backend = Backend("old", (Endpoint("http", "old.example", 80),))
            async with closing(open_upstream(backend)) as upstream:
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

    async def script(peer: Peer) -> None:
        hosts.extend((await peer.request()).all(b"host"))
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with serving(script, host=host) as server:
        endpoint = Endpoint("http", host, server.port)
        async with closing(open_upstream(Backend("old", (endpoint,)))) as upstream:
            assert (await get(upstream)).status == 204
    assert hosts == [endpoint.authority.encode()]


async def test_a_unix_socket_is_an_endpoint_too(tmp_path: Path) -> None:
    path = str(tmp_path / "up.sock")
    async with serving(_answering, unix_path=path) as server:
        backend = Backend("old", (Endpoint("http", "localhost", 80, path),))
        async with closing(open_upstream(backend)) as upstream:
            assert (await get(upstream)).body == b"ok"
            assert (await get(upstream)).body == b"ok"
            assert server.accepted == 1


async def test_a_unix_socket_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    backend = Backend("old", (Endpoint("http", "localhost", 80, str(tmp_path / "none")),))
    async with closing(open_upstream(backend)) as upstream:
        with pytest.raises(UpstreamUnreachable):
            await get(upstream)


async def test_running_out_of_descriptors_is_busy_not_broken() -> None:
    resource = pytest.importorskip("resource", reason="limits on descriptors are a Unix matter")
    async with serving(_answering) as server, closing(open_upstream(server.backend())) as upstream:
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
