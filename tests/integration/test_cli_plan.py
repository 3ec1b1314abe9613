"""`facade plan`: two tables and recorded traffic."""

import json
from collections.abc import Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from proxy.control.replay.log_reader import MAX_LINE_BYTES
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
    assert "  access.jsonl, line 4: Input data was truncated" in shown.err
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


def test_plan_reads_the_log_of_another_server(capsys: pytest.CaptureFixture[str]) -> None:
    by_host = TABLE.replace("match: {path", "match: {hosts: [www.example], path")
    old = written(
        "old.yaml", by_host.replace("path: /list/1}", "path: /list/1, host: www.example}")
    )
    new = written("new.yaml", Path(old).read_text().replace("80, new: 20", "10, new: 90"))
    traffic = log(*(f'192.0.2.1 - - [t] "GET /list/{n} HTTP/1.1" 200 5' for n in range(10)), "-")
    assert facade("plan", old, new, "--traffic", traffic) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "0 of 10 recorded requests change backend"
    assert "give their host with --host" in shown.err
    assert "  access.jsonl, line 11: it is in no known format" in shown.err
    assert facade("plan", old, new, "--traffic", traffic, "--host", "www.example") == 0
    assert capsys.readouterr().out.splitlines()[0] == "7 of 10 recorded requests change backend"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--traffic", "routes.yaml"), "routes.yaml holds no request to go by"),
        (("--traffic", "access.jsonl", "--host", "a b"), "write a name like www.example.com"),
    ],
)
def test_plan_says_what_it_needs(words: Sequence[str], sentence: str) -> None:
    log(logged_request())
    with pytest.raises(FacadeError, match=sentence):
        facade("plan", "routes.yaml", "routes.yaml", *words)


def test_a_stopped_plan_shows_what_it_has(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin(BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise KeyboardInterrupt
            return super().read1(size)

        def peek(self, _size: int) -> bytes:
            return self.getvalue()

    text = json.dumps(logged_request()) + "\n"
    monkeypatch.setattr("sys.stdin", TextIOWrapper(Stdin(text.encode())))
    assert facade("plan", "routes.yaml", written("new.yaml", SHIFTED), "--traffic", "-") == 130
    assert capsys.readouterr().out.splitlines()[:2] == [
        "Stopped after 1 lines. So far:",
        "1 of 1 recorded requests change backend",
    ]
