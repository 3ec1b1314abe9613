"""The load and the origin, against each other over real sockets; and where a message ends."""

import contextlib
import socket
import sys
from collections.abc import Iterator

import pytest

from tests.bench import holding, processes, wire
from tests.bench.client import Client
from tests.bench.contestants import Contestant
from tests.bench.load import Load, percentile
from tests.bench.paced import Paced
from tests.bench.processes import Cores, Up, loaded, started
from tests.bench.report import LoadFailed
from tests.bench.wire import requests_of
from tests.support.ports import free_port

_ALWAYS_404 = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = listener.accept()
    if client.recv(1000):
        client.send(b"HTTP/1.1 404 Not Found\\r\\ncontent-length: 0\\r\\n\\r\\n")
"""
_HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An origin, as a contestant."""
    port, core = free_port(), Cores.own().contestants
    argv = [sys.executable, "-m", "tests.bench.origin", str(port)]
    with started(argv, port, core, tmp_path_factory.mktemp("origin")) as pid:
        yield Up(Contestant("origin", "origin", lambda *_: argv), pid, port, core)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([_HEAD + b"Content-Length: 3\r\n\r\n", b"ab", b"c"], id="a length"),
        pytest.param([_HEAD[:5], _HEAD[5:] + b"content-length:3\r\n\r", b"\nabc"], id="a cut head"),
        pytest.param([_HEAD + b"content-length: 0\r\n\r\n"], id="no body"),
        pytest.param(
            [_HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc", b"\r\n0\r\n", b"\r\n"],
            id="chunks, the last one cut",
        ),
        pytest.param([_HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"], id="no chunks"),
    ],
)
def test_a_message_ends_with_its_last_piece_and_not_before(pieces: list[bytes]) -> None:
    framing = wire.Framing()
    assert [framing.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 2.0), (0.99, 3.0), (1.0, 3.0)])
def test_a_percentile_stays_within_the_list(share: float, expected: float) -> None:
    assert percentile([1.0, 2.0, 3.0], share) == expected


def test_each_kind_of_request_gets_its_response(origin: Up) -> None:
    for kind in ("get", "post", "unlike", "unlike-post", "cohort", "edited", "download", "upload"):
        with contextlib.closing(Load(origin.port, requests_of(kind), 2)) as load:
            load.run(10, at_most=5)
        assert not load.failed, kind
        assert len(load.waits_s) == 5, kind


@pytest.mark.parametrize(("busy", "looks"), [(0.0, 1), (1.0, 30)])
def test_a_round_begins_when_the_one_before_has_ended(
    busy: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core that is quiet is taken at once; one that is not, after 3 s."""
    clock = [0.0]
    monkeypatch.setattr("time.sleep", lambda seconds: clock.append(clock[-1] + seconds))
    assert processes.quiet(0, lambda _: clock[-1] * busy) == (not busy)
    assert len(clock) - 1 == looks


@pytest.mark.parametrize("kind", ["get", "post", "unlike", "unlike-post"])
def test_a_round_asks_for_what_it_says(origin: Up, kind: str) -> None:
    for at_most in (0, 5):  # By wrk, where it is there, and by the load of our own.
        assert loaded(origin, kind, 2, 1, Cores.own().load, at_most)["requests"] > 0


@pytest.mark.parametrize(
    "asked", [b"GET /svc7/v1/res57/post HTTP/1.1", b"GET /svc6/v1/res56/item HTTP/1.1"]
)
def test_the_origin_tells_a_load_that_asks_for_something_else(origin: Up, asked: bytes) -> None:
    with socket.create_connection(("127.0.0.1", origin.port), 5) as client:
        client.sendall(asked + b"\r\nhost: bench.example\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 404 ")


def test_paced_requests_all_get_a_response(origin: Up) -> None:
    with contextlib.closing(Paced(origin.port, 500, 4)) as paced:
        paced.run(0.2)
    assert not paced.failed
    assert 40 < len(paced.waits_s) < 250


def test_a_stalled_client_does_not_keep_the_origin_from_others(origin: Up) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(holding.stalled_downloads(origin.port, 2))
        stack.enter_context(holding.idle(origin.port, 3))
        with contextlib.closing(
            Client(origin.port, requests_of("stalled-upload"), bytearray(1024))
        ) as client:
            assert not client.ask()
            with contextlib.closing(Load(origin.port, requests_of("get"), 1)) as load:
                load.run(10, at_most=3)
            assert not load.failed


def test_the_requests_of_an_unlike_kind_are_unlike() -> None:
    for kind in wire.UNLIKE:
        heads = wire.requests_of(kind).heads
        for name in (b"cookie", b"x-forwarded-for", b"user-agent"):
            assert len({head.partition(name)[2].partition(b"\r\n")[0] for head in heads}) >= 50
        assert len({head.partition(b"\r\n")[0] for head in heads}) == len(heads)
        assert all(head.count(b"\r\n\r\n") == 1 for head in heads)


def test_a_round_tells_what_it_cost(origin: Up) -> None:
    told = loaded(origin, "get", 2, 10, Cores.own().load, at_most=200)
    assert told["requests"] == 200
    assert told["cpu_us"] >= 0
    assert 0 <= told["p50_ms"] <= told["p99_ms"]


def test_a_round_whose_requests_fail_has_no_figures(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    port, core = free_port(), Cores.own().contestants
    argv = [sys.executable, "-c", _ALWAYS_404, str(port)]
    folder = tmp_path_factory.mktemp("wrong")
    with started(argv, port, core, folder) as pid:
        wrong = Up(Contestant("wrong", "wrong", lambda *_: argv), pid, port, core)
        for at_most in (0, 5):  # By wrk, where it is there, and by the load of our own.
            with pytest.raises(LoadFailed, match=r"404|Non-2xx"):
                loaded(wrong, "get", 1, 1, Cores.own().load, at_most)
