"""`facade compare` and `facade export-cases`, with two real backends."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from proxy import cli
from proxy.cli.compare import Progress
from proxy.cli.output import Screen
from tests.integration.commands import written
from tests.support.ports import free_port

pytestmark = pytest.mark.usefixtures("in_folder")

TABLE = """\
version: 1
backends: {legacy: http://legacy.example, new: http://new.example}
routes:
  - name: list
    stage: shadow
    match: {path: {prefix: /list}}
    backend_refs:
      - {name: legacy, weight: 100}
      - {name: new, weight: 0, url_rewrite: {path: {replace_prefix_match: /v2/list}}}
    mirror:
      compare:
        headers: [content-type]
        noise: {rate: 0.25}
        body:
          equal: {"$.rows[*].at": {as: instant, left: epoch_ms, right: iso}}
        redact: ["query:who", "body:$.rows[*].iban"]
  - {name: rest, backend_refs: legacy}
"""
CANARY = "canary-91bf"
AT_MS = 4_000_000_000_000
AT_ISO = "2096-10-02T07:06:40Z"
Rows = Callable[[str], list[dict[str, Any]]]


class Backend(ThreadingHTTPServer):
    """Responds with rows, a live clock and a random id. It records the requests."""

    daemon_threads = True

    def __init__(self, rows: Rows) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows = rows
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Backend

    def do_GET(self) -> None:
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        body = {
            "rows": self.server.rows(self.path),
            "clock": len(self.server.requests),
            "id": os.urandom(8).hex(),
        }
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(rows: Rows) -> Iterator[Backend]:
    backend = Backend(rows)
    thread = threading.Thread(target=backend.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield backend
    finally:
        backend.shutdown()
        thread.join()
        backend.server_close()


def old(path: str) -> list[dict[str, Any]]:
    number = int(re.findall(r"[0-9]+", path)[-1])
    return [
        {"id": 1, "name": f"n{number}", "code": "LHR", "at": AT_MS, "iban": CANARY, "token": CANARY}
    ]


def new(path: str) -> list[dict[str, Any]]:
    return [{**old(path)[0], "at": AT_ISO}]


def faulty(path: str) -> list[dict[str, Any]]:
    return [{**new(path)[0], "code": "CDG"}]


@pytest.fixture
def legacy() -> Iterator[Backend]:
    with serving(old) as backend:
        yield backend


def compare(left: Backend, right: Backend | str, *words: str, requests: int = 40) -> int:
    written("routes.yaml", TABLE)
    targets = [f"/list/{number}" for number in range(requests)]
    urls = written("urls", "\n".join([*targets, "/other", f"/list/1?who={CANARY}"]))
    address = right if isinstance(right, str) else right.url
    return cli.main(
        ["compare", "list", "--urls", urls, "--left", left.url, "--right", address, "--rate", "400/s", *words]
    )  # fmt: skip


def test_a_clean_newcomer_is_equal(legacy: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(new) as newcomer:
        assert compare(legacy, newcomer, "--json") == 0
        shown = capsys.readouterr()
        report = json.loads(shown.out)
        assert (report["route"], report["compared"], report["equal"]) == ("list", 40, 40)
        assert {(each["path"], each["noise"]) for each in report["differences"]} == {
            ("/clock", True), ("/id", True)
        }  # fmt: skip
        assert "not sent: 1 of other routes, 1 with a secret in the URL" in shown.err
        # The incumbent got a quarter of the requests twice; the newcomer by its own rewrite.
        assert len(legacy.requests) == 50
        assert sorted(path for path, _ in newcomer.requests)[:2] == ["/v2/list/0", "/v2/list/1"]
        assert newcomer.requests[0][1]["x-facade-mirror"] == "1"


def test_a_faulty_newcomer_is_named_by_its_fault(
    legacy: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(faulty) as newcomer:
        assert compare(legacy, newcomer) == 1
        shown = capsys.readouterr()
        lines = shown.out.splitlines()
        assert "compared 40 responses: 0 equal, 40 different" in lines
        row = next(line for line in lines if "/rows/*/code" in line)
        assert row.split() == ["100.00", "%", "value", "/rows/*/code", '"LHR"', '"CDG"']
        assert "0 of the responses are equal, less than 0.999" in shown.err
        assert compare(legacy, newcomer, "--min-parity", "0") == 0


def test_a_newcomer_that_is_not_there(legacy: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(legacy, f"http://127.0.0.1:{free_port()}", "--json", requests=3) == 1
    report = json.loads(capsys.readouterr().out)
    assert [(each["path"], each["kind"]) for each in report["differences"]] == [
        ("status", "missing")
    ]
    assert report["differences"][0]["example"]["right"] == "unreachable"


def test_an_incumbent_that_is_not_there_is_no_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(new) as newcomer:
        newcomer.url, url = f"http://127.0.0.1:{free_port()}", newcomer.url
        assert compare(newcomer, url, requests=2) == 2
    shown = capsys.readouterr()
    assert "parity   unknown: no response was compared" in shown.out
    assert "no response could be compared" in shown.err


def test_logs_and_har_are_read(legacy: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    written("routes.yaml", TABLE)
    log = written("log", '1.2.3.4 - - [01/Jan/2026:00:00:00 +0000] "GET /list/5 HTTP/1.1" 200 1\n')
    entries = [
        {"request": {"method": "GET", "url": f"http://h/list/{n}", "headers": []}} for n in (6, 7)
    ]
    har = written("a.har", json.dumps({"log": {"entries": entries}}))
    with serving(new) as newcomer:
        for words in (["--traffic", log], ["--har", har, "--limit", "1"]):
            to = ["--left", legacy.url, "--right", newcomer.url, "--min-parity", "0"]
            assert cli.main(["compare", "list", *words, *to]) == 0
        assert [path for path, _ in newcomer.requests] == ["/v2/list/5", "/v2/list/6"]
    assert "1 beyond --limit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rest", "--urls", "u"], "the route 'rest' has no newcomer"),
        (["list", "--urls", "no"], "no: No such file or directory"),
        (["list", "--urls", "u", "--rate", "20"], "'20' is no rate: write one like 20/s"),
        (["list", "--urls", "u", "--rate", "0/s"], "'0/s' is no rate"),
        (["list", "--urls", "u", "--min-parity", "2"], "'2' is no share"),
        (["list", "--urls", "u", "--limit", "0"], "'0' is no number of requests"),
        (["list", "--urls", "u", "--timeout", "5"], "'5' is no duration"),
        (["list", "--urls", "u", "--left", "ftp://h"], "'ftp://h' is no address"),
        (["list"], "one of the arguments --traffic --har --urls is required"),
        (["list", "--urls", "u"], "no request to compare: 1 of other routes"),
        (["list", "--har", "u"], "u is no HAR file"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written("routes.yaml", TABLE)
    written("u", "/other\n")
    to = ["--right", "http://h", *([] if "--left" in words else ["--left", "http://h"])]
    try:
        status = cli.main(["compare", *words, *to])
    except SystemExit as end:
        status = int(end.code or 0)
    shown = capsys.readouterr()
    assert status == 2
    assert sentence in shown.err
    assert shown.err.count("\n") == 1


def run_tests(url: str) -> subprocess.CompletedProcess[str]:
    """The exported file, with nothing of this repository at hand."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "test_list.py",
    ]
    environment = {**os.environ, "BASE_URL": url, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_exported_cases_pass_on_the_incumbent_and_have_no_secret(
    legacy: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda path: faulty(path) if "3" in path else new(path)) as newcomer:
        assert compare(legacy, newcomer, "--cases", "cases.json") == 1
        assert (
            cli.main(["export-cases", "list", "--cases", "cases.json", "-o", "test_list.py"]) == 0
        )
        shown = capsys.readouterr()
        assert re.search(r"test_list\.py: [0-9]+ cases, [0-9]+ of which differed", shown.out)
        for file in ("cases.json", "test_list.py"):
            assert CANARY not in Path(file).read_text()
        passed = run_tests(legacy.url)
        assert passed.returncode == 0, passed.stdout
    # Without its rewrite the newcomer is asked as the incumbent is.
    with serving(faulty) as newcomer:
        failed = run_tests(newcomer.url)
        assert failed.returncode == 1
        assert "/rows/*/code: 'LHR' is 'CDG'" in failed.stdout


def test_exporting_what_is_no_file_of_cases(
    legacy: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    written("bad", "{}")
    with serving(new) as newcomer:
        compare(legacy, newcomer, "--cases", "cases.json", requests=2)
    empty = json.loads(Path("cases.json").read_text()) | {"cases": []}
    written("empty", json.dumps(empty))
    capsys.readouterr()
    for route, file, output, sentence in (
        ("list", "no", "t.py", "no: No such file"),
        ("list", "bad", "t.py", "bad has no cases: write it with"),
        ("list", "empty", "t.py", "empty has no case of the route 'list' yet"),
        ("rest", "cases.json", "t.py", "has the cases of the route 'list', not of 'rest'"),
        ("list", "cases.json", "no/t.py", "no/t.py: No such file"),
    ):
        assert cli.main(["export-cases", route, "--cases", file, "-o", output]) == 2
        assert sentence in capsys.readouterr().err
    words = ["export-cases", "list", "--cases", "cases.json", "-o", "t.py", "--json"]
    assert cli.main(words) == 0
    assert json.loads(capsys.readouterr().out) == {"file": "t.py", "cases": 2, "differed": 2}
    with serving(new) as newcomer:
        assert compare(legacy, newcomer, "--cases", "no/cases.json", requests=2) == 2


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    screen = Screen(sys.stderr)
    progress = Progress(screen, 50, lambda: now[0])
    for done in range(40):
        now[0] += 0.5
        progress.show(done)
    progress.end()
    assert capsys.readouterr().err.splitlines() == [
        "19 of 50 requests compared", "39 of 50 requests compared"
    ]  # fmt: skip
    screen.is_terminal = True
    progress = Progress(screen, 50, lambda: now[0])
    now[0] += 1
    progress.show(50)
    progress.end()
    assert capsys.readouterr().err == "\r\x1b[K50 of 50 requests compared\r\x1b[K"
