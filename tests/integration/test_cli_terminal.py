"""Commands on a terminal, what they import, and their page in the docs."""

import argparse
import importlib
import os
import pty
import subprocess
import sys

import pytest

from tests.integration.commands import BROKEN, ROOT, facade, written

COMMANDS = ("check", "explain", "init", "plan", "routes", "schema")
pytestmark = pytest.mark.usefixtures("in_folder")
_RUN = """
import sys
from tests.integration.commands import facade
from proxy.errors import FacadeError
sys.exit(facade(*sys.argv[1:]))
"""


def on_terminal(columns: int, *words: str, **environment: str) -> str:
    """What a command prints on a terminal of its own, both streams together."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**variables, **environment},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other side is closed.
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    process.wait(10)
    return shown.decode()


def test_on_a_terminal_the_place_is_underlined_in_colour() -> None:
    shown = on_terminal(80, "check", written("bad.yaml", BROKEN)).replace("\r\n", "\n")
    assert "\x1b[1mbad.yaml:9:19\x1b[0m: the weights sum to 110" in shown
    assert "    backend_refs: {legacy: 80, new: 30}\n" + " " * 27 + "\x1b[31;1m^" in shown
    plain = on_terminal(80, "check", "bad.yaml", NO_COLOR="1")
    assert "\x1b" not in plain
    assert "^" in plain


@pytest.mark.parametrize("columns", [80, 140])
def test_a_table_fits_the_terminal(columns: int) -> None:
    shown = on_terminal(columns, "routes", NO_COLOR="1")
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns
    assert "legacy 80 %, new 20 %" in shown


def test_a_reader_that_leaves_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "routes"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=30,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "not_wanted"),
    [
        (["--help"], {"pydantic", "httpx", "starlette", "asyncio"}),
        (["check"], {"httpx", "starlette"}),
        (["routes"], {"httpx", "starlette", "uvloop"}),
        (["serve", "--help"], {"httpx"}),
    ],
)
def test_a_command_imports_what_it_needs_and_no_more(
    words: list[str], not_wanted: set[str]
) -> None:
    """`serve` holds for weeks what it imports."""
    program = (
        "import sys\nfrom proxy.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert not_wanted & set(done.stdout.splitlines()[-1].split()) == set()


def test_every_option_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    for name in COMMANDS:
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        made = argparse.ArgumentParser(prog="facade")
        importlib.import_module(f"proxy.cli.{name.replace('-', '_')}").register(made)
        options = {word for word in made.format_usage().split() if word.lstrip("[").startswith("-")}
        for option in {word.strip("[]") for word in options} - {"-h", "--json", "|"}:
            assert option in section, f"facade {name} {option} is not in docs/commands.md"


def test_the_docs_show_what_the_commands_print(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    assert facade("check", str(ROOT / "routes.yaml")) == 0
    summary = capsys.readouterr().out.splitlines()[0].removeprefix(f"{ROOT}/")
    assert f"$ facade check routes.yaml\n{summary}\n" in page
