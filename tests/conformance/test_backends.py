"""Backend addresses: several endpoints, IPv6, Unix sockets, names with several addresses."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.server.settings import Address
from tests.conformance.harness import Tier, client, facade, table
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import ok, origin, responding
from tests.support.ports import free_port
from tests.support.wire import connected

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"


def loopbacks() -> list[str]:
    """127.0.0.1, and ::1 where this machine has it."""
    found = ["127.0.0.1"]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        found.append("::1")
    return found


@contextlib.contextmanager
def _refusing(address: str) -> Iterator[int]:
    """A port of `address` that refuses and that nobody else is given: bound, but not listened on."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as held:
        held.bind((address, 0))
        yield held.getsockname()[1]


async def _bodies(up: RunningFacade, count: int) -> list[bytes]:
    async with client(up) as wire:
        bodies = []
        for _ in range(count):
            wire.send(GET)
            bodies.append((await wire.response()).body)
    return bodies


async def test_endpoints_take_turns(tier: Tier, tmp_path: Path) -> None:
    async with (
        origin(responding(ok(b"1"))) as one,
        origin(responding(ok(b"2"))) as two,
        origin(responding(ok(b"3"))) as three,
        facade(tier, table(one.url, two.url, three.url), tmp_path) as up,
    ):
        assert await _bodies(up, 9) == [b"1", b"2", b"3"] * 3


async def test_an_endpoint_that_is_down_is_passed_over(tier: Tier, tmp_path: Path) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    async with origin(responding(ok(b"up"))) as made:
        async with facade(tier, table(down, made.url), tmp_path) as up:
            assert await _bodies(up, 6) == [b"up"] * 6


@pytest.mark.parametrize("host", loopbacks())
async def test_an_address_of_either_family_is_reached(
    host: str, tier: Tier, tmp_path: Path
) -> None:
    async with origin(responding(ok(b"hi")), host=host) as made:
        async with facade(tier, table(made.url), tmp_path) as up:
            assert await _bodies(up, 2) == [b"hi"] * 2
            assert len(made.connections) == 1


@pytest.mark.parametrize("host", loopbacks())
async def test_clients_of_either_family_are_served(host: str, tier: Tier, tmp_path: Path) -> None:
    async with origin() as made:
        async with facade(tier, table(made.url), tmp_path, listen=Address(host, 0)) as up:
            async with connected(host, up.listen.port) as wire:
                wire.send(GET)
                upstream = await made.connection()
                head = (await upstream.request()).head
                upstream.send(ok())
                assert (await wire.response()).body == b"ok"
    assert head.one(b"x-forwarded-for") == host.encode()
    node = b'"[::1]"' if ":" in host else b"127.0.0.1"
    assert head.one(b"forwarded").startswith(b"for=" + node + b";")


async def test_a_unix_socket_is_reached(tier: Tier, tmp_path: Path) -> None:
    path = tmp_path / "o.sock"
    async with origin(responding(ok(b"unix")), unix=path) as made:
        async with facade(tier, table(made.url), tmp_path) as up:
            assert await _bodies(up, 2) == [b"unix"] * 2


@pytest.mark.parametrize("listening", loopbacks())
async def test_the_address_of_a_name_that_accepts_connections_is_used(
    listening: str, tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8305: a name with addresses of both families, one of which refuses."""
    usual = socket.getaddrinfo
    with contextlib.ExitStack() as held:
        ports = {
            address: held.enter_context(_refusing(address))
            for address in loopbacks()
            if address != listening
        }

        def both(host: str, port: int, *rest: int, **more: int) -> list[object]:
            if host != "two.example":
                return list(usual(host, port, *rest, **more))
            found = [usual(each, ports.get(each, port), *rest, **more) for each in loopbacks()]
            return [each for family in found for each in family]

        monkeypatch.setattr(socket, "getaddrinfo", both)
        async with origin(responding(ok(b"hi")), host=listening, name="two.example") as made:
            async with facade(tier, table(made.url), tmp_path) as up:
                assert await _bodies(up, 2) == [b"hi"] * 2


async def test_nobody_there_is_a_502(tier: Tier, tmp_path: Path) -> None:
    """RFC 9110 15.6.3."""
    down = f"http://127.0.0.1:{free_port()}"
    async with facade(tier, table(down), tmp_path) as up, client(up) as wire:
        for _ in range(2):
            wire.send(GET)
            got = await wire.response()
            assert got.head.status == 502
            assert got.head.one(b"content-type") == b"application/problem+json"
