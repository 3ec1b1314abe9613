"""Limits of a client's connection: size, time and number, and what is no HTTP/1.1."""

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from flightspecial_service.app import http_app
from flightspecial_service.interface.http.connection import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_TARGET_BYTES,
    Limits,
)
from flightspecial_service.settings import DatabaseSettings, Settings
from tests.service.fakes import FakeSpecials, http_dependencies, in_memory
from tests.service.service_runner import (
    DEADLINE_S,
    OPEN,
    eventually,
    eventually_ready,
    process,
    serving,
    variables,
)

HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
GET = HEAD + b"\r\n"
POST = b"POST /flightspecials HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
QUICK = Limits(head_timeout_s=0.2, body_timeout_s=0.3, write_timeout_s=0.2, linger_s=0.2)


@contextmanager
def service(limits: Limits | None = None) -> Iterator[httpx.Client]:
    """The service in memory."""
    app = http_app(in_memory(FakeSpecials()), http_dependencies(), Settings(edge=OPEN))
    with serving(app, limits) as client:
        yield client


@pytest.fixture(scope="module")
def running() -> Iterator[httpx.Client]:
    """One with the limits that it has by itself."""
    with service() as client:
        yield client


def connected(client: httpx.Client) -> socket.socket:
    """A new connection."""
    address = (client.base_url.host, client.base_url.port or 80)
    return socket.create_connection(address, timeout=DEADLINE_S)


def until_closed(peer: socket.socket) -> bytes:
    """All that the service sends until it closes the connection."""
    return b"".join(iter(lambda: peer.recv(65_536), b""))


def sent(client: httpx.Client, content: bytes) -> bytes:
    """All that the service sends back on a connection of its own."""
    with closing(connected(client)) as peer:
        peer.sendall(content)
        return until_closed(peer)


def status_of(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def is_the_only_problem(response: bytes, status: int) -> None:
    """Assert that it is one response in application/problem+json that ends the connection."""
    head, _, body = response.partition(b"\r\n\r\n")
    assert status_of(response) == status
    assert b"\r\ncontent-type: application/problem+json" in head
    assert b"\r\nconnection: close" in head
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"what is this\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="HTTP/1.1 without Host"),
        pytest.param(HEAD + b"Host: a\r\n\r\n", 400, id="two Host fields, equal"),
        pytest.param(HEAD + b"Host: b\r\n\r\n", 400, id="two Host fields, different"),
        pytest.param(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two in HTTP/1.0"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a/b?\r\n\r\n", 400, id="a path in Host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, id="a blank in Host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, id="a blank after a field name"),
        pytest.param(
            POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            400,
            id="two lengths of a body",
        ),
        pytest.param(
            POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            400,
            id="two Content-Lengths",
        ),
        pytest.param(
            b"GET /" + b"x" * MAX_TARGET_BYTES + b" HTTP/1.1\r\n",
            414,
            id="a target a byte too long",
        ),
        pytest.param(b"GET /" + b"x" * 60_000, 414, id="a target without an end"),
        pytest.param(HEAD + b"a: b\r\n" * MAX_FIELDS + b"\r\n", 431, id="a field too many"),
        pytest.param(HEAD + b"a: " + b"x" * MAX_HEAD_BYTES + b"\r\n", 431, id="a field too long"),
        pytest.param(
            HEAD + (b"a: " + b"x" * 1_000 + b"\r\n") * 40 + b"\r\n", 431, id="fields too long"
        ),
        pytest.param(
            POST
            + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
            + (b"a: " + b"x" * 1_000 + b"\r\n") * 40
            + b"\r\n",
            431,
            id="trailers too long",
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, id="a chunk without a length"
        ),
    ],
)
def test_a_request_beyond_the_limits_ends_the_connection(
    running: httpx.Client, content: bytes, status: int
) -> None:
    is_the_only_problem(sent(running, content), status)


def test_a_long_field_that_arrives_in_pieces_is_refused_as_well(running: httpx.Client) -> None:
    with closing(connected(running)) as peer:
        peer.sendall(HEAD + b"a: ")
        for _ in range(100):
            # Reading pieces one by one takes the service longer than sending them.
            peer.sendall(b"x" * 8_192)
        is_the_only_problem(until_closed(peer), 431)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GET, id="a plain request"),
        pytest.param(HEAD.replace(b"/1.1", b"/1.0") + b"\r\n", id="HTTP/1.0"),
        pytest.param(b"GET /healthz HTTP/1.0\r\n\r\n", id="HTTP/1.0 without Host"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", id="an empty Host"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", id="an IPv6 Host"),
        pytest.param(b"\r\n" + GET, id="a line end in front"),
        pytest.param(
            HEAD + b"a: b\r\n" * (MAX_FIELDS - 1) + b"\r\n", id="as many fields as may be"
        ),
        pytest.param(HEAD + b"a: " + b"x" * 30_000 + b"\r\n\r\n", id="a field of 30 KB"),
        pytest.param(
            b"GET /healthz?" + b"x" * (MAX_TARGET_BYTES - 9) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
            id="as long a target as may be",
        ),
    ],
)
def test_a_request_within_the_limits_is_served(running: httpx.Client, content: bytes) -> None:
    with closing(connected(running)) as peer:
        peer.sendall(content)
        assert status_of(peer.recv(1_000)) == 200


def test_limits_count_for_each_request_of_a_connection(running: httpx.Client) -> None:
    head = HEAD + b"a: " + b"x" * 30_000 + b"\r\n\r\n"
    with closing(connected(running)) as peer:
        for _ in range(3):
            peer.sendall(head)
            assert status_of(peer.recv(1_000)) == 200
    both = sent(running, GET + GET.replace(b"Host: a\r\n", b"Connection: close\r\nHost: a\r\n"))
    assert both.count(b"HTTP/1.1 200") == 2


def test_the_response_to_a_request_comes_before_the_refusal_of_the_next_one(
    running: httpx.Client,
) -> None:
    """A 400 in its place would say that a write was not carried out."""
    body = b'{"header":"x"}'
    create = POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    response = sent(running, create + b"what is this\r\n\r\n")
    assert status_of(response) == 201
    assert response.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close" in response


def test_trailers_are_no_header_fields(running: httpx.Client) -> None:
    """A condition among them would be one that nobody in between has seen."""
    content = (
        b"PATCH /flightspecials/1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nIf-Match: "no such tag, and malformed\r\n\r\n'
    )
    with closing(connected(running)) as peer:
        running.post("/flightspecials", json={"header": "x"})
        peer.sendall(content)
        assert status_of(peer.recv(1_000)) == 200


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("piece", [b"a:b\r\n" * 13_000, b"x" * 65_000, b"\r\n" * 32_000])
def test_24_mb_of_a_head_do_not_fill_the_memory(database: DatabaseSettings, piece: bytes) -> None:
    def resident_bytes(pid: int) -> int:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    with process(variables(database)) as (running, client):
        eventually_ready(client)
        before = resident_bytes(running.popen.pid)
        with closing(connected(client)) as peer:
            peer.sendall(b"" if piece.startswith(b"\r\n") else HEAD + b"a: ")
            send_until_refused(peer, piece, 24_000_000)
        assert resident_bytes(running.popen.pid) < before + 8_000_000
        assert client.get("/healthz").status_code == 200


def send_until_refused(peer: socket.socket, piece: bytes, length: int) -> None:
    """Send so many bytes, or as many as the service accepts."""
    try:
        for _ in range(length // len(piece)):
            peer.sendall(piece)
        is_the_only_problem(until_closed(peer), 431)
    except (ConnectionResetError, BrokenPipeError):
        pass


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"GET / HT", 408, id="half a request line"),
        pytest.param(HEAD, 408, id="half a head"),
        pytest.param(b"\r\n", 408, id="a line end"),
        pytest.param(POST + b"Content-Length: 5\r\n\r\n{", None, id="half a body"),
    ],
)
def test_a_client_that_sends_no_more_is_cut_off(content: bytes, status: int | None) -> None:
    with service(QUICK) as client:
        response = sent(client, content)
    if status is None:
        assert response == b""
    else:
        is_the_only_problem(response, status)


def drip(peer: socket.socket, content: bytes, every_s: float) -> None:
    """Send a byte at a time until the service closes the connection."""
    peer.settimeout(every_s)
    deadline = time.monotonic() + DEADLINE_S
    for number in range(100_000):
        assert time.monotonic() < deadline, "the service never closed the connection"
        try:
            peer.sendall(content[number % len(content)].to_bytes(1, "big"))
            if peer.recv(65_536) == b"":
                return
        except TimeoutError:
            continue
        except OSError:
            return


@pytest.mark.parametrize(
    ("opening", "content"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n", b"a: b\r\n", id="a head"),
        pytest.param(b"", b"\r\n", id="line ends"),
        pytest.param(POST + b"Content-Length: 1000\r\n\r\n", b"x", id="a body"),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
            b"x",
            id="a body after its response",
        ),
        pytest.param(GET + b"GET /", b"x", id="the second request of a connection"),
    ],
)
def test_a_client_that_drips_is_cut_off(opening: bytes, content: bytes) -> None:
    with service(QUICK) as client:
        with closing(connected(client)) as peer:
            peer.sendall(opening)
            drip(peer, content, every_s=0.05)
        assert client.get("/healthz").status_code == 200


def test_a_client_that_does_not_read_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    with service(QUICK) as client:
        with closing(connected(client)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.sendall(b"GET /docs HTTP/1.1\r\nHost: a\r\n\r\n" * 2_000)
            eventually(lambda: refused(lambda: peer.sendall(GET)))
        assert client.get("/healthz").status_code == 200
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


def receive_something(peer: socket.socket) -> None:
    """Raise ConnectionError if the service closes the connection without a response."""
    if not peer.recv(1):
        raise ConnectionError


def refused(act: Callable[[], object]) -> bool:
    """Whether the connection is gone."""
    try:
        act()
    except OSError:
        return True
    return False


def test_connections_beyond_the_limit_get_503_and_far_beyond_are_closed() -> None:
    with service(Limits(max_connections=4)) as client:
        held = [connected(client) for _ in range(4)]
        for peer in held:
            peer.sendall(GET)
            assert status_of(peer.recv(1_000)) == 200
        response = sent(client, GET)
        is_the_only_problem(response, 503)
        assert b"\r\nretry-after: 1\r\n" in response
        held += [connected(client) for _ in range(8)]
        with closing(connected(client)) as peer:
            # Reset or closed, as the service sees the request before the close or after it.
            assert refused(lambda: peer.sendall(GET)) or refused(lambda: receive_something(peer))
        for peer in held:
            peer.close()
        eventually(lambda: client.get("/healthz").status_code == 200)
