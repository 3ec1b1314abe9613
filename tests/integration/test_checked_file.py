"""The file that says which table was checked saves time, and decides nothing (ADR 26)."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from proxy.control.checked_file import (
    CheckedText,
    checked_nodes,
    checked_path,
    program_hash,
    remember_checked,
)
from proxy.control.history.entries import version_of
from proxy.control.history.file import record_table
from tests.integration.edits import CANARY, NOW, TWENTY, Shell, actions
from tests.support.facade_in_loop import facade_in_loop
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
SHIFT = """
import sys
from proxy import cli
status = cli.main(["shift", "r", "new=20", "--routes", sys.argv[1]])
print("pydantic" in sys.modules)
sys.exit(status)
"""


def shifted(routes: Path) -> tuple[int, bool, str]:
    """Shift in a process of its own: its status, whether it had to check the whole table, and its errors."""
    command = [sys.executable, "-c", SHIFT, str(routes)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    return run.returncode, run.stdout.endswith("True\n"), run.stderr


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """A table that an edit has written."""
    path = tmp_path / "routes.yaml"
    path.write_text(CANARY)
    assert record_table(path, CANARY.encode(), NOW) is None
    remember_checked(path, CANARY.encode(), 33, program_hash())
    return path


def test_a_shift_of_a_checked_table_checks_one_route(routes: Path) -> None:
    assert shifted(routes) == (0, False, "")
    assert routes.read_text() == TWENTY
    assert actions(routes) == ["found", "shift"]
    # The edit says so of the new text, so the next one is quick, too.
    checked = msgspec.json.decode(checked_path(routes).read_bytes(), type=CheckedText)
    assert checked_nodes(routes, routes.read_bytes(), program_hash()) == checked.nodes


def _missing(routes: Path) -> None:
    checked_path(routes).unlink()


def _damaged(routes: Path) -> None:
    path = checked_path(routes)
    path.write_bytes(path.read_bytes()[:100])


def _no_utf8(routes: Path) -> None:
    checked_path(routes).write_bytes(b'"\xff"')


def _another_program(routes: Path) -> None:
    remember_checked(routes, CANARY.encode(), 33, "0" * 64)


def _another_text(routes: Path) -> None:
    remember_checked(routes, TWENTY.encode(), 33, program_hash())


def _a_folder(routes: Path) -> None:
    checked_path(routes).unlink()
    checked_path(routes).mkdir()


def _no_history(routes: Path) -> None:
    routes.with_name("routes.yaml.history.jsonl").unlink()


def _edited_by_hand(routes: Path) -> None:
    text = CANARY + "# by hand\n"
    routes.write_text(text)
    remember_checked(routes, text.encode(), 33, program_hash())


@pytest.mark.parametrize(
    "spoil",
    [
        _missing,
        _damaged,
        _no_utf8,
        _another_program,
        _another_text,
        _a_folder,
        _no_history,
        _edited_by_hand,
    ],
)
def test_whatever_else_the_file_says_the_whole_table_is_checked(
    routes: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(routes)
    assert shifted(routes)[:2] == (0, True)
    assert routes.read_text().removesuffix("# by hand\n") == TWENTY


def test_a_table_that_does_not_load_is_refused_whatever_was_checked_before(routes: Path) -> None:
    routes.write_text(CANARY.replace("http://a:1", "ftp://a"))
    status, whole, errors = shifted(routes)
    assert (status, whole) == (2, True)
    assert "the table does not load, and nothing was written" in errors


def test_a_rule_that_the_edit_would_break_is_found(tmp_path: Path, routes: Path) -> None:
    """The route alone is not certain then; the whole table has the text."""
    text = CANARY + "tests: [{name: t, input: {path: /r}, expect: {route: r, status: 404}}]\n"
    routes.write_text(text)
    assert shifted(routes)[0] == 2


def test_a_planted_link_is_not_followed(routes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("precious")
    checked_path(routes).unlink()
    checked_path(routes).symlink_to(other)
    remember_checked(routes, CANARY.encode(), 33, program_hash())
    assert other.read_text() == "precious"
    assert not checked_path(routes).is_symlink()


def test_nothing_is_said_of_a_text_without_nodes_or_a_program_without_source(
    tmp_path: Path,
) -> None:
    table = tmp_path / "t.yaml"
    remember_checked(table, b"x", None, "p")
    remember_checked(table, b"x", 1, "")
    assert os.listdir(tmp_path) == []
    checked_path(table).write_bytes(
        msgspec.json.encode(
            CheckedText("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "", 1)
        )
    )
    assert checked_nodes(table, b"x", "") is None


def _is_checked(routes: Path, text: str) -> bool:
    return checked_nodes(routes, text.encode(), program_hash()) is not None


async def test_a_running_facade_says_that_its_table_was_checked(tmp_path: Path) -> None:
    async with facade_in_loop(CANARY, tmp_path) as facade:
        await eventually(lambda: _is_checked(facade.routes, CANARY), 5)
        facade.routes.write_text(TWENTY)
        await eventually(lambda: _is_checked(facade.routes, TWENTY), 5)
        assert facade.app.table.current.version == version_of(TWENTY.encode())


def test_stage_and_rollback_check_one_route_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path, capsys)
    assert shell("shift r new=20") == 0
    before = shell.version
    assert shell("stage r shadow") == 0
    assert shell("rollback r") == 0
    assert shell.version == before
    assert shell("rollback --all") == 0
    assert shell("resume") == 0
    assert actions(shell.routes)[-4:] == ["stage", "rollback", "kill switch", "resume"]
