"""A connection that ended leaves nothing to the garbage collector: its pauses are felt by every other client.

256 clients that had left once made it stop everything for 40 ms, at some time of its own choice.
"""

import asyncio
import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from proxy.errors import ClientGone
from proxy.forwarding.asgi_io import AsgiRequestBody, Upload
from proxy.server.settings import Tier
from proxy.telemetry.shared_memory import StatField
from tests.faults.leak_check import OK, leak_checked, table
from tests.integration.fallback_site import table as fallback_table
from tests.make import route
from tests.support.facade_in_loop import RunningFacade, facade_in_loop, reset_on_close
from tests.support.ill_backend import ill_backends, status
from tests.support.origin import ok, origin
from tests.support.waiting import eventually
from tests.support.wire import Wire

_A_WHILE_S = 0.1
"""How long a client stays that is told nothing more."""
GET = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 8\r\n\r\nhalf"
OPENING = GET.replace(b"/", b"/0/tunnel", 1)[:-2] + (
    b"connection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
ENDS = {
    "one response": (GET, 200),
    "several equal responses": (GET * 3, 200),
    "different responses": (GET + GET.replace(b"/", b"/0/other", 1), 200),
    "told that it is the last": (GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), 200),
    "an old one": (GET.replace(b"1.1", b"1.0"), 200),
    "a whole upload": (POST + b"half", 200),
    "left in the middle of an upload": (POST, 0),
    "left in the middle of a head": (GET[:-2], 0),
    "left while it waited": (GET.replace(b"/", b"/0/never", 1), 0),
    "a response that broke off": (GET.replace(b"/", b"/0/broken", 1), 200),
    "a response in pieces": (GET.replace(b"/", b"/0/pieces", 1), 200),
    "a tunnel": (OPENING + b"frames", 101),
    "refused": (b"GET / HTTP/1.1\r\nhost : h\r\n\r\n", 400),
    "nothing asked": (b"", 0),
}


async def script(wire: Wire) -> None:
    """A backend whose response depends on the path."""
    while True:
        request = await wire.request_head()
        if b"/never " in request.line:
            await wire.end()
            return
        if b"/tunnel " in request.line:
            wire.send(SWITCHED)
            await wire.end()
            return
        if b"/broken " in request.line:
            wire.send(OK + b"content-length: 9\r\n\r\nhalf")
            return
        if b"/pieces " in request.line:
            wire.send(OK + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n")
            await wire.flush()
            await asyncio.sleep(0.01)  # So that the rest comes in another read of the facade's.
            wire.send(b"1\r\nb\r\n0\r\n\r\n")
            continue
        if request.all(b"content-length"):
            await wire.exactly(8)
        wire.send(OK + b"content-length: 2\r\n\r\nok")


@contextlib.contextmanager
def unreachable() -> Iterator[list[str]]:
    """The kinds of our own objects that were made inside and that only the collector could free; after it."""
    kinds: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield kinds
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kinds += [f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def _status(facade: RunningFacade, sent: bytes, patience_s: float) -> int:
    """Of the response to what was sent, on a connection of its own; 0 where none came until the client left."""
    reader, writer = await asyncio.open_connection(facade.listen.host, facade.listen.port)
    writer.write(sent)
    line = b""
    try:
        async with asyncio.timeout(patience_s):
            line = await reader.readline()
        async with asyncio.timeout(_A_WHILE_S):
            await reader.read()
    except (TimeoutError, ConnectionError):
        pass  # It is kept open, or was cut: the client leaves in either case.
    reset_on_close(writer)
    writer.close()
    return int(line.split()[1]) if line else 0


@pytest.mark.parametrize(("sent", "code"), ENDS.values(), ids=ENDS.keys())
async def test_a_connection_that_ended_leaves_nothing_to_the_collector(
    tmp_path: Path, tier: str, sent: bytes, code: int
) -> None:
    async with origin(script) as upstream:
        async with leak_checked(table(upstream.port), tmp_path, tier, upstream) as facade:
            head = facade.app.slot.worker.head
            with unreachable() as kinds:
                for _ in range(3):
                    assert await _status(facade, sent, 5.0 if code else _A_WHILE_S) == code
                await eventually(lambda: not head[StatField.CONNECTIONS])
                # What ends with it ends in the turns of the loop after it.
                await asyncio.sleep(0.05)
            assert [kind for kind in kinds if kind.startswith("proxy.")] == []


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(status(503), id="a status"),
        pytest.param("reset", id="a reset"),
        pytest.param(ok(b""), id="a response that was held"),
        pytest.param(status(502), id="that of both backends"),
    ],
)
async def test_further_attempts_leave_nothing_to_the_collector(
    failure: bytes | str, tmp_path: Path, tier: Tier
) -> None:
    retry = "retry: {attempts: 1, codes: [503], backoff: 1ms}"
    async with ill_backends(b"legacy", b"new") as (legacy, new):
        text = fallback_table(legacy.url, new.url, retry)
        async with facade_in_loop(text, tmp_path, tier=tier) as facade:
            head = facade.app.slot.worker.head
            new.how = failure
            if failure == status(502):
                legacy.how = "reset"
            with unreachable() as kinds:
                for _ in range(3):
                    assert await _status(facade, GET, 5.0)
                await eventually(lambda: not head[StatField.CONNECTIONS])
                await asyncio.sleep(0.05)
            assert len(legacy.requests) >= 3
            assert [kind for kind in kinds if kind.startswith("proxy.")] == []


async def test_a_client_that_leaves_as_its_response_ends_leaves_no_garbage() -> None:
    async def left() -> dict[str, str]:
        return {"type": "http.disconnect"}

    with unreachable() as kinds:
        side = AsgiRequestBody(left, route(), lambda: None)
        side.leave()  # The walk is over: nobody raises the fault, and so nobody strips it.
        side.start_upload(cast(Upload, None))
        await asyncio.sleep(0.01)
        assert isinstance(side.fault, ClientGone)
        await side.settle()
        del side
    assert [kind for kind in kinds if kind.startswith("proxy.")] == []
