"""TLS: verification of backends, and TLS on the listener (RFC 8446, RFC 9110 4.3.4)."""

import ssl
import warnings
from pathlib import Path

import pytest

from proxy.server import settings as settings_of
from tests.conformance.harness import Tier, client, facade, table
from tests.support.certificates import Authority, client_context, server_context
from tests.support.facade_in_loop import RunningFacade
from tests.support.origin import ok, origin, responding
from tests.support.wire import Message, Wire, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")

GET = b"GET /a HTTP/1.1\r\nhost: facade.example\r\n\r\n"
NAMES = ("localhost", "127.0.0.1")


async def _ask(up: RunningFacade, raw: bytes = GET) -> Message:
    async with client(up) as wire:
        wire.send(raw)
        return await wire.response()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Its own certificate is in `ca.pem`."""
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.chain())
    return authority


@pytest.mark.parametrize("name", NAMES)
async def test_a_backend_is_verified_by_an_authority_of_its_own(
    name: str, tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    """RFC 9110 4.3.4."""
    seen: list[Message] = []
    server = server_context(tmp_path, authority.issue(*NAMES))
    async with origin(responding(ok(b"hi"), seen), tls=server, name=name) as made:
        routes = table(made.url, backend=f"tls: {{ca_file: {tmp_path}/ca.pem}}")
        async with facade(tier, routes, tmp_path) as up:
            assert [(await _ask(up)).body for _ in range(3)] == [b"hi"] * 3
            assert len(made.connections) == 1
    assert seen[0].head.one(b"x-forwarded-proto") == b"http"


@pytest.mark.parametrize(
    ("names", "expired", "trusted"),
    [
        pytest.param(NAMES, False, False, id="an authority that nobody trusts"),
        pytest.param(("other.example",), False, True, id="another's name"),
        pytest.param(("*.localhost",), False, True, id="a wildcard one label too low"),
        pytest.param(NAMES, True, True, id="expired"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_refused(
    names: tuple[str, ...],
    expired: bool,
    trusted: bool,
    tier: Tier,
    tmp_path: Path,
    authority: Authority,
) -> None:
    """RFC 9110 4.3.4: not a byte of the request goes to such a server."""
    seen: list[Message] = []
    server = server_context(tmp_path, authority.issue(*names, expired=expired))
    if not trusted:
        (tmp_path / "ca.pem").write_bytes(Authority("another").chain())
    async with origin(responding(ok(b"hi"), seen), tls=server, name="localhost") as made:
        async with facade(
            tier, table(made.url, backend=f"tls: {{ca_file: {tmp_path}/ca.pem}}"), tmp_path
        ) as up:
            got = await _ask(up)
    assert (got.head.status, seen) == (502, [])


async def test_without_a_word_the_systems_authorities_count(
    tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    """RFC 9110 4.3.4."""
    server = server_context(tmp_path, authority.issue(*NAMES))
    async with origin(responding(ok()), tls=server, name="localhost") as made:
        async with facade(tier, table(made.url), tmp_path) as up:
            assert (await _ask(up)).head.status == 502


async def test_a_server_name_is_asked_for_and_verified(
    tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    """RFC 6066 3."""
    asked: list[str | None] = []

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        asked.append(name)

    server = server_context(tmp_path, authority.issue("travelbuddy.example"))
    server.sni_callback = note
    async with origin(responding(ok(b"hi")), tls=server) as made:
        tls = f"tls: {{ca_file: {tmp_path}/ca.pem, server_name: travelbuddy.example}}"
        async with facade(tier, table(made.url, backend=tls), tmp_path) as up:
            assert (await _ask(up)).body == b"hi"
    assert asked == ["travelbuddy.example"]


@pytest.mark.parametrize("shown", [True, False], ids=["with a certificate", "without one"])
async def test_a_backend_may_want_a_client_certificate(
    shown: bool, tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    """RFC 8446 4.3.2."""
    seen: list[Message] = []
    server = server_context(tmp_path, authority.issue(*NAMES), clients_of=authority)
    mine = authority.issue("facade.example").write(tmp_path, "mine")
    more = f", cert_file: {mine.cert}, key_file: {mine.key}" if shown else ""
    async with origin(responding(ok(b"hi"), seen), tls=server, name="localhost") as made:
        routes = table(made.url, backend=f"tls: {{ca_file: {tmp_path}/ca.pem{more}}}")
        async with facade(tier, routes, tmp_path) as up:
            got = await _ask(up)
    assert (got.head.status, len(seen)) == ((200, 1) if shown else (502, 0))


async def test_a_backend_without_tls_is_not_taken_for_one_with_it(
    tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    async def plain(wire: Wire) -> None:
        await wire.more()
        wire.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async with origin(plain) as made:
        url = made.url.replace("http:", "https:")
        tls = f"tls: {{ca_file: {tmp_path}/ca.pem}}"
        async with facade(tier, table(url, backend=tls), tmp_path) as up:
            assert (await _ask(up)).head.status == 502


async def test_megabytes_go_through_tls_both_ways(
    tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    body = bytes(range(256)) * 8192
    server = server_context(tmp_path, authority.issue(*NAMES))
    async with origin(
        responding(lambda asked: ok(asked.body)), tls=server, name="localhost"
    ) as made:
        routes = table(made.url, backend=f"tls: {{ca_file: {tmp_path}/ca.pem}}")
        async with facade(tier, routes, tmp_path) as up:
            head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body)
            assert (await _ask(up, head + body)).body == body


# --- the listener -----------------------------------------------------------------------------------


async def test_the_listener_speaks_tls_and_says_so(
    tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    """RFC 9110 4.2.2."""
    mine = authority.issue(*NAMES).write(tmp_path, "mine")
    files = settings_of.TlsFiles((settings_of.CertificateFiles(mine.cert, mine.key),))
    trusting = client_context(authority)
    seen: list[Message] = []
    body = bytes(range(256)) * 4096
    async with origin(responding(lambda asked: ok(asked.body or b"hi"), seen)) as made:
        async with facade(tier, table(made.url), tmp_path, tls=files) as up:
            async with connected("127.0.0.1", up.listen.port, trusting, "localhost") as wire:
                wire.send(GET)
                assert (await wire.response()).body == b"hi"
                wire.send(GET + GET)
                assert [(await wire.response()).body for _ in range(2)] == [b"hi"] * 2
                head = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n"
                wire.send(head % len(body) + body)
                assert (await wire.response()).body == body
    assert seen[0].head.one(b"x-forwarded-proto") == b"https"
    assert b"proto=https" in seen[0].head.one(b"forwarded")


async def test_plain_http_on_the_tls_listener_gets_no_response_of_a_backend(
    tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    mine = authority.issue(*NAMES).write(tmp_path, "mine")
    files = settings_of.TlsFiles((settings_of.CertificateFiles(mine.cert, mine.key),))
    seen: list[Message] = []
    async with origin(responding(ok(b"hi"), seen)) as made:
        async with facade(tier, table(made.url), tmp_path, tls=files) as up, client(up) as wire:
            wire.send(GET)
            got, _ = await wire.end()
    assert (b"hi" in got, seen) == (False, [])


def _before_1_2(ca: Path) -> ssl.SSLContext:
    """A client of TLS 1.1. Python finds even the wish deprecated."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


async def test_versions_before_1_2_are_refused(
    tier: Tier, tmp_path: Path, authority: Authority
) -> None:
    """RFC 8996 4, 5."""
    mine = authority.issue(*NAMES).write(tmp_path, "mine")
    files = settings_of.TlsFiles((settings_of.CertificateFiles(mine.cert, mine.key),))
    old = _before_1_2(tmp_path / "ca.pem")
    async with facade(tier, table("http://127.0.0.1:1"), tmp_path, tls=files) as up:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected("127.0.0.1", up.listen.port, old, "localhost"):
                pass
