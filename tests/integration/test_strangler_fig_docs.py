"""docs/strangler-fig.md: its tables load, its commands exist, and its commands work on its second table."""

import re
import shlex
from pathlib import Path

import pytest

from proxy import cli
from proxy.config.load import load
from tests.integration.edits import ROOT

PAGE = (ROOT / "docs" / "strangler-fig.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The words of each `facade` command of the page."""
    lines = "".join(blocks("bash")).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("facade ")]


@pytest.mark.parametrize("number", range(2))
def test_every_table_loads(number: int) -> None:
    load(blocks("yaml")[number].encode(), "routes.yaml")


def test_there_are_no_more_tables() -> None:
    assert len(blocks("yaml")) == 2


def test_the_commands_move_the_route_of_the_second_table_and_bring_it_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("routes.yaml").write_text(blocks("yaml")[1])
    shown = []
    for words in commands():
        cli.main(words)
        printed = capsys.readouterr()
        assert printed.err == "", words
        shown.append(printed.out.splitlines()[0])
    assert shown == [
        "flightspecials: legacy 0 % -> canary 5 %",
        "flightspecials: canary 5 % -> 50 %",
        "flightspecials: canary 50 % -> live 100 %",
        "flightspecials: live 100 % -> canary 50 %",
        "kill switch on",
        "kill switch off",
        "flightspecials: canary 50 % -> retired",
    ]


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE):
        assert (ROOT / "docs" / target).is_file(), target
