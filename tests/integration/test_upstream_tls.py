"""Upstreams over TLS: verified, and closed as cleanly as a body until close needs it."""

import asyncio
import ssl
from pathlib import Path

import pytest

from proxy.errors import UpstreamBroke, UpstreamUnreachable
from proxy.model import Backend, Endpoint
from proxy.upstream import HttpUpstream
from tests.integration.upstream_client import closed_at_end, get
from tests.support.certificates import Authority, client_context, server_context
from tests.support.origin import origin
from tests.support.wire import Wire

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server_tls(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    return server_context(tmp_path, authority.issue("localhost", "127.0.0.1"))


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    return client_context(authority)


def _backend(port: int, host: str = "localhost") -> Backend:
    return Backend("old", (Endpoint("https", host, port),))


async def _two(wire: Wire) -> None:
    await wire.respond(b"one")
    await wire.respond(b"two")


async def test_requests_go_over_a_verified_connection(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with (
        origin(_two, tls=server_tls) as server,
        closed_at_end(HttpUpstream(_backend(server.port), trusting)) as upstream,
    ):
        assert (await get(upstream)).body == b"one"
        assert (await get(upstream)).body == b"two"
        assert server.accepted == 1


async def test_a_certificate_nobody_vouches_for_is_refused(server_tls: ssl.SSLContext) -> None:
    async with (
        origin(_two, tls=server_tls) as server,
        closed_at_end(HttpUpstream(_backend(server.port))) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable, match="certificate"):
            await get(upstream)


async def test_a_certificate_for_another_name_is_refused(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with origin(_two, tls=server_tls) as server:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("127.0.0.1", server.port)

        async def resolved(*_: object, **__: object) -> object:
            return found

        monkeypatch.setattr(loop, "getaddrinfo", resolved)
        async with closed_at_end(
            HttpUpstream(_backend(server.port, "old.example"), trusting)
        ) as upstream:
            with pytest.raises(UpstreamUnreachable, match="certificate"):
                await get(upstream)


async def test_plain_http_where_tls_was_meant_is_told(trusting: ssl.SSLContext) -> None:
    async def script(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        await wire.end()

    async with (
        origin(script) as server,
        closed_at_end(HttpUpstream(_backend(server.port), trusting)) as upstream,
    ):
        with pytest.raises(UpstreamUnreachable, match="does not speak TLS"):
            await asyncio.wait_for(get(upstream), 5)


@pytest.mark.parametrize("clean", [True, False], ids=["close notify", "cut"])
async def test_a_body_until_close_ends_with_the_tls_session(
    clean: bool, server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK + b"\r\nall of it")
        await wire.flush()
        if clean:
            wire.close()
        else:
            wire.abort()

    async with (
        origin(script, tls=server_tls) as server,
        closed_at_end(HttpUpstream(_backend(server.port), trusting)) as upstream,
    ):
        if clean:
            assert (await get(upstream)).body == b"all of it"
        else:
            with pytest.raises(UpstreamBroke):
                await get(upstream)
