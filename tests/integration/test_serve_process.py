"""`facade serve` as a process: start, log lines, errors, end."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = """
version: 1
backends: {legacy: http://127.0.0.1:1, new: http://127.0.0.1:1}
cohorts: {all: {salt: s, hash_policy: [{cookie: id}]}}
routes:
  - {name: hello, match: {path: {exact: /hello}}, direct_response: {status: 200, body: hello}}
  - {name: rest, cohort: all, backend_refs: {legacy: 90, new: 10}}
"""


def serve(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "proxy", "serve", *arguments]


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(GOOD)
    return path


@contextmanager
def up(
    routes: Path, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], str, str, list[str]]]:
    """A facade on free ports: its process, both addresses, and what it has said so far."""
    free = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "none")
    process = subprocess.Popen(
        serve("--routes", str(routes), *free, *arguments),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"facade on (http://\S+), admin on (http://\S+),", line):
                yield process, found[1], found[2], said
                return
        pytest.fail(f"it did not come up: {''.join(said)}")
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(routes: Path, number: signal.Signals) -> None:
    with up(routes) as (process, facade, admin, _):
        with urllib.request.urlopen(f"{facade}/hello", timeout=5) as answer:
            assert answer.read() == b"hello"
        with urllib.request.urlopen(f"{admin}/readyz", timeout=5) as answer:
            assert json.loads(answer.read())["status"] == "ready"
        process.send_signal(number)
        assert process.wait(15) == 0


def test_it_warns_about_fields_without_effect(routes: Path) -> None:
    with up(routes) as (_, _, admin, said):
        assert any(
            "routes[rest].cohort" in line and "nothing obeys it yet" in line for line in said
        )
        with urllib.request.urlopen(f"{admin}/routes", timeout=5) as answer:
            assert json.loads(answer.read())["not_obeyed"] == ["routes[rest].cohort"]


def test_an_option_replaces_the_address_of_a_backend(routes: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as backend:
        port = backend.getsockname()[1]
        moved = (
            "--backend",
            f"legacy=http://127.0.0.1:{port}",
            "--backend",
            f"new=http://127.0.0.1:{port}",
        )
        with up(routes, *moved) as (_, facade, _, _):
            asked = threading.Thread(target=urllib.request.urlopen, args=(f"{facade}/x",))
            asked.start()
            connection, _ = backend.accept()
            assert connection.recv(1000).startswith(b"GET /x HTTP/1.1\r\n")
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            asked.join(10)
            connection.close()


def refused(*arguments: str) -> str:
    """What it says on its way out; it has to be exit status 2."""
    ended = subprocess.run(
        serve(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr.strip()


def test_an_invalid_table_at_the_start_is_refused_with_every_problem(routes: Path) -> None:
    routes.write_text(
        "version: 1\nbackends: {a: http://h:99999}\nroutes: [{name: r, backend_refs: b}]\n"
    )
    said = refused("--routes", str(routes)).splitlines()
    assert [line.split(" ", 1)[0] for line in said] == [f"{routes}:2:15:", f"{routes}:3:34:"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "version: 1\n", "routes: ["])
def test_it_never_serves_an_empty_table(routes: Path, text: str) -> None:
    routes.write_text(text)
    assert refused("--routes", str(routes)).startswith(str(routes))


def test_an_error_is_one_sentence_with_a_hint(routes: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.yaml")
    assert refused("--routes", missing) == f"facade: {missing}: No such file or directory"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused("--routes", str(routes), "--listen", address).splitlines()[-1]
        assert (
            said
            == f"cannot listen on {address}: Address already in use; choose another with --listen"
        )
        said = refused("--routes", str(routes), "--listen", "127.0.0.1:0", "--admin", address)
        said = said.splitlines()[-1]
        assert (
            said
            == f"cannot listen on {address}: Address already in use; choose another with --admin"
        )
    assert "is no address" in refused("--routes", str(routes), "--listen", "8080")
    assert "has no such backend" in refused("--routes", str(routes), "--backend", "x=http://h:1")
    assert "write NAME=URL" in refused("--routes", str(routes), "--backend", "legacy")
    assert "is no URL" in refused("--routes", str(routes), "--backend", "legacy=h")
    assert "unrecognized arguments: --nope" in refused("--nope")
