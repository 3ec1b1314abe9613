"""The commands that read: their exit status, what they print, and where."""

import argparse
import asyncio
import importlib
import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
import yaml

from proxy.cli import parse
from proxy.cli.output import safe
from proxy.control.replay.recorded_requests import MAX_LINE_BYTES
from proxy.errors import FacadeError
from tests.integration.running import answering, backend, ok, running

ROOT = Path(__file__).parents[2]
COMMANDS = ("check", "explain", "init", "plan", "routes", "schema")
TABLE = """\
version: 1
backends:
  legacy: http://127.0.0.1:8082
  new: http://127.0.0.1:8081
routes:
  - name: list
    stage: canary
    match: {path: {prefix: /list}, methods: [GET]}
    backend_refs: {legacy: 80, new: 20}
    retry: {attempts: 2}
  - name: rest
    backend_refs: legacy
tests:
  - {name: t, input: {path: /list/1}, expect: {route: list}}
"""
SHIFTED = TABLE.replace("80, new: 20", "50, new: 50")
WARNED = TABLE.replace("[GET]", "[FETCH]").replace("route: list", "route: rest")
BROKEN = TABLE.replace("new: 20", "new: 30").replace("retry", "retri")

pytestmark = pytest.mark.usefixtures("in_folder")


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("routes.yaml").write_text(TABLE)


def facade(*words: str) -> int:
    """One command, as `main` runs it."""
    arguments = parse(words)
    return int(arguments.run(arguments))


def written(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def log(*lines: dict[str, object] | str) -> str:
    texts = (each if isinstance(each, str) else json.dumps(each) for each in lines)
    return written("access.jsonl", "".join(f"{text}\n" for text in texts))


def asked(target: str = "/list", bucket: float = 30.0, **more: object) -> dict[str, object]:
    return {"method": "GET", "host": "h", "target": target, "bucket": bucket, "status": 200, **more}


# --- check -----------------------------------------------------------------------------------------


def test_a_good_table_is_summed_up_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("check") == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "routes.yaml: fine: 2 routes, 1 test, coverage 50 %",
        "routes.yaml: not obeyed yet: routes[list].retry",
    ]
    assert shown.err == ""


def test_every_problem_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("check", written("bad.yaml", BROKEN)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    places = [line.partition(": ")[0] for line in shown.err.splitlines()]
    assert places == ["bad.yaml:9:19", "bad.yaml:10:5", "bad.yaml"]
    assert " — did you mean `retry`?" in shown.err
    assert "\x1b" not in shown.err


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--strict",), 1)])
def test_warnings_fail_only_where_it_is_asked_for(
    options: Sequence[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert facade("check", written("w.yaml", WARNED), *options) == status
    shown = capsys.readouterr()
    assert "w.yaml:8:46: warning: the method `FETCH`" in shown.err
    assert "1 warning" in shown.out


def test_an_accepted_difference_that_has_expired_is_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = '{path: "$.a", reason: r, owner: web, expires: "%s"}'
    entries = f"{entry % '2001-02-03'}, {entry % '9999-01-01'}"
    mirror = f"mirror: {{compare: {{body: {{ignore: [{entries}]}}}}}}"
    text = TABLE.replace("retry: {attempts: 2}", mirror)
    assert facade("check", written("e.yaml", text), "--strict") == 1
    (line,) = capsys.readouterr().err.splitlines()
    column = text.splitlines()[9].index('"2001') + 1
    assert line == (
        f"e.yaml:10:{column}: warning: the accepted difference at $.a expired on 2001-02-03: "
        "it counts again — mend it, or ask web for a later day"
    )


def test_the_long_form_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("check", "--expand") == 0
    long = capsys.readouterr().out
    assert "weight: 80" in long
    assert facade("check", written("long.yaml", long)) == 0


def test_check_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("check", "--json") == 0
    good = json.loads(capsys.readouterr().out)
    assert (good["ok"], good["routes"], good["uncovered"]) == (True, 2, ["rest"])
    assert facade("check", "--json", written("bad.yaml", BROKEN)) == 2
    bad = json.loads(capsys.readouterr().out)
    assert not bad["ok"]
    assert bad["problems"][0]["line"] == 9


@pytest.mark.parametrize("file", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_gets_one_sentence(file: str) -> None:
    with pytest.raises(FacadeError, match="name the route table's file") as raised:
        facade("check", file)
    assert "\n" not in str(raised.value)


# --- schema ----------------------------------------------------------------------------------------


def test_the_schema_takes_a_good_table_and_refuses_a_bad_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert facade("schema") == 0
    made = json.loads(capsys.readouterr().out)
    validator = jsonschema.Draft202012Validator(made)
    assert list(validator.iter_errors(yaml.safe_load(TABLE))) == []
    assert list(validator.iter_errors(yaml.safe_load(BROKEN))) != []


def test_the_schema_that_is_shipped_is_up_to_date() -> None:
    assert facade("schema", "-o", "made.json") == 0
    shipped = ROOT / "docs" / "routes.schema.json"
    assert Path("made.json").read_text() == shipped.read_text(), (
        "write it anew: facade schema -o docs/routes.schema.json"
    )


# --- explain and routes ------------------------------------------------------------------------------


def test_explain_tells_both_ways_of_a_drawn_route(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("explain", "GET", "http://h.example/list/1", "-H", "x-a: 1") == 0
    shown = capsys.readouterr().out
    assert "backend  new (draw), 20 % of its requests: buckets from 0 to below 20" in shown
    assert "backend  legacy (draw), 80 %" in shown
    assert "asks     GET http://127.0.0.1:8081/list/1" in shown
    assert "x-a: 1" in shown
    assert "rest   holds, but list goes first" in shown
    assert "not obeyed yet: retry" in shown


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
def test_explain_tells_what_the_facade_answers_by_itself(
    words: Sequence[str], lines: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert facade("explain", *words, "--routes", written("own.yaml", OWN)) == 0
    shown = capsys.readouterr().out.splitlines()
    for line in lines:
        assert line in shown


def test_routes_tells_what_the_facade_answers_by_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert facade("routes", "--routes", written("own.yaml", OWN)) == 0
    shown = capsys.readouterr().out
    for text in ("answer 410", "redirect 308", "The kill switch is on"):
        assert text in shown


def test_plan_tells_what_is_asked_otherwise_and_by_another_route(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = TABLE.replace("name: rest", "name: remainder").replace("80, new: 20", "50, new: 50")
    rewrite = "[{name: legacy, url_rewrite: {path: {replace_full_path: /}}}]"
    other = other.removesuffix(other[other.index("    backend_refs: legacy") :])
    new = written("new.yaml", f"{other}    backend_refs: {rewrite}\n")
    assert facade("plan", "routes.yaml", new, "--traffic", log(asked("/x"), asked("/y"))) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "0 of 2 recorded requests change backend",
        "2 keep their backend, but ask it another path or host.",
        "2 keep their backend, but reach it by another route.",
    ]
    assert "recorded under other tables than the old one" in shown.err


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
    said = capsys.readouterr().out
    assert "\\u001b\\u007f\\u009b" in said
    assert all(each.isprintable() or each == "\n" for each in said)


@pytest.mark.parametrize("said", ["a\nb", "\x00", "\x7f", "\x85", "\u2028", "\u200f", "\udc80"])
def test_what_cannot_be_printed_is_escaped(said: str) -> None:
    assert safe(said).isprintable()
    assert safe(said) != said
    assert safe("Ünïcode 한") == "Ünïcode 한"


def test_routes_shows_a_table_as_people_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert facade("routes") == 0
    assert capsys.readouterr().out.splitlines() == [
        "route   takes                          stage   goes to",
        "list *  path prefix /list, method GET  canary  legacy 80 %, new 20 %",
        "rest    everything                     -       legacy",
        "",
        "routes.yaml: 2 routes",
        "* list: not obeyed yet: retry",
    ]
    assert facade("routes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["table"][0]["backends"] == {"legacy": 80, "new": 20}


async def test_a_running_facade_explains_by_the_table_in_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with backend(answering(ok(b"hi"))) as legacy:
        folder = tmp_path / "live"
        folder.mkdir()
        table = TABLE.replace("http://127.0.0.1:8082", legacy.url)
        async with running(table, folder) as served:
            live = f"--live=http://{served.admin}"
            words = ("GET", "/list?a=b c", "-H", "x-a: ü", "--bucket", "99")
            assert await asyncio.to_thread(facade, "explain", *words, live, "--json") == 0
            said = json.loads(capsys.readouterr().out)
            assert (said["route"], said["ways"][0]["backend"]) == ("list", "legacy")
            assert said["target"] == "/list?a=b c"
            assert ["x-a", "ü"] in said["ways"][0]["headers"]
            assert said["table"] == served.facade.table.current.version

            served.routes.write_text("nonsense")
            await served.facade.watcher.refresh()
            assert await asyncio.to_thread(facade, "routes", live) == 0
            shown = capsys.readouterr().out
            assert f"version {said['table']}, in effect for" in shown
            assert "the last good table serves on" in shown

            refused = await served_get(served.admin.port, "/explain?method=GET&url=nonsense")
            assert b" 400 " in refused.split(b"\r\n")[0]
            assert b"application/problem+json" in refused


async def served_get(port: int, target: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n".encode())
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("words", [("routes",), ("explain", "GET", "/")])
def test_a_facade_that_is_not_there_gets_one_sentence(words: Sequence[str]) -> None:
    with pytest.raises(FacadeError, match=r"no facade answers at .* start one") as raised:
        facade(*words, f"--live=http://127.0.0.1:{free_port()}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a": 1}', b'{"table": 1}', b"\xff"])
async def test_something_else_that_answers_gets_one_sentence(body: bytes) -> None:
    async with backend(answering(ok(body))) as other:
        for words in (("routes",), ("explain", "GET", "/")):
            with pytest.raises(FacadeError, match="is no facade's admin listener"):
                await asyncio.to_thread(facade, *words, f"--live={other.url}")


def test_a_word_after_live_that_is_no_address_gets_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        facade("explain", "--live", "GET", "/")
    assert "'GET' is no address: write --live last" in capsys.readouterr().err
    assert parse(["explain", "GET", "/", "--live"]).live == "http://127.0.0.1:9901"
    assert parse(["routes", "--live", "[::1]:99"]).live == "http://[::1]:99"


# --- plan and init -----------------------------------------------------------------------------------


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
    traffic = log(asked(bucket=10), asked(bucket=30), asked("/x\x1b[2J", bucket=30), "{")
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
    words = ("plan", "routes.yaml", written("new.yaml", SHIFTED), "--traffic", log(asked()))
    assert facade(*words, "--json", "--expect", "none") == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["requests"], said["moved"], said["unexpected"]) == (1, 1, 1)
    assert said["moves"][0] == {
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
    traffic = log(long, asked(), "y" * MAX_LINE_BYTES)
    assert facade("plan", "routes.yaml", "routes.yaml", "--traffic", traffic, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["lines"], said["requests"], said["unusable_lines"]) == (3, 1, 2)


def test_init_makes_a_table_that_check_takes(capsys: pytest.CaptureFixture[str]) -> None:
    traffic = log(*(asked(f"/tb/list/{n}") for n in range(3)), asked("/tb/page", method="POST"))
    words = ("init", "--from", traffic, "--incumbent", "old=http://monolith:80")
    assert facade(*words) == 0
    assert "- name: list" in capsys.readouterr().out
    assert facade(*words, "-o", "made.yaml") == 0
    assert "/tb/list  3         75.00 %" in capsys.readouterr().out
    assert facade("check", "made.yaml", "--strict") == 0
    capsys.readouterr()
    assert facade(*words, "--newcomer", "new=unix:/run/new.sock", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["seams"][0]["prefix"] == "/tb/list"
    assert facade("check", written("made2.yaml", said["table"])) == 0


def test_init_writes_through_no_link() -> None:
    Path("link.yaml").symlink_to("elsewhere.yaml")
    with pytest.raises(FacadeError, match="is there already"):
        facade("init", "--from", log(asked()), "-o", "link.yaml")
    assert not Path("elsewhere.yaml").exists()


def test_init_leaves_an_existing_file_alone() -> None:
    with pytest.raises(FacadeError, match="is there already"):
        facade("init", "--from", log(asked()), "-o", "routes.yaml")
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


# --- on a terminal -----------------------------------------------------------------------------------

_RUN = """
import sys
from tests.integration.test_cli_reading import facade
from proxy.errors import FacadeError
sys.exit(facade(*sys.argv[1:]))
"""


def on_terminal(columns: int, *words: str, **environment: str) -> str:
    """What a command prints on a terminal of its own, both streams together."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**variables, **environment},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other side is closed.
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    process.wait(10)
    return shown.decode()


def test_on_a_terminal_the_place_is_underlined_in_colour() -> None:
    shown = on_terminal(80, "check", written("bad.yaml", BROKEN)).replace("\r\n", "\n")
    assert "\x1b[1mbad.yaml:9:19\x1b[0m: the weights sum to 110" in shown
    assert "    backend_refs: {legacy: 80, new: 30}\n" + " " * 27 + "\x1b[31;1m^" in shown
    plain = on_terminal(80, "check", "bad.yaml", NO_COLOR="1")
    assert "\x1b" not in plain
    assert "^" in plain


@pytest.mark.parametrize("columns", [80, 140])
def test_a_table_fits_the_terminal(columns: int) -> None:
    shown = on_terminal(columns, "routes", NO_COLOR="1")
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns
    assert "legacy 80 %, new 20 %" in shown


def test_a_reader_that_leaves_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "routes"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=30,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


# --- what a command waits for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "not_wanted"),
    [
        (["--help"], {"pydantic", "httpx", "starlette", "asyncio"}),
        (["check"], {"httpx", "starlette"}),
        (["routes"], {"httpx", "starlette", "uvloop"}),
        (["serve", "--help"], {"httpx"}),
    ],
)
def test_a_command_imports_what_it_needs_and_no_more(
    words: list[str], not_wanted: set[str]
) -> None:
    """`serve` holds for weeks what it imports."""
    said = (
        "import sys\nfrom proxy.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", said], capture_output=True, text=True, timeout=30, check=True
    )
    assert not_wanted & set(done.stdout.splitlines()[-1].split()) == set()


# --- the docs ----------------------------------------------------------------------------------------


def test_every_option_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    for name in COMMANDS:
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        made = argparse.ArgumentParser(prog="facade")
        importlib.import_module(f"proxy.cli.{name}").register(made)
        options = {word for word in made.format_usage().split() if word.lstrip("[").startswith("-")}
        for option in {word.strip("[]") for word in options} - {"-h", "--json", "|"}:
            assert option in section, f"facade {name} {option} is not in docs/commands.md"


def test_the_docs_show_what_the_commands_print(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    assert facade("check", str(ROOT / "routes.yaml")) == 0
    summary = capsys.readouterr().out.splitlines()[0].removeprefix(f"{ROOT}/")
    assert f"$ facade check routes.yaml\n{summary}\n" in page
