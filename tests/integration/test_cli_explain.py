"""`facade explain` and `facade routes`, on a file."""

import json
from collections.abc import Sequence

import pytest

from proxy.cli.output import safe
from tests.integration.commands import TABLE, facade, written

pytestmark = pytest.mark.usefixtures("in_folder")


def test_explain_tells_both_ways_of_a_drawn_route(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("explain", "GET", "http://h.example/list/1", "-H", "x-a: 1") == 0
    shown = capsys.readouterr().out
    assert "backend  new (draw), 20 % of its requests: buckets from 0 to below 20" in shown
    assert "backend  legacy (draw), 80 %" in shown
    assert "asks     GET http://127.0.0.1:8081/list/1" in shown
    assert "x-a: 1" in shown
    assert "rest   holds, but list goes first" in shown


OWN = """\
version: 1
kill_switch: true
backends: {legacy: http://127.0.0.1:1, two: {endpoints: [http://127.0.0.1:2, http://127.0.0.1:3]}}
routes:
  - {name: gone, match: {path: {exact: /gone}}, direct_response: {status: 410}}
  - {name: home, match: {path: {exact: /home}}, redirect: {status: 308, path: /x}}
  - name: list
    stage: canary
    match: {path: {prefix: /list}}
    backend_refs: {two: 80, legacy: 20}
"""


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("GET", "/gone"), ["answer   410, by the facade itself (direct_response)"]),
        (
            ("GET", "/home"),
            ["answer   308, by the facade itself (redirect)", "headers  location: /x"],
        ),
        (("GET", "/other"), ["answer   404 no_route, by the facade itself"]),
        (("GET", "/list%2F../gone"), ["reading  /gone leads to gone"]),
        (
            ("GET", "/list"),
            [
                "         the kill switch is on",
                "backend  two (kill_switch)",
                "or       GET http://127.0.0.1:3/list",
            ],
        ),
        (
            ("PUT", "/list", "-H", "content-length: 1", "-H", "transfer-encoding: chunked"),
            [
                "answer   400: Content-Length and Transfer-Encoding contradict each other (RFC 9112 6.1)"
            ],
        ),
    ],
)
def test_explain_shows_local_replies(
    words: Sequence[str], lines: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert facade("explain", *words, "--routes", written("own.yaml", OWN)) == 0
    shown = capsys.readouterr().out.splitlines()
    for line in lines:
        assert line in shown


def test_routes_shows_local_replies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert facade("routes", "--routes", written("own.yaml", OWN)) == 0
    shown = capsys.readouterr().out
    for text in ("answer 410", "redirect 308", "The kill switch is on"):
        assert text in shown


def test_explain_shows_the_nearest_of_many(capsys: pytest.CaptureFixture[str]) -> None:
    more = "".join(
        f"  - {{name: r{n}, match: {{path: {{exact: /r{n}}}}}, backend_refs: legacy}}\n"
        for n in range(50)
    )
    file = written("many.yaml", TABLE.replace("  - name: rest\n", f"{more}  - name: rest\n"))
    assert facade("explain", "GET", "/list", "--routes", file) == 0
    few = capsys.readouterr().out
    assert "and 41 more; --all shows them" in few
    assert "holds, but list goes first" in few
    assert facade("explain", "GET", "/list", "--routes", file, "--all") == 0
    assert "r49 " in capsys.readouterr().out


def test_nothing_that_is_asked_can_draw_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert facade("explain", "GET", "/list?\x1b[31m\u202e\x07", "-H", "x: \x9b2J") == 0
    shown = capsys.readouterr().out
    assert "/list?\\x1b[31m\\u202e\\x07" in shown
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert facade("explain", "GET", "/list?\x1b\x7f\x9b", "--json") == 0
    printed = capsys.readouterr().out
    assert "\\u001b\\u007f\\u009b" in printed
    assert all(each.isprintable() or each == "\n" for each in printed)


@pytest.mark.parametrize("text", ["a\nb", "\x00", "\x7f", "\x85", "\u2028", "\u200f", "\udc80"])
def test_what_cannot_be_printed_is_escaped(text: str) -> None:
    assert safe(text).isprintable()
    assert safe(text) != text
    assert safe("Ünïcode 한") == "Ünïcode 한"


def test_routes_shows_a_table_as_people_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("routes") == 0
    assert capsys.readouterr().out.splitlines() == [
        "route  takes                                     stage   goes to",
        "list   path prefix /list, method GET or OPTIONS  canary  legacy 80 %, new 20 %",
        "rest   everything                                -       legacy",
        "",
        "routes.yaml: 2 routes",
    ]
    assert facade("routes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["table"][0]["backends"] == {"legacy": 80, "new": 20}


def test_the_match_that_took_the_request_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "version: 1\nbackends: {legacy: http://h:1}\nroutes:\n- name: several\n"
        "  match: [{path: {prefix: /a}}, {path: {prefix: /b}, scheme: https}]\n  backend_refs: legacy\n"
    )
    file = written("several.yaml", text)
    assert facade("explain", "--routes", file, "GET", "https://h/b/c") == 0
    assert "line 4, match 2 of 2, takes path prefix /b, scheme https" in capsys.readouterr().out
