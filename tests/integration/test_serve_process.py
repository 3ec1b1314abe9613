"""`facade serve` as a process: how it starts, what it says, how it ends."""

import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.facade_process import ROOT, command, facade_process

GOOD = """
version: 1
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:1}
cohorts: {all: {salt: s, hash_policy: [{cookie: id}]}}
routes:
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: hello}}
  - {name: rest, cohort: all, mirror: {percent: 1}, backend_refs: {legacy: 90, new: 10}}
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with facade_process(tmp_path, table=GOOD) as facade:
        assert facade.get("/hello") == (200, b"hello")
        assert facade.admin_json("/readyz")["status"] == "ready"
        assert facade.stop(number) == 0


def test_a_backend_can_be_asked_at_another_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as backend:
        url = f"http://127.0.0.1:{backend.getsockname()[1]}"
        moved = ("--backend", f"legacy={url}", "--backend", f"new={url}")
        with facade_process(tmp_path, *moved, table=GOOD) as facade:
            client = threading.Thread(target=facade.get, args=("/x",))
            client.start()
            connection, _ = backend.accept()
            assert connection.recv(1000).startswith(b"GET /x HTTP/1.1\r\n")
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            client.join(10)
            connection.close()


def refused(*arguments: str) -> str:
    """Its standard error; it has to end with exit status 2."""
    ended = subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr.strip()


def test_a_broken_table_at_the_start_is_refused_with_every_place(routes: Path) -> None:
    routes.write_text(
        "version: 1\nbackends: {a: http://h:99999}\nroutes: [{name: r, backend_refs: b}]\n"
    )
    lines = refused("--routes", str(routes)).splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == [f"{routes}:2:15:", f"{routes}:3:34:"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "version: 1\n", "routes: ["])
def test_it_never_serves_an_empty_table(routes: Path, text: str) -> None:
    routes.write_text(text)
    assert refused("--routes", str(routes)).startswith(str(routes))


def test_one_sentence_says_what_to_do(routes: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.yaml")
    assert refused("--routes", missing) == f"facade: {missing}: No such file or directory"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for option, others in (("--listen", ()), ("--admin", ("--listen", "127.0.0.1:0"))):
            sentence = refused("--routes", str(routes), *others, option, address).splitlines()[-1]
            in_use = f"cannot listen on {address}: Address already in use"
            assert sentence == f"{in_use}; choose another with {option}"
    assert "is no address" in refused("--routes", str(routes), "--listen", "8080")
    assert "has no such backend" in refused("--routes", str(routes), "--backend", "x=http://h:1")
    assert "write NAME=URL" in refused("--routes", str(routes), "--backend", "legacy")
    assert "is no URL" in refused("--routes", str(routes), "--backend", "legacy=h")
    assert "unrecognized arguments: --nope" in refused("--nope")
