"""`facade plan` and `facade init`: tables and recorded traffic."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.control.replay.recorded_requests import MAX_LINE_BYTES
from proxy.errors import FacadeError
from tests.integration.commands import SHIFTED, TABLE, facade, log, logged_request, written

pytestmark = pytest.mark.usefixtures("in_folder")


def test_plan_tells_what_is_asked_otherwise_and_by_another_route(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = TABLE.replace("name: rest", "name: remainder").replace("80, new: 20", "50, new: 50")
    rewrite = "[{name: legacy, url_rewrite: {path: {replace_full_path: /}}}]"
    other = other.removesuffix(other[other.index("    backend_refs: legacy") :])
    new = written("new.yaml", f"{other}    backend_refs: {rewrite}\n")
    assert (
        facade(
            "plan", "routes.yaml", new, "--traffic", log(logged_request("/x"), logged_request("/y"))
        )
        == 0
    )
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "0 of 2 recorded requests change backend",
        "2 keep their backend, but ask it another path or host.",
        "2 keep their backend, but reach it by another route.",
    ]
    assert "recorded under other tables than the old one" in shown.err


@pytest.mark.parametrize(
    ("expect", "status"),
    [
        ((), 0),
        (("--expect", "list"), 0),
        (("--expect", "legacy:new"), 0),
        (("--expect", "new->legacy"), 3),
        (("--expect", "none"), 3),
    ],
)
def test_plan_fails_for_moves_that_are_not_expected(
    expect: Sequence[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic = log(
        logged_request(bucket=10),
        logged_request(bucket=30),
        logged_request("/x\x1b[2J", bucket=30),
        "{",
    )
    new = written("new.yaml", SHIFTED)
    assert facade("plan", "routes.yaml", new, "--traffic", traffic, *expect) == status
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0] == "1 of 3 recorded requests change backend"
    assert lines[3].split()[:6] == ["1", "33.33", "%", "list", "legacy", "new"]
    assert "  GET h/list (bucket 30)" in lines
    assert "line 4: Input data was truncated" in shown.err
    assert "\x1b" not in shown.out


def test_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "plan",
        "routes.yaml",
        written("new.yaml", SHIFTED),
        "--traffic",
        log(logged_request()),
    )
    assert facade(*words, "--json", "--expect", "none") == 3
    printed = json.loads(capsys.readouterr().out)
    assert (printed["requests"], printed["moved"], printed["unexpected"]) == (1, 1, 1)
    assert printed["moves"][0] == {
        "old_route": "list",
        "new_route": "list",
        "from": "legacy",
        "to": "new",
        "requests": 1,
        "expected": False,
        "examples": ["GET h/list (bucket 30)"],
    }


def test_a_line_without_end_is_skipped_in_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * (3 * MAX_LINE_BYTES + 7)
    traffic = log(long, logged_request(), "y" * MAX_LINE_BYTES)
    assert facade("plan", "routes.yaml", "routes.yaml", "--traffic", traffic, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["lines"], printed["requests"], printed["unusable_lines"]) == (3, 1, 2)


def test_init_makes_a_table_that_check_takes(capsys: pytest.CaptureFixture[str]) -> None:
    traffic = log(
        *(logged_request(f"/tb/list/{n}") for n in range(3)),
        logged_request("/tb/page", method="POST"),
    )
    words = ("init", "--from", traffic, "--incumbent", "old=http://monolith:80")
    assert facade(*words) == 0
    assert "- name: list" in capsys.readouterr().out
    assert facade(*words, "-o", "made.yaml") == 0
    assert "/tb/list  3         75.00 %" in capsys.readouterr().out
    assert facade("check", "made.yaml", "--strict") == 0
    capsys.readouterr()
    assert facade(*words, "--newcomer", "new=unix:/run/new.sock", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["seams"][0]["prefix"] == "/tb/list"
    assert facade("check", written("made2.yaml", printed["table"])) == 0


def test_init_writes_through_no_link() -> None:
    Path("link.yaml").symlink_to("elsewhere.yaml")
    with pytest.raises(FacadeError, match="is there already"):
        facade("init", "--from", log(logged_request()), "-o", "link.yaml")
    assert not Path("elsewhere.yaml").exists()


def test_init_leaves_an_existing_file_alone() -> None:
    with pytest.raises(FacadeError, match="is there already"):
        facade("init", "--from", log(logged_request()), "-o", "routes.yaml")
    assert Path("routes.yaml").read_text() == TABLE


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--from", "missing.jsonl"), "name an access log"),
        (
            ("--from", "routes.yaml"),
            "each line has to be a JSON object with method, host and target",
        ),
        (("--from", "x", "--incumbent", "legacy"), "write NAME=URL"),
        (("--from", "x", "--incumbent", "a b=http://h"), "write NAME=URL"),
        (("--from", "x", "--newcomer", "new=ftp://h"), "ftp"),
        (("--from", "x", "--newcomer", "legacy=http://h"), "has this name already"),
    ],
)
def test_init_says_what_it_needs(words: Sequence[str], sentence: str) -> None:
    with pytest.raises(FacadeError, match=sentence):
        facade("init", *words)
