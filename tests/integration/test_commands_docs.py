"""The examples of `init` and `plan` in docs/commands.md, run as they are written there."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from proxy import cli
from tests.integration.commands import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text()
_VERSION = re.compile(r"\b[0-9a-f]{12}\b")


def section(name: str) -> str:
    return PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]


def blocks(name: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", section(name), re.MULTILINE | re.DOTALL)


def session(name: str) -> list[tuple[str, str]]:
    """Each command of a section with the output that it shows."""
    parts = re.split(r"^\$ (.*)\n", blocks(name, "console")[0], flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def plain(text: str) -> list[str]:
    """Lines without the versions of tables: they change with each comment that `init` writes."""
    return [_VERSION.sub("VERSION", line) for line in text.splitlines()]


def test_the_examples_of_init_and_plan_print_what_the_page_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("access.log").write_text(blocks("init", "text")[0].rstrip("\n"))
    steps = session("init") + session("plan")
    assert len(steps) == 5
    for command, shown in steps:
        program, *words = shlex.split(command)
        if program == "cp":
            shutil.copy(*words)
            continue
        assert cli.main(words) == 0
        printed = capsys.readouterr()
        assert plain(printed.out + printed.err) == plain(shown), command
    for route in blocks("init", "yaml"):
        assert route in Path("first.yaml").read_text()
