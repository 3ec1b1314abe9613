"""Concurrent edits and interrupted edits: none is lost, and the history has all of them."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.control.atomic_file import pending_path
from proxy.control.edit_transaction import EditInput, EditRequest, perform
from proxy.control.edits.editable import EditedTable
from proxy.control.edits.operations import Consent, shift
from proxy.control.history.entries import BY_HAND, FOUND, NOT_CARRIED_OUT, earlier_state
from proxy.control.history.file import load_history, open_history, record_table
from proxy.errors import EditError
from tests.integration.edits import CANARY as CANARY_TEXT
from tests.integration.edits import NOW, ROOT, actions, faults, history_of, moved
from tests.texts import FLOW, table

CANARY = CANARY_TEXT.encode()


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """A table without a history."""
    path = tmp_path / "routes.yaml"
    path.write_bytes(CANARY)
    return path


# --- several at once ------------------------------------------------------------------------

SHIFTS = """
import sys
from proxy import cli
path, route = sys.argv[1:]
sys.exit(max(cli.main(["shift", route, f"new={n}", "--routes", path]) for n in range(20, 30)))
"""

SEEN = """
import sys, time
from pathlib import Path
from proxy.control.history.file import record_table
path = Path(sys.argv[1])
for _ in range(20):
    assert record_table(path, path.read_bytes(), time.time()) is None
"""


def started(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_edits_of_several_processes_take_effect_one_after_the_other(routes: Path) -> None:
    names = ["one", "two", "three"]
    text = CANARY.decode() + "".join(
        f"  - {{name: {name}, match: {{hosts: [{name}.example]}}, backend_refs: {{legacy: 99, new: 1}}}}\n"
        for name in names
    )
    routes.write_text(text)
    working = [started(SHIFTS, str(routes), name) for name in names]
    working += [started(SEEN, str(routes)) for _ in range(2)]
    assert [each.communicate(timeout=120)[1] for each in working] == [b""] * 5
    assert [each.returncode for each in working] == [0] * 5
    assert routes.read_text() == text.replace("legacy: 99, new: 1}", "legacy: 71, new: 29}")
    assert sorted(actions(routes)) == sorted([FOUND, *["shift"] * 30])
    assert faults(routes) == (0, ())


def test_several_facades_record_one_edit_by_hand_once(routes: Path) -> None:
    record_table(routes, CANARY, NOW)
    routes.write_bytes(CANARY + b"# by hand\n")
    working = [started(SEEN, str(routes)) for _ in range(3)]
    assert [each.communicate(timeout=120)[1] for each in working] == [b""] * 3
    assert actions(routes) == [FOUND, BY_HAND]


def test_a_save_by_hand_during_an_edit_is_not_overwritten(routes: Path) -> None:
    by_hand = CANARY + b"# saved meanwhile\n"

    def edit(edit_input: EditInput) -> EditedTable | None:
        result = shift(edit_input.require_table(), "r", {"new": 2000}, Consent())
        routes.write_bytes(by_hand)
        return result

    with pytest.raises(
        EditError, match=r"routes\.yaml changed while you edited; nothing was written"
    ):
        perform(routes, EditRequest("shift", "alice", NOW), edit)
    assert routes.read_bytes() == by_hand
    assert not pending_path(routes).exists()
    assert actions(routes) == [FOUND]


def test_a_save_by_hand_while_the_entry_is_written_is_not_overwritten(
    routes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while the entry goes to the disk, after the first look at the file."""
    by_hand = CANARY + b"# saved meanwhile\n"
    sync = os.fsync

    def saving(handle: int) -> None:
        sync(handle)
        if b"alice" in history_of(routes).read_bytes():
            routes.write_bytes(by_hand)

    monkeypatch.setattr(os, "fsync", saving)
    with pytest.raises(EditError, match="changed while you edited"):
        moved(routes, 2000)
    assert routes.read_bytes() == by_hand
    assert actions(routes) == [FOUND, "shift", NOT_CARRIED_OUT]
    assert record_table(routes, by_hand, NOW) is None
    assert actions(routes)[-1] == BY_HAND
    assert faults(routes) == (0, ())


def test_the_wait_for_a_lock_is_bounded(routes: Path) -> None:
    with (
        open_history(routes, 1),
        pytest.raises(EditError, match="somebody else is editing"),
        open_history(routes, 0.1),
    ):
        raise AssertionError("two held one lock")


def test_a_history_that_is_deleted_during_the_wait_is_begun_again(
    routes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a deleted file must not be used: its entries would be lost."""
    moved(routes, 1000)
    lock = fcntl.flock
    taken: list[int] = []

    def taking_away(handle: int, operation: int) -> None:
        lock(handle, operation)
        if not taken:
            taken.append(handle)
            history_of(routes).unlink()

    monkeypatch.setattr(fcntl, "flock", taking_away)
    moved(routes, 2000)
    assert taken
    assert actions(routes) == [FOUND, "shift"]


# --- killed ---------------------------------------------------------------------------------


def test_a_command_killed_at_any_step_leaves_the_old_table_or_the_new_one(
    routes: Path, tmp_path: Path
) -> None:
    moved(routes, 1000)
    old = routes.read_bytes()
    new = table(FLOW.format(80, 20), "canary").encode()
    template = tmp_path / "killed" / "template"
    template.mkdir(parents=True)
    for path in (routes, history_of(routes)):
        shutil.copy2(path, template)
    program = [
        sys.executable,
        "-m",
        "tests.integration.killed",
        str(template.parent),
        "routes.yaml",
    ]
    run = subprocess.run(
        [*program, "shift", "r", "new=20", "--who", "bob"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    steps = int(run.stdout.split()[-1])
    outcomes = {
        _after_the_crash(template.parent / str(n) / "routes.yaml", old, new) for n in range(steps)
    }
    assert outcomes == {
        (False, (FOUND, "shift")),
        (False, (FOUND, "shift", "shift", NOT_CARRIED_OUT)),
        (True, (FOUND, "shift", "shift")),
    }


def _after_the_crash(routes: Path, old: bytes, new: bytes) -> tuple[bool, tuple[str, ...]]:
    """Whether the edit took effect, and what the history says once the next one has looked."""
    text = routes.read_bytes()
    assert text in (old, new)
    assert record_table(routes, text, NOW) is None
    recorded = tuple(actions(routes))
    done = moved(routes, 3000)
    assert done.written
    assert sorted(os.listdir(routes.parent)) == [
        ".routes.yaml.checked",
        "routes.yaml",
        "routes.yaml.history.jsonl",
    ]
    assert load_history(routes).broken_at == 0
    state = earlier_state(load_history(routes).entries, "r")
    assert state is not None
    assert state.weights["new"] == (20 if text == new else 10)
    return text == new, recorded
