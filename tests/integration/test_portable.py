"""The ASGI application under a server that is not ours: what `facade.*` adds to a scope is help, not a need."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from proxy.server.app import build
from proxy.server.settings import Address, Settings
from tests.support.origin import origin
from tests.support.raw_response import body_of, status_of
from tests.support.wire import Wire

TABLE = """
version: 1
backends: {{legacy: "http://127.0.0.1:{port}"}}
routes:
  - {{name: own, match: {{path: {{prefix: /own}}}}, direct_response: {{status: 418, body: tea}}}}
  - {{name: small, match: {{path: {{prefix: /small}}}}, backend_refs: legacy, limits: {{max_body_bytes: 3B}}}}
  - {{name: rest, match: {{path: {{prefix: /a}}}}, backend_refs: legacy}}
"""


@contextlib.asynccontextmanager
async def under_uvicorn(table: str, folder: Path, http: str) -> AsyncIterator[int]:
    """Gives the port."""
    (folder / "routes.yaml").write_text(table)
    anywhere = Address("127.0.0.1", 0)
    facade = build(
        Settings(folder / "routes.yaml", anywhere, anywhere, access_log=str(folder / "access.log"))
    )
    config = uvicorn.Config(
        facade.asgi_app,
        port=0,
        http=http,
        ws="none",
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    async with facade.running():
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def _ask(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        writer.write(raw)
        async with asyncio.timeout(10):
            return await reader.read()


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_the_application_runs_under_another_server(tmp_path: Path, http: str) -> None:
    async def script(wire: Wire) -> None:
        while True:
            asked = await wire.request_head()
            said = asked.line
            if asked.all(b"content-length"):
                said += b"|" + await wire.exactly(3)
            elif asked.all(b"transfer-encoding"):
                said += b"|" + await wire.until(b"0\r\n\r\n") + b"0\r\n\r\n"
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said))

    async with (
        origin(script) as up,
        under_uvicorn(TABLE.format(port=up.port), tmp_path, http) as port,
    ):
        close = b"host: h\r\nconnection: close\r\n"
        got = await _ask(port, b"GET /a/b?x=1 HTTP/1.1\r\n" + close + b"\r\n")
        assert (status_of(got), body_of(got)) == (200, b"GET /a/b?x=1 HTTP/1.1")
        chunks = b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        got = await _ask(port, b"POST /a HTTP/1.1\r\n" + close + chunks)
        assert b"ab" in body_of(got)
        got = await _ask(port, b"POST /a HTTP/1.1\r\n" + close + b"content-length: 3\r\n\r\nabc")
        assert body_of(got) == b"POST /a HTTP/1.1|abc"
        got = await _ask(
            port, b"POST /small HTTP/1.1\r\n" + close + b"content-length: 4\r\n\r\nabcd"
        )
        assert (status_of(got), json.loads(body_of(got))["reason"]) == (413, "too_large")
        got = await _ask(port, b"GET /own HTTP/1.1\r\n" + close + b"\r\n")
        assert (status_of(got), body_of(got)) == (418, b"tea")
        got = await _ask(port, b"GET /nowhere HTTP/1.1\r\n" + close + b"\r\n")
        assert json.loads(body_of(got))["reason"] == "no_route"
    lines = (tmp_path / "access.log").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == [200, 200, 200, 413, 418, 404]
