"""The history file: every change is recorded, and damage is detected."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy import cli
from proxy.config.load import load
from proxy.control.changes import Changes, RouteChange, RouteState
from proxy.control.history.entries import (
    BY_HAND,
    FOUND,
    Entry,
    HistoryBounds,
    NewEntry,
    chained,
    line_of,
    table_of,
    version_of,
)
from proxy.control.history.file import KnownTables, load_history, open_history, record_table
from tests.integration.edits import CANARY as CANARY_TEXT
from tests.integration.edits import NOW, actions, faults, history_of, moved
from tests.texts import FLOW, table

CANARY = CANARY_TEXT.encode()


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """A table without a history."""
    path = tmp_path / "routes.yaml"
    path.write_bytes(CANARY)
    return path


# --- what is recorded -----------------------------------------------------------------------


def test_an_edit_is_recorded_with_who_when_why_and_what(routes: Path) -> None:
    done = moved(routes, 2000)
    found, entry = load_history(routes).entries
    assert (found.action, found.who, found.version_before) == (FOUND, "unknown", None)
    assert table_of(found) == CANARY
    assert (entry.number, entry.who, entry.action) == (2, "alice", "shift")
    assert entry.time == "2027-01-15T08:00:00Z"
    assert (entry.version_before, entry.version_after) == (
        version_of(CANARY),
        version_of(done.after),
    )
    before = RouteState("canary", {"legacy": 95, "new": 5})
    change = RouteChange("r", before, RouteState("canary", {"legacy": 80, "new": 20}))
    assert entry.changes == Changes(routes=(change,))
    assert table_of(entry) == routes.read_bytes() == done.after
    assert entry.previous == found.hash


def test_an_edit_by_hand_is_recorded_once(routes: Path) -> None:
    assert record_table(routes, CANARY, NOW) is None
    text = table(FLOW.format(94, 6), "canary").encode()
    routes.write_bytes(text)
    for _ in range(3):
        assert record_table(routes, text, NOW) is None
    assert actions(routes) == [FOUND, BY_HAND]
    entry = load_history(routes).entries[-1]
    assert (entry.who, table_of(entry)) == ("unknown", text)
    assert entry.changes.routes[0].route == "r"


def test_an_edit_by_hand_is_recorded_before_the_next_edit(routes: Path) -> None:
    moved(routes, 1000)
    routes.write_bytes(table(FLOW.format(70, 30), "canary").encode())
    done = moved(routes, 4000)
    assert actions(routes) == [FOUND, "shift", BY_HAND, "shift"]
    assert done.warnings == ("recorded first, as edited by hand: r: canary 10 % -> 30 %",)


def test_a_table_that_the_file_no_longer_has_is_not_recorded(routes: Path) -> None:
    assert record_table(routes, CANARY + b"# older\n", NOW) is None
    assert actions(routes) == []
    moved(routes, 2000)
    # A worker that is late tells of the table before the shift: it must not look like an edit back.
    assert record_table(routes, CANARY, NOW) is None
    assert actions(routes) == [FOUND, "shift"]


def test_edits_right_after_the_start_are_recorded_even_if_writing_is_slow(routes: Path) -> None:
    """The file has moved on before the first table in effect is written down."""
    texts = [CANARY, *(table(FLOW.format(100 - n, n), "canary").encode() for n in (2, 3))]
    routes.write_bytes(texts[-1])
    versions: list[str | None] = [None, *(version_of(text) for text in texts)]
    for before, text in zip(versions, texts, strict=False):
        known = load(text, "t.yaml").table
        assert (
            record_table(routes, text, NOW, KnownTables(before, {version_of(text): known})) is None
        )
    assert actions(routes) == [FOUND, BY_HAND, BY_HAND]
    assert [entry.version_after for entry in load_history(routes).entries] == versions[1:]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda routes: routes.unlink(), "No such file or directory"),
        (lambda routes: routes.write_bytes(b"version: 2\n"), "it does not load"),
        (lambda routes: history_of(routes).mkdir(), "cannot be written (Is a directory)"),
    ],
)
def test_a_fault_in_recording_is_returned_and_not_raised(
    routes: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(routes)
    text = routes.read_bytes() if routes.exists() else CANARY
    fault = record_table(routes, text, NOW)
    assert fault is not None
    assert reason in fault


def test_the_history_is_beside_the_target_of_a_link(routes: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "link.yaml"
    link.symlink_to("../routes.yaml")
    moved(link, 2000)
    assert link.is_symlink()
    assert b"new: 20" in routes.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".routes.yaml.checked",
        "etc",
        "routes.yaml",
        "routes.yaml.history.jsonl",
    ]
    assert os.listdir(tmp_path / "etc") == ["link.yaml"]


# --- the chain ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        pytest.param(lambda text: text.replace(b"alice", b"mallo", 1), 2, id="another name"),
        pytest.param(lambda text: text.partition(b"\n")[2], 1, id="the first line removed"),
    ],
)
def test_a_history_that_was_changed_is_reported_with_the_line(
    routes: Path,
    tamper: Callable[[bytes], bytes],
    line: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for share in (1000, 2000, 3000):
        moved(routes, share)
    history = history_of(routes)
    assert faults(routes) == (0, ())
    history.write_bytes(tamper(history.read_bytes()))
    assert load_history(routes).broken_at == line
    assert cli.main(["history", "--routes", str(routes)]) == 1
    assert f"is broken at line {line}: " in capsys.readouterr().err


@pytest.mark.parametrize("keep", [1, 30, 200, -2])
def test_a_line_that_a_crash_cut_short_is_reported_and_does_not_break_the_chain(
    routes: Path, keep: int, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(routes, 1000)
    history = history_of(routes)
    whole = history.read_bytes()
    history.write_bytes(whole + whole.splitlines()[1][:keep])
    done = moved(routes, 2000)
    assert any("cut short by a crash" in warning for warning in done.warnings)
    assert actions(routes) == [FOUND, "shift", "shift"]
    assert faults(routes) == (0, (3,))
    assert cli.main(["history", "--routes", str(routes)]) == 0
    assert "line 3 of routes.yaml.history.jsonl was cut short" in capsys.readouterr().err


def test_a_last_line_without_a_line_end_is_an_entry(routes: Path) -> None:
    moved(routes, 1000)
    history = history_of(routes)
    history.write_bytes(history.read_bytes().removesuffix(b"\n"))
    moved(routes, 2000)
    assert actions(routes) == [FOUND, "shift", "shift"]
    assert faults(routes) == (0, ())


def test_the_last_entry_of_a_long_history_is_found_without_reading_it_all(routes: Path) -> None:
    big = CANARY + b"".join(b"# %d %s\n" % (n, os.urandom(40).hex().encode()) for n in range(9000))
    routes.write_bytes(big)
    for share in (1000, 2000):
        moved(routes, share)
    with open_history(routes, 1) as log:
        assert log.last == load_history(routes).entries[-1]
        assert not log.torn
    assert history_of(routes).stat().st_size > 2 * 256 * 1024


# --- how long it gets -----------------------------------------------------------------------


def written(routes: Path, count: int) -> list[Entry]:
    """A history of so many shifts."""
    entries: list[Entry] = []
    for number in range(count):
        states = [RouteState("canary", {"new": weight}) for weight in (number, number + 1)]
        changes = Changes(routes=(RouteChange("r", *states),))
        text = CANARY if number == count - 1 else b"%d" % number
        new = NewEntry("alice", "shift", changes, text)
        entries.append(chained(new, entries[-1] if entries else None, NOW))
    history_of(routes).write_bytes(b"".join(map(line_of, entries)))
    return entries


def test_a_long_history_keeps_its_newest_entries_and_reports_that(
    routes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = written(routes, 1_250)
    history_of(routes).chmod(0o640)
    moved(routes, 1000)
    scan = load_history(routes)
    assert (scan.begins_at, len(scan.entries)) == (252, 1_000)
    assert scan.entries[:-1] == tuple(entries[251:])
    assert faults(routes) == (0, ())
    assert history_of(routes).stat().st_mode & 0o777 == 0o640
    assert cli.main(["history", "--routes", str(routes)]) == 0
    assert "begins at entry 252: older ones were dropped" in capsys.readouterr().err
    moved(routes, 2000)
    assert load_history(routes).begins_at == 252
    assert faults(routes) == (0, ())
    assert sorted(path.name for path in routes.parent.iterdir()) == [
        ".routes.yaml.checked",
        "routes.yaml",
        "routes.yaml.history.jsonl",
    ]


def test_a_history_within_a_quarter_beyond_its_bounds_is_not_shortened(routes: Path) -> None:
    entries = written(routes, 1_249)
    moved(routes, 1000)
    assert load_history(routes).entries[:-1] == tuple(entries)


def test_an_edit_that_waited_for_the_lock_continues_the_shortened_history(routes: Path) -> None:
    written(routes, 8)
    with ThreadPoolExecutor(1) as other:
        with open_history(routes, 1) as log:
            late = other.submit(moved, routes, 1000)
            assert log.shorten(HistoryBounds(3, 1_000_000))
        late.result()
    assert faults(routes) == (0, ())
    assert [entry.number for entry in load_history(routes).entries] == [6, 7, 8, 9]
