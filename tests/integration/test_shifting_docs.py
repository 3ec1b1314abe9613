"""docs/shifting.md, run from its first command to its last."""

import re
import shlex
import socket
from pathlib import Path

import pytest

from proxy import cli
from tests.integration.edits import ROOT

PAGE = (ROOT / "docs" / "shifting.md").read_text()
_VARIES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def session() -> list[tuple[str, str]]:
    """Each command of the page with the output that it shows."""
    parts = re.split(r"^\$ facade (.*)\n", "".join(blocks("console")), flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def plain(text: str) -> list[str]:
    """Lines without what differs from run to run: times, host, and how wide the columns are."""
    text = _VARIES.sub("TIME", text.replace(f"@{socket.gethostname()}", "@ops-1"))
    return [re.sub(r" {2,}", "  ", line) for line in text.splitlines()]


def test_every_command_of_the_page_prints_what_the_page_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUDO_USER", "anna")
    Path("routes.yaml").write_text(blocks("yaml")[0])
    assert len(session()) > 5
    for command, shown in session():
        cli.main(shlex.split(command))
        printed = capsys.readouterr()
        assert printed.err == ""
        assert plain(printed.out) == plain(shown), command
    assert Path("routes.yaml").read_text() == blocks("yaml")[0]
