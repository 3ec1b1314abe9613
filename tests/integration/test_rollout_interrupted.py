"""Rollouts that are killed, run twice, meet a full disk or somebody else's edit: no wrong weight, no step twice."""

# ruff: noqa: E501 -- a row of a table stays on one line

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy import cli
from proxy.control.history.file import load_history
from tests.integration.edits import ROOT, Shell, faults
from tests.integration.rollouts import marks, table, weights

STEPS = "{set_mirror: {percent: 50}}, {set_weight: 5}, {set_weight: 50}, {set_weight: 100}"
DONE = [("begun", 0), ("step", 1), ("step", 2), ("step", 3), ("step", 4), ("completed", 4)]
PAUSED = (
    "{set_weight: 5}, {pause: {}}, {set_weight: 50}, {pause: {duration: 1s}}, {set_stage: live}"
)


@pytest.fixture
def facade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    shell = Shell(tmp_path, capsys)
    monkeypatch.chdir(tmp_path)
    shell.routes.write_text(table(PAUSED))
    return shell


def killed(tmp_path: Path, stride: int) -> int:
    """Check every run that was killed. Returns how many there were."""
    template = tmp_path / "template"
    template.mkdir()
    (template / "routes.yaml").write_text(table(STEPS))
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.killed_rollout", str(tmp_path), str(stride)],
        cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    count = int(done.stdout)
    for number in range(count):
        routes = tmp_path / str(number * stride) / "routes.yaml"
        took_effect = [each for each in marks_in_effect(routes) if each[0] != "begun"]
        assert took_effect == DONE[1:], number
        assert "legacy: 0, new: 100" in routes.read_text()
        assert faults(routes)[0] == 0
        shutil.rmtree(routes.parent)
    return count


def marks_in_effect(routes: Path) -> list[tuple[str, int]]:
    from proxy.control.history.entries import carried_out
    from proxy.control.rollout_mark import RolloutMark

    return [
        (entry.rollout.event, entry.rollout.step)
        for entry in carried_out(load_history(routes).entries)
        if isinstance(entry.rollout, RolloutMark)
    ]


def test_a_runner_that_is_killed_takes_each_step_once(tmp_path: Path) -> None:
    assert killed(tmp_path, 11) > 10


@pytest.mark.soak
def test_a_runner_that_is_killed_anywhere_takes_each_step_once(tmp_path: Path) -> None:
    count = killed(tmp_path, 1)
    print(f"killed {count} times")
    assert count > 100


@pytest.mark.parametrize("size", [2_000, 3_500])
def test_a_full_disk_stops_the_runner_and_no_step_is_lost(size: int, tmp_path: Path) -> None:
    """The limit of a file's size stands for the disk: a write past it fails half-way."""
    routes = tmp_path / "routes.yaml"
    routes.write_text(table(STEPS))
    command = [sys.executable, "-m", "proxy", "rollout", "run", "r", "--routes", str(routes)]
    limits = (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    full = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )  # fmt: skip
    assert full.returncode == 2
    assert "cannot be written (File too large)" in full.stderr
    assert cli.main(command[3:]) == 0
    assert marks_in_effect(routes) == DONE
    assert weights(load_history(routes).entries) == [5, 50, 100]


def test_a_second_runner_names_the_first_one_and_ends(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(table(PAUSED))
    command = [sys.executable, "-m", "proxy", "rollout", "run", "r", "--routes", str(routes)]
    with subprocess.Popen(
        [*command, "--wait"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as first:
        try:
            assert first.stdout is not None
            while "paused" not in first.stdout.readline():
                assert first.poll() is None
            second = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
            )
            assert second.returncode == 2
            assert second.stderr == (
                f"the rollout of r is run by process {first.pid} on {socket.gethostname()}\n"
            )
        finally:
            first.kill()
            first.wait()
    third = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert third.returncode == 5


# --- pause, promote, abort ------------------------------------------------------------------


def test_a_pause_lasts_until_a_person_promotes(facade: Shell) -> None:
    assert facade("rollout run r") == 5
    assert facade("rollout run r") == 5
    assert "step 2 of 5 (pause): a person has to promote it" in facade.out
    assert facade("rollout resume r") == 2
    assert facade("rollout promote r --reason reviewed") == 0
    assert facade("rollout pause r") == 0
    assert facade("rollout run r") == 5
    assert facade("rollout resume r") == 0
    assert facade("rollout abort r") == 0
    assert facade("rollout run r") == 4
    assert "stage: shadow" in facade.routes.read_text()
    assert facade("rollout promote r") == 2
    assert facade.err == ("no rollout of r is in progress: `facade rollout run r` begins one\n")


def test_a_runner_that_waits_goes_on_after_a_promotion(facade: Shell) -> None:
    statuses: list[int] = []
    words = [
        "rollout",
        "run",
        "r",
        "--wait",
        "--json",
        "--admin",
        "127.0.0.1:1",
        "--routes",
        str(facade.routes),
    ]
    runner = threading.Thread(target=lambda: statuses.append(cli.main(words)))
    runner.start()
    deadline = time.monotonic() + 60
    while marks(facade.routes)[-1:] != [("step", 1)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert facade("rollout promote r") == 0
    runner.join(60)
    assert statuses == [0]
    assert "stage: live" in facade.routes.read_text()


def test_the_json_of_a_runner_has_one_object_a_line(facade: Shell) -> None:
    assert facade("rollout run r --json") == 5
    lines = facade.out.splitlines()
    assert [re.sub(r'"at":"[^"]*"', '"at":"T"', line) for line in lines] == [
        '{"at":"T","route":"r","event":"step","step":1,"weight":5.0,"stage":"canary","metrics":[]}',
        '{"at":"T","route":"r","event":"paused","step":2,"weight":5.0,"stage":"canary","metrics":[]}',
    ]


def test_the_status_says_what_comes_next(facade: Shell) -> None:
    assert facade("rollout status r") == 0
    assert facade.out == "r: shadow 0 %\nits rollout of 5 steps has not begun\n"
    facade("rollout run r")
    assert facade.json("rollout status r") == {
        "route": "r", "stage": "canary", "event": "step", "step": 2, "steps": 5,
        "reason": "step 1 of 5 (set_weight 5)",
    }  # fmt: skip
    assert facade("rollout status r") == 0
    assert facade.out.endswith("next: step 2 of 5 (pause)\n")


def by_hand(old: str, new: str) -> Callable[[Shell], None]:
    return lambda facade: void(
        facade.routes.write_text(facade.routes.read_text().replace(old, new))
    )


def void(_: object) -> None:
    return None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (by_hand("legacy: 95, new: 5", "legacy: 70, new: 30"), "somebody else has changed route r: it was canary 5 % after step 1, and is canary 30 % now"),
        (lambda facade: void(facade("shift r new=20")), "somebody else has changed route r"),
        (lambda facade: void(facade("rollback r")), "somebody else has changed route r"),
        (by_hand("set_weight: 50", "set_weight: 60"), "somebody has changed the steps of route r"),
        (lambda facade: void(facade("rollback --all")), "the kill switch is on"),
        (by_hand("version: 1", "version: 2"), "the table does not load"),
    ],
)  # fmt: skip
def test_a_change_by_somebody_else_pauses_the_rollout(
    change: Callable[[Shell], None], reason: str, facade: Shell
) -> None:
    assert facade("rollout run r") == 5
    change(facade)
    before = facade.routes.read_bytes()
    assert facade("rollout run r") == 5
    assert reason in facade.out + facade.err
    assert facade.routes.read_bytes() == before


def test_a_promotion_goes_on_from_what_was_changed_by_hand(facade: Shell) -> None:
    facade("rollout run r")
    facade("shift r new=20")
    assert facade("rollout promote r") == 0
    assert facade("rollout run r --admin 127.0.0.1:1") == 0
    assert weights(load_history(facade.routes).entries) == [5, 20, 50, 100]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (table(PAUSED).replace("    stage: shadow\n", "    stage: live\n").replace("100, new: 0", "0, new: 100"), "route r is live already: there is nothing to roll out\n"),
        (table(PAUSED).replace("stage: shadow", "stage: canary").replace("100, new: 0", "70, new: 30"), "step 1 sets weight 5, and route r is at 30 already: bring it to its beginning with `facade shift`, or leave the step out\n"),
        (table(PAUSED)[: table(PAUSED).index("    rollout:")], "route r has no `rollout`: write its steps into the table\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_rolled_out_is_refused(text: str, sentence: str, facade: Shell) -> None:
    facade.routes.write_text(text)
    assert facade("rollout run r") == 2
    assert facade.err == sentence
    assert facade.routes.read_text() == text


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a:b"])
def test_an_address_that_is_none_is_refused(url: str, facade: Shell) -> None:
    with pytest.raises(SystemExit):
        facade(f"rollout run r --admin {url}")


def test_an_unknown_route_is_refused(facade: Shell) -> None:
    assert facade("rollout run no") == 2
    assert facade.err == "there is no route `no` in the table any more\n"


def test_a_lock_survives_no_process(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(table(PAUSED))
    for _ in range(2):
        assert cli.main(["rollout", "run", "r", "--routes", str(routes)]) == 5
    assert os.listdir(tmp_path).count(".routes.yaml.rollout-r.lock") == 1
