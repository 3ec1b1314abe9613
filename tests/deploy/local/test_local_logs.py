"""The parts' log files: new at each start, the last one kept, bounded in size."""

import os
from pathlib import Path

from deploy.local.logs import PartLog


def test_a_log_begins_anew_and_the_last_one_is_kept(tmp_path: Path) -> None:
    for text in ("first", "second", "third"):
        (PartLog(tmp_path, "a").path).write_text(text)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"a.log": "third", "a.log.1": "second"}


def test_a_log_that_grows_too_long_is_set_aside_while_the_part_writes_on(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "a", max_bytes=100)
    handle = log.open()
    try:
        os.write(handle, b"x" * 100)
        log.trim()
        assert log.path.stat().st_size == 100
        os.write(handle, b"y\n")
        log.trim()
        os.write(handle, b"z\n")
        assert log.path.read_bytes() == b"z\n"
        assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100 + b"y\n"
    finally:
        os.close(handle)


def test_the_tail_of_a_log_is_its_last_lines_however_long_it_is(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "a")
    log.path.write_bytes(b"\xff" * 100_000 + b"\n" + b"".join(b"%d\n" % n for n in range(50)))
    assert log.tail(3) == ("47", "48", "49")
    log.path.unlink()
    assert log.tail() == ()
