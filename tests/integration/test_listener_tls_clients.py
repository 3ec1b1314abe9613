"""Many clients of a facade over TLS at the same time, and clients whose upload is refused."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from proxy.server.settings import CertificateFiles, TlsFiles
from tests.support.certificates import Authority, client_context
from tests.support.facade_in_loop import RunningFacade, facade_in_loop
from tests.support.facade_process import facade_process

WITHIN_S = 30
TABLE = """
version: 1
backends: {b: http://127.0.0.1:1}
routes:
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: BODY}}
  - {name: rest, backend_refs: b}
"""
GET = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"


async def _opened(
    facade: RunningFacade, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(WITHIN_S):
        return await asyncio.open_connection(
            *(facade.listen.host, facade.listen.port), ssl=context, server_hostname="localhost"
        )


async def _body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(GET)
    async with asyncio.timeout(WITHIN_S):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return await reader.readexactly(len("before"))


@pytest.mark.parametrize("count", [200, pytest.param(2_000, marks=pytest.mark.soak)])
async def test_an_edit_reaches_every_connection(tmp_path: Path, count: int) -> None:
    authority = Authority()
    files = authority.issue("localhost").write(tmp_path, "tls")
    tls = TlsFiles((CertificateFiles(files.cert, files.key),))
    table = TABLE.replace("BODY", "before")
    context = client_context(authority)
    async with (
        facade_in_loop(table, tmp_path, tls=tls) as facade,
        contextlib.AsyncExitStack() as end,
    ):
        opened = await asyncio.gather(*(_opened(facade, context) for _ in range(count)))
        for _, writer in opened:
            end.callback(writer.close)
        edited = table.replace("before", "after!")
        bodies = set(await asyncio.gather(*(_body(*each) for each in opened)))
        assert bodies == {b"before"}
        facade.routes.write_text(edited)
        async with asyncio.timeout(WITHIN_S):
            while set(await asyncio.gather(*(_body(*each) for each in opened))) != {b"after!"}:
                await asyncio.sleep(0.05)


def test_a_client_whose_upload_is_refused_gets_the_response(tmp_path: Path) -> None:
    """RFC 9112 9.6: the client sends on, and a reset would take the response from it."""
    authority = Authority()
    files = authority.issue("localhost").write(tmp_path, "tls")
    context = client_context(authority)
    limited = TABLE.replace("BODY", "hello") + "defaults: {limits: {max_body_bytes: 1KiB}}\n"
    options = ("--tls-cert", str(files.cert), "--tls-key", str(files.key))
    body = b"x" * 4_000_000
    with facade_process(tmp_path, *options, table=limited) as facade:
        for _ in range(5):
            with (
                socket.create_connection(("127.0.0.1", facade.port), WITHIN_S) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as client,
            ):
                head = f"POST /rest HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
                client.sendall(head.encode() + body)
                response = b"".join(iter(lambda: client.recv(4000), b""))
                assert response.startswith(b"HTTP/1.1 413 "), response
