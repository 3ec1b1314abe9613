"""Edits that are refused, and files that cannot be written: a sentence each, and nothing lost."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.control.changes import Changes
from proxy.control.history.entries import NewEntry, version_of
from proxy.control.history.file import open_history
from tests.integration.edits import CANARY, ROOT, TWENTY, Shell


@pytest.fixture
def facade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capsys)


# --- refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("shift rr new=20", "there is no route `rr`: did you mean `r`?"),
        ("shift r nev=20", "route r has no backend `nev`: did you mean `new`?"),
        ("shift r new", "`new` is no weight: write BACKEND=WEIGHT, like flightspecials=20"),
        (
            "shift r new=200",
            "`200` is no weight: write a number from 0 to 100 with at most two decimals",
        ),
        ("shift r new=5 new=6", "backend `new` is given twice"),
        ("shift r new=5 legacy=6", "the weights sum to 11: route r has legacy, new"),
        ("shift rest legacy=5", "route rest has one backend, so there is nothing to shift"),
        ("stage r canari", "there is no stage `canari`: did you mean `canary`?"),
        ("stage rr live", "there is no route `rr`: did you mean `r`?"),
        ("stage r live --weight 5", "--weight is for canary alone"),
        ("rollback", "name one route, or --all: "),
        ("rollback r --all", "name one route, or --all: "),
        ("rollback rr", "there is no route `rr`: did you mean `r`?"),
        ("rollback r", "no earlier state of r is recorded"),
        ("revert zzz", "no version in the history begins with `zzz`: `facade history` lists them"),
        ("shift r new=20 --if-version 000000", "routes.yaml is at version "),
        ("shift r new=20 --routes no.yaml", "there is no file "),
        ("history --routes no.yaml", "facade: "),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(facade: Shell, line: str, sentence: str) -> None:
    assert facade(line) == 2
    assert facade.err.startswith(sentence)
    assert facade.err.count("\n") == 1
    assert facade.routes.read_text() == CANARY


@pytest.mark.parametrize("option", ["--reason", "--who"])
@pytest.mark.parametrize("text", ["two\nlines", "\x1b[31mred", "x" * 501])
def test_what_goes_into_the_history_is_one_line(facade: Shell, option: str, text: str) -> None:
    assert facade("shift r new=20", option, text) == 2
    assert facade.err == f"{option} takes one line of at most 500 characters\n"


def test_an_edit_for_another_version_is_refused(facade: Shell) -> None:
    assert facade("shift r new=20 --if-version", facade.version[:6].upper()) == 0
    assert facade("shift r new=30 --if-version", version_of(CANARY.encode())) == 2
    assert "look at what changed (`facade history`), then run it again" in facade.err


def test_a_version_has_to_be_named_without_doubt(facade: Shell) -> None:
    versions = {facade.version}
    share = 5
    while len({version[0] for version in versions}) == len(versions):
        share += 1
        facade(f"shift r new={share}")
        versions.add(facade.version)
    twice = facade.version[0]
    assert facade("revert", twice) == 2
    assert facade.err.startswith(f"several versions begin with `{twice}`: ")


def test_a_version_that_no_longer_loads_is_refused_with_its_problems(facade: Shell) -> None:
    facade("shift r new=20")
    broken = b"version: 2\n"
    with open_history(facade.routes, 1) as log:
        log.append(NewEntry("alice", "shift", Changes(), broken), 0)
    assert facade("revert", version_of(broken)) == 2
    assert facade.err.startswith(f"version {version_of(broken)} does not load any more")
    assert f"routes.yaml@{version_of(broken)}:1:" in facade.err
    assert facade.routes.read_text() == TWENTY


def test_a_table_that_does_not_load_is_only_reverted_and_only_by_force(facade: Shell) -> None:
    facade("shift r new=20")
    good = facade.version
    facade.routes.write_text("routes: [")
    for line in ("shift r new=30", "stage r live", "rollback r"):
        assert facade(line) == 2
        assert facade.err.startswith(
            "the table does not load, and nothing was written:\nroutes.yaml:"
        )
    assert facade("rollback --all") == 2
    assert f"`facade revert {good} --force && facade rollback --all`" in facade.err
    assert facade("history") == 0
    assert "routes.yaml as it is now does not load, so it is not recorded" in facade.err
    assert facade("revert", good) == 2
    assert "add --force" in facade.err
    assert facade.routes.read_text() == "routes: ["
    assert facade("revert --force", good) == 0
    assert facade.routes.read_text() == TWENTY
    assert facade("rollback --all") == 0


def test_there_is_no_history_yet_of_a_table_that_does_not_load(facade: Shell) -> None:
    facade.routes.write_text("routes: [")
    assert facade("history") == 0
    assert facade.out == "there is no history of routes.yaml yet\n"
    assert facade("rollback --all") == 2
    assert "Mend it first:" in facade.err


# --- files ----------------------------------------------------------------------------------


def test_mode_and_owner_stay_and_the_history_has_them_too(facade: Shell) -> None:
    os.chmod(facade.routes, 0o640)
    if os.geteuid() == 0:
        os.chown(facade.routes, 4321, 1234)
    before = os.stat(facade.routes)
    assert facade("shift r new=20") == 0
    for path in (facade.routes, facade.folder / "routes.yaml.history.jsonl"):
        now = os.stat(path)
        assert (now.st_uid, now.st_gid) == (before.st_uid, before.st_gid)
        assert now.st_mode & 0o777 == 0o640
    assert os.stat(facade.routes).st_ino != before.st_ino
    assert sorted(os.listdir(facade.folder)) == [
        ".routes.yaml.checked",
        "routes.yaml",
        "routes.yaml.history.jsonl",
    ]


UNPRIVILEGED = """
import fcntl, os, sys
from proxy import cli
from proxy.cli import rollback, shift
cli.parse(sys.argv[1:])  # Imports the rest of the library, which another user may not be able to read.
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
status = cli.main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""


def _read_only_file(folder: Path) -> Path:
    """In a folder that anybody may write: a rename would get past the file's own mode."""
    folder.chmod(0o777)
    path = folder / "routes.yaml"
    path.chmod(0o444)
    return path


def _read_only_folder(folder: Path) -> Path:
    folder.chmod(0o555)
    return folder / "routes.yaml"


def _config_map(folder: Path) -> Path:
    """As the kubelet lays it out: routes.yaml -> ..data/routes.yaml, ..data -> ..2026."""
    (folder / "..2026").mkdir()
    (folder / "routes.yaml").rename(folder / "..2026" / "routes.yaml")
    (folder / "..data").symlink_to("..2026")
    (folder / "routes.yaml").symlink_to("..data/routes.yaml")
    (folder / "..2026").chmod(0o555)
    return folder / "routes.yaml"


@pytest.mark.parametrize("line", ["shift r new=20", "rollback --all"])
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_read_only_file, "is read-only for you: nothing was written"),
        (_read_only_folder, "is read-only for you: nothing was written"),
        (_config_map, "comes from a Kubernetes ConfigMap, which is read-only: edit the ConfigMap"),
    ],
)
def test_where_nothing_can_be_written_one_sentence_says_so(
    line: str, make: Callable[[Path], Path], sentence: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "routes.yaml").write_text(CANARY)
        folder.chmod(0o755)
        routes = make(folder)
        command = [sys.executable, "-c", UNPRIVILEGED, *line.split(), "--routes", str(routes)]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
        for path in (folder, *folder.glob("..2026")):
            path.chmod(0o755)
        assert run.returncode == 2
        assert run.stderr.endswith(f"{sentence}\n")
        assert run.stderr.count("\n") == 1
        assert routes.read_text() == CANARY
        assert not list(folder.rglob("*.jsonl"))
