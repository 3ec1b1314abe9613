"""`facade brownout`: the route is retired, and serves again; also after a signal, a kill, and somebody else's edit."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy import cli
from proxy.control.history.file import load_history
from tests.integration.commands import ROOT, TABLE, facade
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("in_folder")
WORDS = ("brownout", "list", "--reason", "the last callers", "--who", "ada")


def text() -> str:
    return Path("routes.yaml").read_text()


def actions() -> list[str]:
    return [entry.action for entry in load_history(Path("routes.yaml").resolve()).entries]


@contextmanager
def running(*more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A runner that has begun its brownout."""
    command = [
        sys.executable,
        "-m",
        "proxy",
        *WORDS,
        "--routes",
        str(Path("routes.yaml").resolve()),
    ]
    runner = subprocess.Popen([*command, *more], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        until(lambda: "stage: retired" in text())
        yield runner
    finally:
        runner.kill()
        runner.wait(20)


def test_a_route_is_retired_for_a_while_and_serves_again() -> None:
    assert facade(*WORDS, "--for", "1s", "--every", "2s", "--times", "2") == 0
    assert text() == TABLE
    assert actions()[-4:] == ["brownout"] * 4
    last = load_history(Path("routes.yaml").resolve()).entries[-1]
    assert (last.who, last.reason) == ("ada", "the last callers")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_brings_the_route_back(number: signal.Signals) -> None:
    with running("--for", "10m") as runner:
        runner.send_signal(number)
        assert runner.wait(20) == 130
    assert text() == TABLE


def test_after_a_kill_the_next_run_brings_the_route_back_first() -> None:
    with running("--for", "10m") as runner:
        runner.kill()
        runner.wait(20)
    assert "stage: retired" in text()
    assert facade(*WORDS, "--for", "1s", "--every", "2s") == 0
    assert text() == TABLE
    assert actions()[-4:] == ["brownout"] * 4


def test_a_route_that_somebody_else_moves_stays_as_they_left_it() -> None:
    with running("--for", "10m") as runner:
        assert facade("stage", "list", "canary", "--weight", "1") == 0
        moved = text()
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(20) == 130
    assert text() == moved


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--for", "1h", "--every", "1h"), "--every has to be longer than --for"),
        (("--reason", "a\nb"), "take one line"),
        (("--routes", "missing.yaml"), "missing.yaml"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*WORDS, *words]) == 2
    assert sentence in capsys.readouterr().err
    assert text() == TABLE


def test_a_retired_route_has_no_brownout(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("stage", "list", "retired") == 0
    assert cli.main(list(WORDS)) == 2
    assert "is retired already" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--for", "x"), ("--times", "0"), ("--times", "169")])
def test_a_bad_number_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as refused:
        facade(*WORDS, *words)
    assert refused.value.code == 2
