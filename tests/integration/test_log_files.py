"""Files of access logs: several, compressed, damaged, from standard input, with progress."""

import gzip
import json
import os
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.log_files import Progress
from proxy.cli.output import Screen
from tests.integration.commands import ROOT, facade
from tests.integration.test_cli_init import combined

pytestmark = pytest.mark.usefixtures("in_folder")
_MAIN = "import sys; from proxy.cli import main; sys.exit(main())"


def lines(*targets: str) -> bytes:
    return "".join(f"{combined(target)}\n" for target in targets).encode()


def surveyed(capsys: pytest.CaptureFixture[str], *files: str) -> dict[str, Any]:
    assert facade("init", "--json", "--from", *files) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def by_process(*words: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", _MAIN, *words],
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )


def test_several_files_are_one_log_in_any_order(capsys: pytest.CaptureFixture[str]) -> None:
    Path("access.log").write_bytes(lines("/a/1", "/b/1"))
    Path("access.log.1").write_bytes(lines("/a/2").rstrip(b"\n"))
    Path("access.log.2.gz").write_bytes(gzip.compress(lines("/a/3")) + gzip.compress(lines("/c/1")))
    forward = surveyed(capsys, "access.log", "access.log.1", "access.log.2.gz")
    backward = surveyed(capsys, "access.log.2.gz", "access.log.1", "access.log")
    assert forward == backward
    assert {seam["prefix"]: seam["requests"] for seam in forward["seams"]} == {
        "/a": 3,
        "/b": 1,
        "/c": 1,
    }


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_standard_input_is_read(compress: Any) -> None:
    done = by_process("init", "--from", "-", stdin=compress(lines("/a/1", "/a/2")))
    assert done.returncode == 0
    assert b"- name: a\n" in done.stdout


def test_a_closed_standard_input_is_an_error() -> None:
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{_MAIN}" init --from - <&-'],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (
        2,
        b"facade: standard input is closed: name a file\n",
    )


def test_a_named_pipe_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(lines("/a/1")))
    writer.start()
    assert surveyed(capsys, "pipe")["requests"] == 1
    writer.join(30)


def test_a_truncated_file_is_read_as_far_as_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    whole = gzip.compress(lines(*(f"/a/{n}/{n * n}" for n in range(5000))))
    Path("cut.gz").write_bytes(whole[: len(whole) // 2])
    Path("next.log").write_bytes(lines("/b/1"))
    assert facade("init", "--from", "cut.gz", "next.log", "-o", "made.yaml") == 0
    assert (
        "cut.gz: its compressed data ends early; the lines before that were read"
        in capsys.readouterr().err
    )
    printed = surveyed(capsys, "cut.gz", "next.log")
    assert 1000 < printed["requests"] < 5000
    assert printed["damaged_files"] == [{"file": "cut.gz", "why": "its compressed data ends early"}]


@pytest.mark.parametrize("place", ["data", "checksum", "next"])
def test_a_damaged_file_is_read_as_far_as_it_goes(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = bytearray(gzip.compress(lines(*(f"/a/{n}/{n * n}" for n in range(5000)))))
    if place == "next":
        whole += b"no gzip"
    else:
        whole[len(whole) // 2 if place == "data" else -6] ^= 0xFF
    Path("bad.gz").write_bytes(whole)
    printed = surveyed(capsys, "bad.gz")
    assert printed["requests"] > 1000
    assert printed["damaged_files"][0]["why"].startswith("its compressed data is damaged: ")


def test_memory_does_not_grow_with_a_line_or_a_log() -> None:
    endless = gzip.compress(bytes(300 * 1024 * 1024), 1)
    slugs = lines(*(f"/p{n % 7}/slug-{n}/{'x' * (n % 900)}" for n in range(60_000)))
    Path("bomb.gz").write_bytes(endless)
    program = (
        "from proxy.cli import main\n"
        "assert main(['init', '--from', 'bomb.gz', '-', '-o', 'made.yaml']) == 0\n"
        "status = open('/proc/self/status').read()\n"
        "print(int(status.partition('VmHWM:')[2].split()[0]) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=slugs,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert b"bomb.gz, line 1: it is longer than 1 MiB" in done.stderr
    assert int(done.stdout.splitlines()[-1]) < 150


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("stream", "shown"),
    [
        (Terminal(), "\r\x1b[K1,000 lines read, 25 %\r\x1b[K9,000 lines read, 75 %\r\x1b[K"),
        (StringIO(), "9,000 lines read, 75 %\n"),
    ],
    ids=["on a terminal", "anywhere else"],
)
def test_progress_is_one_line_on_a_terminal_and_a_line_now_and_then_elsewhere(
    stream: StringIO, shown: str
) -> None:
    clock = Clock()
    progress = Progress(Screen(stream), 400, clock)
    progress.show(1, lambda: 1)
    clock.now = 1.0
    progress.show(1000, lambda: 100)
    progress.show(1001, lambda: 101)
    progress.end_file(200)
    clock.now = 11.0
    progress.show(9000, lambda: 100)
    progress.end()
    assert stream.getvalue() == shown


def test_progress_of_a_pipe_has_no_per_cent() -> None:
    clock, stream = Clock(), StringIO()
    progress = Progress(Screen(stream), 0, clock)
    clock.now = 10.0
    progress.show(1000, lambda: 0)
    progress.end()
    assert stream.getvalue() == "1,000 lines read\n"
