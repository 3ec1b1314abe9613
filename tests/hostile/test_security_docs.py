"""Each promise in docs/security.md has tests, and its limits are those of the code."""

import re
from pathlib import Path

import pytest

from proxy.model import Limits, Listener, Timeouts

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()


def _rows(title: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = TEXT.split(f"## {title}\n", 1)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


PROMISES = _rows("Promises")


@pytest.mark.parametrize("row", PROMISES, ids=[row[0][:50] for row in PROMISES])
def test_each_promise_names_tests_that_exist(row: list[str]) -> None:
    files = re.findall(r"`(tests/[^`]+)`", row[1])
    assert files
    for file in files:
        assert (ROOT / file).is_file(), file


def test_every_file_of_hostile_and_fault_tests_is_named() -> None:
    named = set(re.findall(r"`(tests/[^`]+)`", TEXT))
    folders = (ROOT / "tests" / "hostile", ROOT / "tests" / "faults")
    there = {
        str(path.relative_to(ROOT))
        for folder in folders
        for pattern in ("test_*.py", "corpus_*.py")
        for path in folder.glob(pattern)
    }
    runners = {"tests/hostile/test_corpus.py", "tests/hostile/test_security_docs.py"}
    assert there - runners <= named


def test_the_limits_are_those_of_the_code() -> None:
    said = {word: row[2] for row in _rows("Limits") for word in re.findall(r"`([^`]+)`", row[1])}
    limits, listener, timeouts = Limits(), Listener(), Timeouts()
    assert said["limits.max_uri_bytes"] == f"{limits.max_uri_bytes // 1024} KiB"
    assert said["limits.max_headers"] == (
        f"{limits.max_header_bytes // 1024} KiB, {limits.max_headers}"
    )
    assert said["limits.max_body_bytes"] == f"{limits.max_body_bytes // 1024**2} MiB"
    assert said["limits.min_body_rate"] == f"{limits.min_body_rate} B a second"
    assert said["listener.head_timeout"] == f"{listener.head_timeout_s:g} s"
    assert said["listener.idle_timeout"] == f"{listener.idle_timeout_s:g} s"
    assert said["listener.max_connections"] == f"{listener.max_connections:,} a worker"
    per_client = f"{listener.max_connections_per_client:,} a worker"
    assert said["listener.max_connections_per_client"] == per_client
    assert said["timeouts.body_idle"] == f"{timeouts.body_idle_s:g} s"
    assert said["timeouts.total"] == f"{timeouts.total_s / 3600:g} h"
    assert said["timeouts.stream_idle"] == f"{timeouts.stream_idle_s:g} s"
