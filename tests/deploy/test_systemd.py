"""The systemd unit and the logrotate file: they start, reload and rotate this facade."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from proxy.cli import parse
from proxy.cli.serve_options import read_settings
from proxy.config.units import Duration
from proxy.server.settings import Settings
from tests.support.facade_process import facade_process
from tests.support.waiting import until

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
PROGRAM = "/opt/facade/bin/facade"


def unit() -> dict[str, list[str]]:
    """The values of each directive."""
    directives = defaultdict(list)
    for line in (FOLDER / "facade.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            directives[name].append(value)
    return directives


def arguments(command: str) -> argparse.Namespace:
    program, *words = shlex.split(command)
    assert program == PROGRAM
    return parse(words)


def settings() -> Settings:
    return read_settings(arguments(unit()["ExecStart"][0]), {})


def postrotate() -> str:
    text = (FOLDER / "logrotate.conf").read_text()
    return text.partition("postrotate\n")[2].partition("endscript")[0].strip()


def test_the_unit_starts_the_facade_with_options_that_it_takes() -> None:
    started = settings()
    checked = arguments(unit()["ExecStartPre"][0])
    assert started.routes == Path("/etc/facade/routes.yaml")
    assert checked.file == str(started.routes)
    assert unit()["Type"] == ["notify"]


def test_the_unit_waits_for_the_drain() -> None:
    stopping_s = Duration("0s", "1h").read(unit()["TimeoutStopSec"][0])
    started = settings()
    assert stopping_s >= started.pause_s + started.drain_s + 10


def test_a_reload_is_the_signal_that_reloads() -> None:
    assert unit()["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_the_unit_may_write_its_log_and_its_history() -> None:
    started = settings()
    assert Path(started.access_log).parent == Path("/var/log") / unit()["LogsDirectory"][0]
    assert str(started.routes.parent) in unit()["ReadWritePaths"]


def test_logrotate_rotates_the_log_of_the_unit() -> None:
    text = (FOLDER / "logrotate.conf").read_text()
    assert f"\n{settings().access_log} {{\n" in text
    assert "copytruncate" not in text


def test_after_a_rotation_the_facade_writes_to_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """logrotate's steps: rename, then the script. `systemctl` is a stand-in that sends the signal by itself."""
    log = tmp_path / "access.log"
    with facade_process(tmp_path, "--workers", "2", "--access-log", str(log)) as facade:
        tools = tmp_path / "tools"
        tools.mkdir()
        (tools / "systemctl").write_text(
            f"#!{sys.executable}\nimport os, sys\n"
            "assert sys.argv[1:3] == ['kill', '--kill-whom=main'], sys.argv\n"
            "assert sys.argv[4] == 'facade.service'\n"
            "name = sys.argv[3].removeprefix('--signal=')\n"
            "import signal\n"
            f"os.kill({facade.popen.pid}, getattr(signal, 'SIG' + name))\n"
        )
        (tools / "systemctl").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        log.rename(tmp_path / "access.log.1")
        subprocess.run(["/bin/sh", "-ec", postrotate()], check=True, timeout=30)
        until(log.exists)
        assert facade.get("/hello") == (200, b"hello")
        assert facade.stop(signal.SIGTERM) == 0
    assert b'"status":200' in log.read_bytes()
