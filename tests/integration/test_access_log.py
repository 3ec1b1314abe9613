"""The access log: lines in batches, and no delay of requests by a slow reader."""

import asyncio
import contextlib
import json
import os
from pathlib import Path

import pytest
from msgspec.json import encode

from proxy.telemetry.access_log import AccessLog, LogLock


async def test_lines_are_written_in_batches_and_in_order(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    for number in range(12_000):
        log.offer(encode({"n": number}))
    await log.aclose()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == list(range(12_000))


async def test_lines_are_written_after_a_short_time(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    log.offer(encode({"a": 1}))
    async with asyncio.timeout(5):
        while not (tmp_path / "log").read_text():
            await asyncio.sleep(0.01)
    await log.aclose()


async def test_a_line_cannot_be_forged(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    log.offer(encode({"target": '/\n{"status": 200}\r\x1b[2J'}))
    await log.aclose()
    lines = (tmp_path / "log").read_bytes().split(b"\n")
    assert len(lines) == 2
    assert b"\x1b" not in lines[0]


async def test_a_pipe_that_is_not_read_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(fifo))
    for number in range(400_000):
        log.offer(encode({"number": number, "target": "/" + "x" * 50}))
    assert log.dropped > 0
    async with asyncio.timeout(10):
        await log.aclose()
    os.close(reader)


async def test_a_closed_log_closes_its_file(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(fifo))
    log.offer(encode({"a": 1}))
    await log.aclose()
    assert os.read(reader, 100) == b'{"a":1}\n'
    assert os.read(reader, 100) == b""  # The end: BlockingIOError while anybody may still write.
    os.close(reader)


async def test_a_closed_log_leaves_standard_output_open(capfd: pytest.CaptureFixture[str]) -> None:
    log = AccessLog("-")
    log.offer(encode({"a": 1}))
    await log.aclose()
    print("after", flush=True)
    assert capfd.readouterr().out == '{"a":1}\nafter\n'


async def test_the_target_none_opens_no_file() -> None:
    log = AccessLog("none")
    log.offer(encode({"a": 1}))
    await log.aclose()
    assert not log.enabled


async def test_an_incomplete_line_of_another_process_damages_no_other_line(tmp_path: Path) -> None:
    turns = LogLock()
    with contextlib.suppress(KeyboardInterrupt), turns.held() as cut_off:
        assert not cut_off
        turns.mark_writing()
        raise KeyboardInterrupt  # In the middle of a line.
    (tmp_path / "log").write_text('{"half')
    for number in (1, 2):
        log = AccessLog(str(tmp_path / "log"), turns)
        log.offer(encode({"n": number}))
        await log.aclose()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == ['{"half', '{"n":1}', '{"n":2}']


def test_a_file_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        AccessLog(str(tmp_path / "missing" / "log"))
