"""Clients that all ask while the loop stands still, as after a stall: each has its own response."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from proxy.downstream.admission import MAX_PER_TICK
from proxy.server.settings import Tier
from tests.support.facade_in_loop import facade_in_loop
from tests.support.origin import ok, origin, responding
from tests.support.wire import Message

CLIENTS = 4 * MAX_PER_TICK
TABLE = """
version: 1
backends: {{old: {url}}}
routes: [{{name: all, backend_refs: old}}]
"""


@pytest.mark.parametrize("tier", ["fast", "asgi"])
async def test_each_request_of_a_rush_gets_its_own_response(tmp_path: Path, tier: Tier) -> None:
    seen = list[Message]()
    async with (
        origin(responding(lambda request: ok(request.head.target), seen)) as old,
        facade_in_loop(TABLE.format(url=old.url), tmp_path, tier=tier) as facade,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = []
        for _ in range(CLIENTS):
            reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
            stack.callback(writer.close)
            clients.append((reader, writer))
        for turn in range(3):
            for number, (_, writer) in enumerate(clients):
                writer.write(b"POST /%d/%d HTTP/1.1\r\nhost: a\r\n" % (turn, number))
                writer.write(b"content-length: 2\r\n\r\nok")
            time.sleep(0.02)  # noqa: ASYNC251 - all have asked before the loop looks.
            for number, (reader, _) in enumerate(clients):
                async with asyncio.timeout(20):
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 200 ")
                    assert await reader.readexactly(len(b"/%d/%d" % (turn, number))) == (
                        b"/%d/%d" % (turn, number)
                    )
    targets = {each.head.target for each in seen}
    assert len(seen) == len(targets) == 3 * CLIENTS, "none was sent twice"
