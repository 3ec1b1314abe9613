"""The database away: what the monolith does then, and the switch for it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.deploy.local.standin import ROOT, StandIn, running

LISTS = ["/travelbuddy/flightspecials", "/travelbuddy/hotelspecials"]


@pytest.fixture(scope="module")
def away() -> Iterator[StandIn]:
    with running(environ={"TRAVELBUDDY_DATABASE": "away"}) as started:
        yield started


@pytest.fixture
def own() -> Iterator[StandIn]:
    """One whose state the test may change."""
    with running(environ={"TRAVELBUDDY_DATABASE": ""}) as started:
        yield started


def switch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.local.travelbuddy.switch", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_an_empty_200_without_a_type(away: StandIn, path: str, accept: str) -> None:
    reply = away.get(path, "Origin: http://ui.example", f"Accept: {accept}")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.field("content-type") is None
    assert reply.field("access-control-allow-origin") == "*"
    assert len(reply.all("vary")) == 3


def test_the_page_is_a_500_with_a_stack_trace(away: StandIn) -> None:
    reply = away.get("/travelbuddy/")
    assert (reply.status, reply.field("content-type")) == (500, "text/html;charset=utf-8")
    text = reply.body.decode()
    assert "HTTP Status 500 – Internal Server Error" in text
    assert "\n\torg.springframework.web.servlet.FrameworkServlet" in text
    assert "SQLNonTransientConnectionException" in text
    assert reply.field("set-cookie") is None
    assert reply.field("x-amzn-trace-id") is not None


@pytest.mark.parametrize(
    ("path", "body"),
    [("health", b"OK"), ("qrcodegen/100/x", b"\x89PNG"), ("resources/icon.svg", b"<svg")],
)
def test_what_needs_no_database_goes_on(away: StandIn, path: str, body: bytes) -> None:
    reply = away.get(f"/travelbuddy/{path}")
    assert reply.status == 200
    assert reply.body.startswith(body)


def test_a_preflight_needs_no_database(away: StandIn) -> None:
    fields = ("Origin: http://ui.example", "Access-Control-Request-Method: GET")
    reply = away.send("OPTIONS", LISTS[0], *fields)
    assert reply.field("access-control-allow-methods") == "GET"


def test_the_database_is_taken_away_and_given_back_while_it_runs(own: StandIn) -> None:
    before = own.get(LISTS[0]).body
    assert own.control("GET").body == b"up\n"
    assert own.control("PUT", "away").body == b"away\n"
    assert own.get(LISTS[0]).body == b""
    assert own.get("/travelbuddy/").status == 500
    assert own.control("GET").body == b"away\n"
    assert own.control("PUT", "up\n").status == 200
    assert own.get(LISTS[0]).body == before
    assert own.get("/travelbuddy/").status == 200


def test_the_switch_command_does_it(own: StandIn) -> None:
    port = ("--port", str(own.control_port))
    ended = switch("away", *port)
    assert (ended.returncode, ended.stdout) == (0, "the monolith's database is away\n")
    assert own.get(LISTS[1]).body == b""
    ended = switch("up", *port)
    assert (ended.returncode, ended.stdout) == (0, "the monolith's database is up\n")
    assert own.get(LISTS[1]).body != b""


def test_the_switch_command_tells_when_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ended = switch("away", "--port", str(port))
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("method", "body", "fields", "status"),
    [
        pytest.param("PUT", "gone", (), 400, id="no state"),
        pytest.param("PUT", "", (), 400, id="empty"),
        pytest.param("PUT", "away" * 100, (), 413, id="too long"),
        pytest.param("PUT", "away", ("Host: evil.example",), 400, id="a name led to loopback"),
        pytest.param("POST", "away", (), 405, id="what a page of another site may send"),
        pytest.param(
            "OPTIONS", "", ("Access-Control-Request-Method: PUT",), 405, id="preflight of one"
        ),
    ],
)
def test_the_control_listener_refuses(
    standin: StandIn, method: str, body: str, fields: tuple[str, ...], status: int
) -> None:
    assert standin.control(method, body, *fields).status == status
    assert standin.control("GET").body == b"up\n"


def test_the_control_listener_is_on_loopback_though_the_other_is_on_all_addresses() -> None:
    with running("--host", "0.0.0.0") as started:
        with pytest.raises(OSError, match=r"refused|requested address"):
            socket.create_connection(("127.0.0.2", started.control_port), 30)
        assert started.control("GET").body == b"up\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0_when_it_is_told_to(own: StandIn, number: signal.Signals) -> None:
    own.process.send_signal(number)
    assert own.process.wait(30) == 0


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("travelbuddy", ["--port", "x"]),
        ("travelbuddy", ["--port", "70000"]),
        ("travelbuddy", ["--control-port", "-1"]),
        ("travelbuddy", ["--nope"]),
        ("travelbuddy.switch", []),
        ("travelbuddy.switch", ["gone"]),
    ],
)
def test_a_wrong_command_line_is_one_sentence(module: str, arguments: list[str]) -> None:
    argv = [sys.executable, "-m", f"deploy.local.{module}", *arguments]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_wrong_state_in_the_environment_is_one_sentence() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.local.travelbuddy", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "TRAVELBUDDY_DATABASE": "gone"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    sentence = "travelbuddy: TRAVELBUDDY_DATABASE: the database is `up` or `away`, not 'gone'\n"
    assert (ended.returncode, ended.stderr) == (2, sentence)
