"""`facade --version` and `facade completion`."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from proxy.cli import COMMANDS, main
from proxy.cli.completion import SHELLS, flags_of, script


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"facade {version('strangler-facade')}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_every_command_and_every_option(shell: str) -> None:
    words = set(re.split(r"[\s\"':]+", script(shell)))
    for command in COMMANDS:
        assert command in words
        for flag in flags_of(command):
            # fish has names without dashes.
            names = [name.lstrip("-") if shell == "fish" else name for name in flag.names]
            assert words.issuperset(names)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "proxy", "completion", shell],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout == script(shell)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["facade", "hi"], ["history"]),
        (["facade", "re"], ["resume", "revert"]),
        (["facade", "--v"], ["--version"]),
        (["facade", "check", "--st"], ["--strict"]),
        (["facade", "serve", "--tls-k"], ["--tls-key"]),
        (["facade", "completion", "z"], ["zsh"]),
        (["facade", "check", "rou"], []),
    ],
)
def test_bash_completes(words: list[str], completed: list[str]) -> None:
    typed = " ".join(f"'{word}'" for word in words)
    after = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _facade; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    ended = subprocess.run(
        ["bash", "-c", script("bash") + after],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert (ended.stdout.split(), ended.stderr) == (completed, "")
