"""The program that tries compose.yaml: what it counts, what it says, and what it does without an engine."""

import asyncio
import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import respx

from tests.compose.disturb import ALLOWED
from tests.compose.load import CUT, UNANSWERED, UNCLEAN, Load, as_text, faults, one_request
from tests.compose.reading import ROOT
from tests.compose.report import Report
from tests.compose.shell import StepFailed, plain_environment, run, surely
from tests.compose.stack import PARTS
from tests.support.origin import origin, responding_once

_PROBLEM = b"content-type: application/problem+json\r\n"


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "200", id="whole"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", CUT, id="cut short"),
        pytest.param(b"", UNANSWERED, id="closed"),
        pytest.param(
            b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n" + _PROBLEM + b"\r\n", "502", id="clean"
        ),
        pytest.param(b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n", UNCLEAN, id="unclean"),
        pytest.param(
            b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\nx-request-id: 7\r\n\r\n",
            "502",
            id="the body that the table gives",
        ),
        pytest.param(
            b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\nx-request-id: 7\r\ncontent-type: a/b\r\n\r\n",
            UNCLEAN,
            id="an empty body with a type",
        ),
        pytest.param(
            b"HTTP/1.1 503 Out\r\ncontent-length: 0\r\nretry-after: 5\r\n\r\n",
            "503",
            id="without a database",
        ),
        pytest.param(
            b"HTTP/1.1 503 Out\r\ncontent-length: 2\r\nretry-after: 5\r\n\r\nno",
            UNCLEAN,
            id="another body",
        ),
    ],
)
async def test_a_request_comes_to(raw: bytes, outcome: str) -> None:
    async with origin(responding_once(raw)) as server:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            assert await asyncio.to_thread(one_request, client, "/") == outcome


def _leaves(kind: type[httpx.TransportError]) -> Iterator[type[httpx.TransportError]]:
    below = kind.__subclasses__()
    for each in below:
        yield from _leaves(each)
    if not below:
        yield kind


@pytest.mark.parametrize(
    "error", list(_leaves(httpx.TransportError)), ids=lambda kind: kind.__name__
)
def test_any_failure_before_a_response_counts_as_unanswered(
    error: type[httpx.TransportError],
) -> None:
    with (
        respx.mock(base_url="http://facade.example") as network,
        httpx.Client(base_url="http://facade.example", trust_env=False) as client,
    ):
        network.get("/").mock(side_effect=error("boom"))
        assert one_request(client, "/") == UNANSWERED


async def test_a_load_counts_each_path_and_ends_with_its_block() -> None:
    whole = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    async with origin(responding_once(whole)) as server:
        with Load(server.url, {"a": "/a", "b": "/b"}) as load:
            tally = await asyncio.to_thread(load.take, 3)
    assert tally["a", "200"] >= 3
    assert tally["b", "200"] >= 3
    assert faults(tally, {}) == []


@pytest.mark.parametrize(
    ("outcome", "allowed", "found"),
    [
        pytest.param("200", set(), [], id="fine"),
        pytest.param("502", {"502"}, [], id="allowed for this path"),
        pytest.param("502", set(), ["2 of 5 requests for list: 502"], id="not allowed"),
        pytest.param(CUT, {"502"}, ["2 of 5 requests for list: cut"], id="another fault"),
    ],
)
def test_a_fault_is_what_is_not_allowed(outcome: str, allowed: set[str], found: list[str]) -> None:
    tally = Counter({("list", "200"): 3, ("list", outcome): 2})
    assert faults(tally, {"list": frozenset(allowed)}) == found


def test_what_is_allowed_for_one_path_is_a_fault_of_another() -> None:
    assert faults(Counter({("hotels", "502"): 1}), ALLOWED["app"])
    assert faults(Counter({("list", "502"): 1}), ALLOWED["db"])
    assert set(ALLOWED) == set(PARTS)


def test_a_tally_is_told_a_path_after_the_other() -> None:
    tally = Counter({("list", "200"): 80, ("list", "503"): 12, ("hotels", "200"): 120})
    assert as_text(tally) == "hotels 120 x 200; list 80 x 200, 12 x 503"


def test_the_report_is_a_table_with_times_and_the_status_of_what_failed() -> None:
    out, ticks = io.StringIO(), iter(range(0, 100, 2))
    report = Report(out, clock=lambda: next(ticks))
    assert report.step("first", lambda: "seen")
    assert not report.step("second", lambda: _fail("it was not there"))
    assert report.end() == 1
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["first", "2.0", "seen"]
    assert lines[1].startswith("FAILED second")
    assert lines[2] == "    it was not there"
    assert "2 steps" in lines[-1]
    assert "1 of them failed" in lines[-1]


def _fail(sentence: str) -> str:
    surely(False, sentence)
    return ""


@pytest.mark.parametrize("error", [KeyError("x-build"), httpx.ConnectError("refused")])
def test_an_unexpected_response_is_a_failed_step(error: Exception) -> None:
    def raising() -> str:
        raise error

    out = io.StringIO()
    assert not Report(out).step("first", raising)
    assert f"    {type(error).__name__}: {error}" in out.getvalue()


def test_a_report_without_failures_ends_with_0() -> None:
    report = Report(io.StringIO())
    assert report.step("first", lambda: "")
    assert report.end() == 0


def test_a_command_that_fails_is_told_with_the_end_of_its_output() -> None:
    with pytest.raises(StepFailed, match=r"(?s)ended with 3:.*no such thing"):
        run([sys.executable, "-c", "print('no such thing'); raise SystemExit(3)"])


def test_a_command_that_hangs_is_ended() -> None:
    with pytest.raises(StepFailed, match=r"took longer than 0\.2 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2)


def test_variables_of_the_caller_do_not_reach_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_VOLUME", "of-the-caller")
    monkeypatch.setenv("COMPOSE_FILE", "other.yaml")
    found = plain_environment(APP_PORT="1")
    assert found["APP_PORT"] == "1"
    assert not {"DB_VOLUME", "COMPOSE_FILE"} & set(found)
    assert found["PATH"] == os.environ["PATH"]


def test_without_an_engine_it_says_so_and_ends_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.compose"],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "compose-test: there is no Docker Engine that answers: install or start one, then run this again.\n"
    )
