"""Upstreams over TLS: verified, and closed as cleanly as a body until close needs it."""

import asyncio
import ssl
from pathlib import Path

import pytest

from proxy.errors import UpstreamBroke, UpstreamUnreachable
from proxy.model import Backend, Endpoint
from proxy.upstream import HttpUpstream
from tests.integration.upstream_servers import Peer, closing, get, serving

# Made for this test alone: valid from 2020 to 2120 for localhost and 127.0.0.1, its own authority.
PEM = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYMmykWS1abJ6HwEp
PJfdWWJfVedKQXXXkr0vhvyMzcihRANCAAQCEQpeRnJeXZocHYShvzq0q1EDsBVT
3mTFpcB12b2hXBRdUyz1rNYOFlL9dAmkQ60AkXbLLS6UxaviMyJ2ilQx
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA11cHN0cmVh
bSB0ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAYMRYwFAYD
VQQDDA11cHN0cmVhbSB0ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAhEK
XkZyXl2aHB2Eob86tKtRA7AVU95kxaXAddm9oVwUXVMs9azWDhZS/XQJpEOtAJF2
yy0ulMWr4jMidopUMaNeMFwwHQYDVR0OBBYEFMIyAZ9LpHyqDROMGlpWekUzpblX
MBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8EBTADAQH/MA4G
A1UdDwEB/wQEAwIChDAKBggqhkjOPQQDAgNIADBFAiAWvXx1tStObcHYP6eVL+KD
/jb08C2o/ZVXYKCnSWpoGAIhAN8P49uCJMW+3P36Bd1Z9PkU6U7ggb4y/EEBpClN
w0ZX
-----END CERTIFICATE-----
"""
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    file = tmp_path / "upstream.pem"
    file.write_text(PEM)
    return file


@pytest.fixture
def server_tls(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def trusting(pem: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pem)


def _backend(port: int, host: str = "localhost") -> Backend:
    return Backend("old", (Endpoint("https", host, port),))


async def _two(peer: Peer) -> None:
    await peer.answer(b"one")
    await peer.answer(b"two")


async def test_requests_go_over_a_verified_connection(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with (
        serving(_two, tls=server_tls) as server,
        closing(HttpUpstream(_backend(server.port), trusting)) as upstream,
    ):
        assert (await get(upstream)).body == b"one"
        assert (await get(upstream)).body == b"two"
        assert server.accepted == 1


async def test_a_certificate_nobody_vouches_for_is_refused(server_tls: ssl.SSLContext) -> None:
    async with (
        serving(_two, tls=server_tls) as server,
        closing(HttpUpstream(_backend(server.port))) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable, match="certificate"):
            await get(upstream)


async def test_a_certificate_for_another_name_is_refused(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(_two, tls=server_tls) as server:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("127.0.0.1", server.port)

        async def resolved(*_: object, **__: object) -> object:
            return found

        monkeypatch.setattr(loop, "getaddrinfo", resolved)
        async with closing(
            HttpUpstream(_backend(server.port, "old.example"), trusting)
        ) as upstream:
            with pytest.raises(UpstreamUnreachable, match="certificate"):
                await get(upstream)


async def test_plain_http_where_tls_was_meant_is_told(trusting: ssl.SSLContext) -> None:
    async def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        await peer.until_closed()

    async with (
        serving(script) as server,
        closing(HttpUpstream(_backend(server.port), trusting)) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable, match="does not speak TLS"):
            await asyncio.wait_for(get(upstream), 5)


@pytest.mark.parametrize("clean", [True, False], ids=["close notify", "cut"])
async def test_a_body_until_close_ends_with_the_tls_session(
    clean: bool, server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"\r\nall of it")
        await peer.flush()
        if clean:
            peer.writer.close()
            await peer.writer.wait_closed()
        else:
            peer.writer.transport.abort()

    async with (
        serving(script, tls=server_tls) as server,
        closing(HttpUpstream(_backend(server.port), trusting)) as upstream,
    ):
        if clean:
            assert (await get(upstream)).body == b"all of it"
        else:
            with pytest.raises(UpstreamBroke):
                await get(upstream)
