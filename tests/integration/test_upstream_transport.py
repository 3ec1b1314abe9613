"""Our client for users of httpx: what httpx promises its users holds, and what it spoils is kept."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from proxy.upstream.httpx_transport import UpstreamTransport
from tests.support.origin import Script, origin
from tests.support.ports import free_port
from tests.support.waiting import eventually
from tests.support.wire import Head, Wire

OK = b"HTTP/1.1 200 OK\r\n"


async def _echo(wire: Wire) -> None:
    while True:
        asked = await wire.request_head()
        body = asked.line
        if lengths := asked.all(b"content-length"):
            body = await wire.exactly(int(lengths[0]))
        elif asked.all(b"transfer-encoding"):
            body = await wire.until(b"0\r\n\r\n") + b"0\r\n\r\n"
        wire.send(OK + b"x-a: 1\r\nx-a: 2\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


async def test_a_client_of_httpx_gets_its_responses() -> None:
    async with origin(_echo) as server, httpx.AsyncClient(transport=UpstreamTransport()) as client:
        url = f"http://127.0.0.1:{server.port}"
        got = await client.get(f"{url}/a?b=c")
        assert (got.status_code, got.text) == (200, "GET /a?b=c HTTP/1.1")
        assert got.headers.get_list("x-a") == ["1", "2"]
        assert (await client.post(url, content=b"hello")).content == b"hello"
        assert (await client.post(url, json={"a": 1})).json() == {"a": 1}

        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        sent = await client.put(url, content=pieces())
        assert sent.content == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        assert server.accepted == 1


async def test_the_target_goes_out_as_its_raw_bytes() -> None:
    seen: list[Head] = []

    async def script(wire: Wire) -> None:
        seen.append(await wire.request_head())
        wire.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with origin(script) as server:
        transport = UpstreamTransport()
        request = httpx.Request(
            "GET",
            f"http://127.0.0.1:{server.port}/",
            headers=[("Host", "example.org"), ("X-B", "1"), ("x-b", "2")],
            extensions={"target": b"/x/../%7e?[a"},
        )
        response = await transport.handle_async_request(request)
        await response.aclose()
        await transport.aclose()
    assert seen[0].line == b"GET /x/../%7e?[a HTTP/1.1"
    assert seen[0].field_lines == [b"Host: example.org", b"X-B: 1", b"x-b: 2"]


async def test_responses_stream_and_closing_one_early_gives_up_its_connection() -> None:
    gone = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(OK + b"content-length: 1000000\r\n\r\nhello")
        await wire.end()
        gone.set()

    async with (
        origin(script) as server,
        httpx.AsyncClient(transport=UpstreamTransport()) as client,
    ):
        async with client.stream("GET", f"http://127.0.0.1:{server.port}/") as response:
            assert await anext(response.aiter_raw()) == b"hello"
        await asyncio.wait_for(gone.wait(), 5)


async def test_an_early_response_ends_the_upload() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
        await wire.end()

    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.sleep(60)
        finally:
            closed.set()

    async with (
        origin(script) as server,
        httpx.AsyncClient(transport=UpstreamTransport()) as client,
    ):
        got = await client.post(f"http://127.0.0.1:{server.port}/", content=endless())
        assert got.status_code == 413
        await asyncio.wait_for(closed.wait(), 5)


async def test_an_error_of_the_callers_own_body_is_the_callers() -> None:
    got: list[bytes] = []

    async def script(wire: Wire) -> None:
        await wire.request_head()
        got.append((await wire.end())[0])

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise LookupError("mine")

    async with (
        origin(script) as server,
        httpx.AsyncClient(transport=UpstreamTransport()) as client,
    ):
        with pytest.raises(LookupError, match="mine"):
            await client.post(f"http://127.0.0.1:{server.port}/", content=broken())
        await eventually(lambda: bool(got))
    assert not got[0].endswith(b"0\r\n\r\n")


def _sends(data: bytes, *, stay: bool = False) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.send(data)
        if stay:
            await wire.end()

    return script


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (_sends(b""), httpx.RemoteProtocolError),
        (_sends(b"junk\r\n\r\n"), httpx.RemoteProtocolError),
        (_sends(OK + b"content-length: 5\r\n\r\nhi"), httpx.RemoteProtocolError),
        (_sends(b"", stay=True), httpx.ReadTimeout),
        (_sends(OK + b"content-length: 5\r\n\r\nhi", stay=True), httpx.ReadTimeout),
    ],
    ids=["closed", "junk", "truncated", "silent", "silent in its body"],
)
async def test_a_failure_has_the_name_httpx_gives_it(
    script: Script, error: type[Exception]
) -> None:
    async with origin(script) as server:
        timeout = httpx.Timeout(5, read=0.2)
        async with httpx.AsyncClient(transport=UpstreamTransport(), timeout=timeout) as client:
            with pytest.raises(error):
                await client.get(f"http://127.0.0.1:{server.port}/")


async def test_a_reset_is_a_read_error() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.reset()

    async with (
        origin(script) as server,
        httpx.AsyncClient(transport=UpstreamTransport()) as client,
    ):
        with pytest.raises(httpx.ReadError):
            await client.get(f"http://127.0.0.1:{server.port}/")


async def test_nobody_there_is_a_connect_error() -> None:
    async with httpx.AsyncClient(transport=UpstreamTransport()) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{free_port()}/")


async def test_no_connection_free_is_a_pool_timeout() -> None:
    async with origin(_sends(b"", stay=True)) as server:
        transport = UpstreamTransport(max_connections=1)
        timeout = httpx.Timeout(5, connect=0.2)
        async with httpx.AsyncClient(transport=transport, timeout=timeout) as client:
            url = f"http://127.0.0.1:{server.port}/"
            first = asyncio.create_task(client.get(url))
            await eventually(lambda: server.accepted == 1)
            with pytest.raises(httpx.PoolTimeout):
                await client.get(url)
            first.cancel()
            await asyncio.wait((first,))


async def test_an_upload_nobody_takes_is_a_write_timeout() -> None:
    async def script(wire: Wire) -> None:
        await wire.request_head()
        wire.pause_reading()
        await asyncio.sleep(60)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    async with origin(script) as server:
        timeout = httpx.Timeout(10, write=0.2)
        async with httpx.AsyncClient(transport=UpstreamTransport(), timeout=timeout) as client:
            with pytest.raises(httpx.WriteTimeout):
                await client.post(f"http://127.0.0.1:{server.port}/", content=endless())


@pytest.mark.parametrize("url", ["ftp://example.org/", "ws://example.org/"])
async def test_other_schemes_are_not_spoken(url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        await UpstreamTransport().handle_async_request(httpx.Request("GET", url))


async def test_a_header_that_would_split_the_request_is_a_protocol_error() -> None:
    async with origin(_echo) as server:
        transport = UpstreamTransport()
        request = httpx.Request(
            "GET", f"http://127.0.0.1:{server.port}/", headers={"x": "a\r\ny: b"}
        )
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request)
        await transport.aclose()


async def test_origins_that_are_not_used_any_more_are_forgotten() -> None:
    async with origin(_echo) as server:
        transport = UpstreamTransport(ssl.create_default_context())
        async with httpx.AsyncClient(transport=transport) as client:
            for number in range(1, 300):
                with pytest.raises(httpx.ConnectError):
                    await client.get(f"http://127.0.{number // 250}.{number % 250 + 1}:{_closed}/")
            assert (await client.get(f"http://127.0.0.1:{server.port}/")).status_code == 200
        kept: dict[Any, Any] = transport._upstreams
        assert kept == {}


_closed = free_port()
