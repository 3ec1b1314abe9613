"""`facade ledger` on real logs: of the facade, of a web server, stored and read again."""

import json
from pathlib import Path

import pytest

from proxy import cli
from tests.integration.commands import facade, log, logged_request, written

pytestmark = pytest.mark.usefixtures("in_folder")
TIME = "2026-11-30T10:00:0{}.000001Z"
COMMON = '10.0.0.9 - - [29/Sep/2026:10:00:0{} +0200] "GET /old/{} HTTP/1.1" 200 5\n'


def lines(count: int = 3) -> list[dict[str, object]]:
    return [
        logged_request(f"/list/{n}", backend="legacy", time=TIME.format(n), client="10.0.0.1")
        for n in range(1, count + 1)
    ]


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_both_kinds_of_logs_are_counted_and_old_endpoints_are_safe_to_delete(
    capsys: pytest.CaptureFixture[str],
) -> None:
    web = written("access.log", "".join(COMMON.format(n, n) for n in range(3)))
    known = written("endpoints.txt", "GET /list/{id}\nGET /reports/{year}\n")
    ran = facade("ledger", "--from", log(*lines()), web, "--endpoints", known)
    printed = capsys.readouterr().out
    assert ran == 0
    assert "2026-09-29T08:00:00 to 2026-11-30T10:00:03 (62.08 days)" in printed
    used, unused = printed.split("safe to delete there:")
    assert "GET /list/{number}" in used
    assert "canary" in used
    assert "private 3" in used
    assert "GET /old/{number}" in unused
    assert "In --endpoints, and never asked for:\n  GET /reports/{year}" in unused


def test_a_stored_ledger_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("ledger", "--state", "ledger.json", "--json", "--from")
    assert facade(*words, log(*lines(2))) == 0
    assert shown(capsys)["requests"] == 2
    assert facade(*words, log(*lines(4))) == 0
    found = shown(capsys)
    assert (found["requests"], found["skipped"]) == (2, 2)
    used = found["used"]
    assert isinstance(used, list)
    assert [each["monolith"] for each in used] == [4]
    assert [path.name for path in Path().glob("*ledger*")] == ["ledger.json"]


def test_text_of_a_log_cannot_manipulate_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = logged_request(
        "/\x1b[2J/<b>", time=TIME.format(1), method="\x1b[31m", backend="legacy"
    )
    assert facade("ledger", "--from", log(hostile)) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--monolith", "nobody"), "the table has no such backend"),
        (("--caller", "x"), "write NAME=NETWORK"),
        (("--state", "routes.yaml"), "is no ledger"),
        (("--state", "no/where.json"), "name a file that can be written"),
        (("--endpoints", "missing"), "name a file that can be read"),
        (("--routes", "missing.yaml"), "name the route table's file"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ledger", "--from", log(*lines()), *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_a_bad_number_of_days_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        facade("ledger", "--from", log(*lines()), "--quiet", "0")
    assert "1 to 3650" in capsys.readouterr().err


def test_a_log_without_requests_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ledger", "--from", written("empty", "")]) == 2
    assert "no request to go by" in capsys.readouterr().err
