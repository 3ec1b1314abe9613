"""The PROXY protocol at the traffic listener, over real connections."""

import asyncio
import socket
import struct
import threading
from pathlib import Path

import pytest

from proxy.server.settings import CertificateFiles, Tier, TlsFiles
from tests.integration.tables import one_backend
from tests.support.certificates import Authority, client_context
from tests.support.facade_in_loop import TIERS, facade_in_loop
from tests.support.facade_process import facade_process
from tests.support.origin import ok, origin, responding
from tests.support.waiting import until
from tests.support.wire import Message, connected

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
GET = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"
HELLO = b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n"
BALANCERS = ("127.0.0.0/8",)
HEADERS = {
    "version 1": (V1, "203.0.113.7"),
    "version 1 with IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 5 443\r\n", "2001:db8::7"),
    "version 1 unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "version 2": (
        SIGNATURE
        + struct.pack("!BBH", 0x21, 0x11, 12)
        + socket.inet_aton("203.0.113.7")
        + socket.inet_aton("192.0.2.1")
        + struct.pack("!HH", 56324, 443),
        "203.0.113.7",
    ),
    "version 2 of a health check": (SIGNATURE + struct.pack("!BBH", 0x20, 0, 0), "127.0.0.1"),
}
MALFORMED = {
    "no header": GET,
    "no address": b"PROXY TCP4 a b 1 2\r\n" + GET,
    "no end": b"PROXY TCP4 " + b"1" * 200,
    "unknown version": SIGNATURE + struct.pack("!BBH", 0x31, 0x11, 12) + b"\0" * 12 + GET,
}
EVERY_TIER = pytest.mark.parametrize("tier", TIERS)


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize(("header", "client"), HEADERS.values(), ids=HEADERS.keys())
@EVERY_TIER
async def test_the_client_is_the_one_that_the_balancer_names(
    tier: Tier, header: bytes, client: str, in_pieces: bool, tmp_path: Path
) -> None:
    received: list[Message] = []
    async with (
        origin(responding(ok(b"yes"), received)) as backend,
        facade_in_loop(
            one_backend(backend.url), tmp_path, tier=tier, proxy_protocol=BALANCERS
        ) as up,
        connected(up.listen.host, up.listen.port) as wire,
    ):
        if in_pieces:
            for byte in header:
                wire.send(bytes((byte,)))
                await wire.flush()
                await asyncio.sleep(0)
            wire.send(GET)
        else:
            wire.send(header + GET)
        assert (await wire.response()).body == b"yes"
        wire.send(GET)  # The header is for the connection, not for each request.
        assert (await wire.response()).body == b"yes"
        assert [line["client"] for line in await up.log_lines(2)] == [client] * 2
    assert [each.head.one(b"x-forwarded-for") for each in received] == [client.encode()] * 2


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
@EVERY_TIER
async def test_a_balancer_without_a_good_header_is_closed(
    tier: Tier, sent: bytes, tmp_path: Path
) -> None:
    async with (
        origin() as backend,
        facade_in_loop(
            one_backend(backend.url), tmp_path, tier=tier, proxy_protocol=BALANCERS
        ) as up,
        connected(up.listen.host, up.listen.port) as wire,
    ):
        wire.send(sent)
        assert (await wire.end())[0] == b""
        assert b'facade_refused_total{kind="proxy_protocol"} 1' in await up.get(
            "/metrics", admin=True
        )
        assert backend.accepted == 0


@EVERY_TIER
async def test_other_peers_speak_for_themselves_and_may_name_no_client(
    tier: Tier, tmp_path: Path
) -> None:
    async with (
        origin(responding(ok(b"yes"))) as backend,
        facade_in_loop(
            one_backend(backend.url), tmp_path, tier=tier, proxy_protocol=("192.0.2.0/24",)
        ) as up,
    ):
        async with connected(up.listen.host, up.listen.port) as wire:
            wire.send(GET)
            assert (await wire.response()).body == b"yes"
        async with connected(up.listen.host, up.listen.port) as wire:
            wire.send(V1 + GET)
            assert (await wire.response()).head.status == 400


@EVERY_TIER
async def test_tls_begins_after_the_header(tier: Tier, tmp_path: Path) -> None:
    authority = Authority()
    files = authority.issue("localhost").write(tmp_path, "tls")
    tls = TlsFiles((CertificateFiles(files.cert, files.key),))
    received: list[Message] = []
    async with (
        origin(responding(ok(b"yes"), received)) as backend,
        facade_in_loop(
            one_backend(backend.url), tmp_path, tier=tier, proxy_protocol=BALANCERS, tls=tls
        ) as up,
    ):

        def fetch() -> bytes:
            with socket.create_connection((up.listen.host, up.listen.port), 10) as plain:
                plain.sendall(V1)
                context = client_context(authority)
                with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
                    wrapped.sendall(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
                    return b"".join(iter(lambda: wrapped.recv(4000), b""))

        assert (await asyncio.to_thread(fetch)).endswith(b"yes")
    assert received[0].head.one(b"x-forwarded-for") == b"203.0.113.7"
    assert received[0].head.one(b"x-forwarded-proto") == b"https"


def exchange(client: socket.socket) -> bytes:
    with client:
        client.sendall(V1 + HELLO)
        return b"".join(iter(lambda: client.recv(4000), b""))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_is_lost_at_a_shutdown_and_silent_connections_do_not_delay_it(
    tmp_path: Path, workers: str
) -> None:
    responses: list[bytes] = []
    failed: list[str] = []
    options = ("--proxy-protocol", "127.0.0.1", "--workers", workers)
    with facade_process(tmp_path, *options) as facade:

        def load() -> None:
            while True:
                try:
                    client = socket.create_connection(("127.0.0.1", facade.port), 10)
                except ConnectionRefusedError:
                    return
                try:
                    responses.append(exchange(client))
                except OSError as error:
                    failed.append(repr(error))

        with socket.create_connection(("127.0.0.1", facade.port)):
            clients = [threading.Thread(target=load) for _ in range(3)]
            for client in clients:
                client.start()
            until(lambda: len(responses) > 100)
            assert facade.stop() == 0
            for client in clients:
                client.join(20)
    assert failed == []
    assert all(response.endswith(b"hello") for response in responses)
