"""One connection cannot make a facade large, whatever it sends. Measured on a process of its own."""

import contextlib
import socket
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from tests.support.facade_process import FacadeProcess, facade_process

TABLE = """
version: 1
backends: {nobody: "http://127.0.0.1:1"}
routes:
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: hello}}
  - {name: rest, backend_refs: nobody}
"""
_MOST_BYTES = 64 * 1024 * 1024
_SENT_BYTES = 32 * 1024 * 1024

_HEAD = b"GET /hello HTTP/1.1\r\nHost: h\r\n"
FLOODS = {
    "tiny fields": (_HEAD, b"a:\r\n" * 4096),
    "a field without end": (_HEAD + b"a: ", b"b" * 16384),
    "a target without end": (b"GET /", b"a" * 16384),
    "empty lines": (b"", b"\r\n" * 8192),
    "a body that is not wanted": (
        b"POST /hello HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1000\r\n" + b"x" * 4096 + b"\r\n",
    ),
    "chunk extensions": (
        b"POST /hello HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1;" + b"a" * 1000 + b"\r\nx\r\n",
    ),
    "trailers": (
        b"POST /hello HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"a: b\r\n" * 2000,
    ),
    "requests": (b"", b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n" * 400),
}


@pytest.fixture(scope="module")
def process(tier: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FacadeProcess]:
    folder: Path = tmp_path_factory.mktemp(tier)
    with facade_process(folder, "--tier", tier, table=TABLE) as facade:
        yield facade


@pytest.mark.parametrize(("start", "more"), FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_over_one_connection_stays_small(
    process: FacadeProcess, start: bytes, more: bytes
) -> None:
    before = highest = process.resident_bytes
    with contextlib.closing(
        socket.create_connection((process.listen.host, process.listen.port), 5)
    ) as client:
        client.settimeout(0.3)  # Nobody reads the responses: in the end nobody takes the questions.
        sent = 0
        with contextlib.suppress(OSError):
            client.sendall(start)
            for piece in repeat(more):
                client.sendall(piece)
                sent += len(piece)
                if sent % (1024 * 1024) < len(piece):
                    highest = max(highest, process.resident_bytes)
                if sent > _SENT_BYTES:
                    break
        highest = max(highest, process.resident_bytes)
    assert highest - before < _MOST_BYTES, f"{(highest - before) >> 20} MiB after {sent >> 20} MiB"
    assert process.popen.poll() is None
