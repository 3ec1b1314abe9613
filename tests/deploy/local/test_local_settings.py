"""What `make up` makes of its environment, and the sentences it refuses with."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.local.cluster import locked
from deploy.local.errors import BadSettings
from deploy.local.settings import check_ports, read
from tests.support.ports import quiet_ports

ROOT = Path(__file__).parents[3]
PORTS = ("FACADE_PORT", "ADMIN_PORT", "SERVICE_PORT", "LEGACY_PORT")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text("version: 1\n")
    return tmp_path


def problems(environ: Mapping[str, str], here: Path) -> tuple[str, ...]:
    with pytest.raises(BadSettings) as refused:
        read(environ, here, lambda: here)
    return refused.value.problems


def test_without_settings_the_ports_are_the_documented_ones(here: Path) -> None:
    found = read({}, here, lambda: Path("/home/someone"))
    ports = (found.facade_port, found.admin_port, found.service_port, found.legacy_port)
    assert ports == (8080, 9901, 8081, 8082)
    assert found.routes == here / "routes.yaml"
    assert found.data == Path("/home/someone/.local/share/travelbuddy-facade")


@pytest.mark.parametrize(
    ("environ", "data"),
    [
        pytest.param({"XDG_DATA_HOME": "/x"}, "/x/travelbuddy-facade", id="XDG"),
        pytest.param({"XDG_DATA_HOME": "x"}, "/h/.local/share/travelbuddy-facade", id="not whole"),
        pytest.param({"XDG_DATA_HOME": "/x", "DATA_DIR": "/d"}, "/d", id="DATA_DIR wins"),
        pytest.param({"DATA_DIR": ""}, "/h/.local/share/travelbuddy-facade", id="empty is absent"),
        pytest.param({"DATA_DIR": "d/e"}, "{here}/d/e", id="relative to the caller"),
    ],
)
def test_where_the_data_lies(environ: Mapping[str, str], data: str, here: Path) -> None:
    assert read(environ, here, lambda: Path("/h")).data == Path(data.format(here=here))


@pytest.mark.parametrize("text", ["abc", "0", "-1", "65536", "70000", "8e3", "٨٠٨٠", " ", "9" * 99])
def test_a_port_that_is_none_is_named(text: str, here: Path) -> None:
    assert problems({"FACADE_PORT": text}, here) == (
        f"FACADE_PORT must be a port from 1 to 65535, not {text!r}.",
    )


def test_all_that_is_wrong_is_said_at_once(here: Path) -> None:
    environ = {"FACADE_PORT": "abc", "ADMIN_PORT": "8082", "FACADE_ROUTES": "no.yaml"}
    assert problems(environ, here) == (
        "FACADE_PORT must be a port from 1 to 65535, not 'abc'.",
        "ADMIN_PORT and LEGACY_PORT are both 8082: each needs its own port.",
        f"FACADE_ROUTES: there is no file {here}/no.yaml; name the route table's file.",
    )


def test_an_account_without_a_home_is_asked_for_a_directory(here: Path) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    with pytest.raises(BadSettings, match="DATA_DIR: this account has no home directory"):
        read({}, here, homeless)
    assert read({"DATA_DIR": "/d"}, here, homeless).data == Path("/d")


@contextmanager
def taken(count: int) -> Iterator[list[int]]:
    """Ports of loopback on which somebody listens."""
    with ExitStack() as held:
        ports = quiet_ports(count)
        for port in ports:
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        yield ports


def test_every_port_in_use_names_the_variable_to_set(here: Path) -> None:
    with taken(2) as (one, two):
        free, another = quiet_ports(2)
        ports = (one, free, two, another)
        environ = {name: str(port) for name, port in zip(PORTS, ports, strict=True)}
        found = read(environ, here, lambda: here)
        with pytest.raises(BadSettings) as refused:
            check_ports(found)
    said = "Port {0} is in use: set {1} to a free one, as in `{1}=18080 make up`."
    assert refused.value.problems == (
        said.format(one, "FACADE_PORT"),
        said.format(two, "SERVICE_PORT"),
    )
    check_ports(found)  # free again


# --- the command itself --------------------------------------------------------------------------


def command(
    here: Path, stdout: int = subprocess.PIPE, **environ: str
) -> "subprocess.CompletedProcess[str]":
    ports = quiet_ports(len(PORTS))
    defaults = {name: str(port) for name, port in zip(PORTS, ports, strict=True)}
    paths = {"DATA_DIR": str(here / "data"), "FACADE_ROUTES": str(here / "routes.yaml")}
    return subprocess.run(
        [sys.executable, "-m", "deploy.local"],
        cwd=ROOT,
        env={**os.environ, **defaults, **paths, **environ},
        stdout=stdout,
        stderr=subprocess.STDOUT if stdout == subprocess.PIPE else subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_ends_with_2_on_bad_settings_a_sentence_a_line(here: Path) -> None:
    ended = command(here, FACADE_PORT="abc", ADMIN_PORT="70000")
    assert ended.returncode == 2
    assert ended.stdout.splitlines() == [
        "FACADE_PORT must be a port from 1 to 65535, not 'abc'.",
        "ADMIN_PORT must be a port from 1 to 65535, not '70000'.",
    ]
    assert not (here / "data").exists()


def test_the_command_ends_with_2_on_ports_in_use_and_starts_nothing(here: Path) -> None:
    with taken(1) as (port,):
        ended = command(here, LEGACY_PORT=str(port))
    assert ended.returncode == 2
    assert re.fullmatch(rf"Port {port} is in use: set LEGACY_PORT .*\n", ended.stdout)
    assert not (here / "data" / "postgres").exists()


def test_a_second_command_on_the_same_data_hears_of_the_first_not_of_its_ports(here: Path) -> None:
    with locked(here / "data" / "postgres"), taken(1) as (port,):
        ended = command(here, FACADE_PORT=str(port))
    assert ended.returncode == 2
    assert re.fullmatch(r".*/postgres is in use by another run: stop .*\n", ended.stdout)


def test_the_command_ends_with_2_where_it_cannot_write(here: Path) -> None:
    ended = command(here, DATA_DIR=str(here / "routes.yaml" / "below"))
    assert ended.returncode == 2
    assert re.fullmatch(r"Cannot write .*: set DATA_DIR to .*\n", ended.stdout)


def test_a_reader_that_went_away_changes_nothing(here: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = command(here, stdout=writing, FACADE_PORT="abc")
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (2, "")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_and_not_with_no_color(
    here: Path, no_color: str, coloured: bool
) -> None:
    terminal, inside = os.openpty()
    try:
        environ = {"TERM": "xterm", "NO_COLOR": no_color, "FACADE_PORT": "abc"}
        command(here, stdout=inside, **environ)
        shown = os.read(terminal, 10_000)
    finally:
        os.close(terminal)
        os.close(inside)
    assert b"FACADE_PORT must be" in shown
    assert (b"\x1b[1;31m" in shown) == coloured
