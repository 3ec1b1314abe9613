"""The commands that edit a table, as an operator and a machine meet them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.cli import edit_options
from proxy.control.changes import Changes
from proxy.control.history.entries import NewEntry, version_of
from proxy.control.history.file import load_history, open_history
from tests.integration.edits import CANARY, LEGACY, LIVE, ROOT, TWENTY, Shell
from tests.texts import HEAD, REST


@pytest.fixture
def facade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capsys)


# --- an operator's day ----------------------------------------------------------------------


def test_traffic_is_moved_and_brought_back_step_by_step(facade: Shell) -> None:
    first, text = facade.version, facade.routes.read_bytes()
    assert facade("shift r new=20 --who alice --reason", "looks good") == 0
    second = facade.version
    assert facade.out == (
        "r: canary 5 % -> 20 %\n"
        f"routes.yaml: version {first} -> {second}; to undo: facade rollback r\n"
    )
    assert facade("stage r live") == 0
    assert facade.routes.read_text() == LIVE
    assert facade("rollback r") == 0
    assert facade.routes.read_text() == TWENTY
    assert facade("rollback r") == 0
    assert facade.routes.read_bytes() == text
    assert facade("rollback r") == 2
    assert facade.err == (
        "no earlier state of r is recorded: `facade rollback --all` sends every route with a stage to "
        "its incumbent\n"
    )
    assert facade("revert", second[:8]) == 0
    assert facade.out == (
        f"r: canary 5 % -> 20 %\nroutes.yaml: version {first} -> {second}; to undo: facade revert {first}\n"
    )
    assert facade("history") == 0
    header, *lines = facade.out.splitlines()
    assert header.split() == ["time", "who", "action", "what", "changed", "reason", "version"]
    assert [re.split(r"\s{2,}", line)[2:] for line in lines] == [
        ["found", "the table as it was found", "-", f"- -> {first}"],
        ["shift", "r: canary 5 % -> 20 %", "looks good", f"{first} -> {second}"],
        ["stage", "r: canary 20 % -> live 100 %", "-", f"{second} -> {version_of(LIVE.encode())}"],
        [
            "rollback",
            "r: live 100 % -> canary 20 %",
            "-",
            f"{version_of(LIVE.encode())} -> {second}",
        ],
        ["rollback", "r: canary 20 % -> 5 %", "-", f"{second} -> {first}"],
        ["revert", "r: canary 5 % -> 20 %", "-", f"{first} -> {second}"],
    ]


def test_the_kill_switch_is_set_once_and_needs_no_history(facade: Shell) -> None:
    before = facade.version
    assert facade("rollback --all") == 0
    assert facade.out == (
        f"kill switch on\nroutes.yaml: version {before} -> {facade.version}; "
        "to undo: facade resume\n"
    )
    assert facade.routes.read_text() == CANARY.replace(
        "version: 1\n", "version: 1\nkill_switch: true\n"
    )
    assert facade("rollback --all") == 0
    assert facade.out == "the kill switch is on already; nothing was written\n"


def test_the_kill_switch_is_ended_once_and_that_is_recorded(facade: Shell) -> None:
    assert facade("resume") == 0
    assert facade.out == "the kill switch is off already; nothing was written\n"
    facade("rollback --all")
    killed = facade.version
    assert facade("resume --dry-run") == 0
    assert facade.version == killed
    assert facade("resume --who alice --reason", "the cause is found") == 0
    assert facade.out == (
        f"kill switch off\nroutes.yaml: version {killed} -> {facade.version}; "
        f"to undo: facade revert {killed}\n"
    )
    assert facade.routes.read_text() == CANARY.replace(
        "version: 1\n", "version: 1\nkill_switch: false\n"
    )
    entry = load_history(facade.routes).entries[-1]
    assert (entry.action, entry.who, entry.reason) == ("resume", "alice", "the cause is found")
    assert entry.changes == Changes(kill_switch=False)
    # It is no change of a route: a rollback of one still finds its own last state.
    assert facade("rollback r") == 2


def test_nobody_resumes_without_a_record(facade: Shell) -> None:
    (facade.folder / "routes.yaml.history.jsonl").mkdir()
    facade("rollback --all")
    assert facade("resume") == 2
    assert "kill_switch: true" in facade.routes.read_text()


def test_a_shift_under_the_kill_switch_says_that_nothing_moves(facade: Shell) -> None:
    facade("rollback --all")
    assert facade("shift r new=20") == 0
    assert (
        facade.err
        == "facade: the kill switch is on: until it is off, no route with a stage moves\n"
    )


def test_the_kill_switch_is_set_even_where_nothing_can_be_recorded(facade: Shell) -> None:
    (facade.folder / "routes.yaml.history.jsonl").mkdir()
    assert facade("shift r new=20") == 2
    assert facade.routes.read_text() == CANARY
    assert facade("rollback --all") == 0
    assert "kill_switch: true" in facade.routes.read_text()
    assert facade.err.startswith("facade: not recorded in the history: ")


def test_a_stage_with_a_weight_and_a_jump_with_force_and_reason(facade: Shell) -> None:
    facade.routes.write_text(LEGACY)
    assert facade("shift r new=100") == 2
    assert facade.err.startswith(
        "legacy 0 % -> live skips shadow and canary: give both --force and"
    )
    assert facade("stage r live --force") == 2
    assert facade("stage r live --force --reason", "the old one burns") == 0
    assert facade.routes.read_text() == LIVE
    assert facade("stage r canary --weight 5") == 0
    assert facade.routes.read_text() == CANARY
    # Back over the jump: no rule stands in the way of a rollback.
    assert facade("rollback r") == 0
    assert facade("rollback r") == 0
    assert facade.routes.read_text() == LEGACY


def test_what_is_so_already_is_said(facade: Shell) -> None:
    assert facade("shift r new=5") == 0
    assert facade.out == "r has these weights already; nothing was written\n"
    assert facade("stage r canary") == 0
    assert facade.out == "r is canary already; nothing was written\n"
    assert facade("revert", facade.version) == 0
    assert facade.out == "routes.yaml is at this version already; nothing was written\n"
    assert len(load_history(facade.routes).entries) == 1


def test_another_file_is_named_in_the_way_back(facade: Shell) -> None:
    facade.routes.rename(facade.folder / "my table.yaml")
    assert facade("shift r new=20 --routes", "my table.yaml") == 0
    assert facade.out.endswith("to undo: facade rollback r --routes 'my table.yaml'\n")


def test_a_dry_run_shows_the_lines_and_writes_nothing(facade: Shell) -> None:
    assert facade("shift r new=20 --dry-run") == 0
    assert facade.out == (
        "r: canary 5 % -> 20 %\n"
        f"routes.yaml: version {version_of(CANARY.encode())} -> {version_of(TWENTY.encode())}; "
        "dry run: nothing was written\n"
        "-     backend_refs: {legacy: 95, new: 5}  # the split\n"
        "+     backend_refs: {legacy: 80, new: 20}  # the split\n"
    )
    assert os.listdir(facade.folder) == ["routes.yaml"]
    assert facade.routes.read_text() == CANARY


def test_a_dry_run_of_a_rollback_knows_of_an_edit_by_hand(facade: Shell) -> None:
    facade("shift r new=10")
    facade.routes.write_text(TWENTY)
    assert facade("rollback r --dry-run") == 0
    assert facade.out.startswith("r: canary 20 % -> 10 %\n")
    assert len(load_history(facade.routes).entries) == 2


# --- for machines ---------------------------------------------------------------------------


def test_every_edit_tells_a_machine_what_it_did(facade: Shell) -> None:
    first = facade.version
    done = facade.json("shift r new=20")
    assert done == {
        "file": "routes.yaml",
        "changed": True,
        "written": True,
        "version_before": first,
        "version_after": facade.version,
        "changes": {
            "kill_switch": None,
            "routes": [
                {
                    "route": "r",
                    "before": {"stage": "canary", "weights": {"legacy": 95, "new": 5}},
                    "after": {"stage": "canary", "weights": {"legacy": 80, "new": 20}},
                }
            ],
            "changed": [],
            "other": [],
        },
        "summary": ["r: canary 5 % -> 20 %"],
        "undo": "facade rollback r",
        "warnings": [],
    }
    again = facade.json("shift r new=20")
    assert (again["changed"], again["written"], again["undo"]) == (False, False, None)
    assert facade.json("stage r shadow")["summary"] == ["r: canary 20 % -> shadow 0 %"]
    assert facade.json("rollback r")["written"]
    assert facade.json("rollback --all")["summary"] == ["kill switch on"]
    assert facade.json("revert", first)["version_after"] == first


def test_the_history_tells_a_machine_everything_but_the_bytes(facade: Shell) -> None:
    facade("shift r new=20 --who alice --reason why")
    facade("rollback --all")
    told = facade.json("history")
    assert told["chain"] == {
        "ok": True,
        "begins_at": 1,
        "broken_at_line": None,
        "fault": None,
        "torn_lines": [],
    }
    assert [entry["action"] for entry in told["entries"]] == ["found", "shift", "kill switch"]
    assert (told["entries"][1]["who"], told["entries"][1]["reason"]) == ("alice", "why")
    assert all("table" not in entry for entry in told["entries"])


def test_the_history_of_one_route_leaves_the_others_out(facade: Shell) -> None:
    facade("shift r new=20")
    facade("rollback --all")
    assert [e["action"] for e in facade.json("history --route r")["entries"]] == [
        "shift",
        "kill switch",
    ]
    assert [e["action"] for e in facade.json("history --route rest")["entries"]] == ["kill switch"]


def test_the_history_records_an_edit_by_hand_before_it_shows_itself(facade: Shell) -> None:
    facade("shift r new=20")
    facade.routes.write_text(LIVE)
    assert facade("history") == 0
    assert "edited by hand  r: canary 20 % -> live 100 %" in facade.out


def test_ten_thousand_routes_are_edited_in_one_place(facade: Shell) -> None:
    many = "".join(
        f"  - {{name: r{n}, match: {{hosts: [h{n}.example]}}, backend_refs: {{legacy: 1, new: 99}}}}\n"
        for n in range(10_000)
    )
    facade.routes.write_text(HEAD + many + REST)
    assert facade("shift r9998 new=50") == 0
    expected = HEAD + many + REST
    line = "name: r9998, match: {hosts: [h9998.example]}, backend_refs: {legacy: "
    assert facade.routes.read_text() == expected.replace(f"{line}1, new: 99", f"{line}50, new: 50")


# --- who, and how it looks ------------------------------------------------------------------


def test_with_sudo_the_one_who_called_it_is_recorded(
    facade: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "carol")
    facade("shift r new=20")
    assert load_history(facade.routes).entries[-1].who.startswith("carol@")
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.setenv("LOGNAME", "dora")
    assert edit_options.user().startswith("dora@")


def test_a_terminal_gets_a_table_that_is_as_wide_as_it_is(facade: Shell) -> None:
    facade("shift r new=20 --reason", "a long reason that does not fit into eighty columns")
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "proxy", "history", "--routes", str(facade.routes)]
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm"}
    run = subprocess.run(
        command, stdout=theirs, stderr=subprocess.PIPE, cwd=ROOT, env=environment, timeout=60
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert (run.returncode, run.stderr) == (0, b"")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert plain != shown
    assert max(map(len, plain.splitlines())) <= 80
    assert "shift" in plain


def test_what_a_terminal_would_obey_is_not_printed(facade: Shell) -> None:
    facade("shift r new=20")
    with open_history(facade.routes, 1) as log:
        log.append(NewEntry("\x1b[31mmallory", "shift", Changes(), facade.routes.read_bytes()), 0)
    assert facade("history") == 0
    assert "\x1b" not in facade.out
    assert "\N{REPLACEMENT CHARACTER}[31mmallory" in facade.out
