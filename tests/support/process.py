"""Any program that listens on a port, for as long as a block lasts."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_START_S = 30
_STOP_S = 10


class NotListening(Exception):
    """A program ended, or its port accepted nothing in time. The text holds the last line of its standard error."""


@contextlib.contextmanager
def listening_process(
    argv: Sequence[str],
    port: int,
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    core: int | None = None,
) -> Iterator[int]:
    """Run `argv` from the root of the repository; yields its pid once the port accepts connections.

    Its standard output and error go to `stdout` and `stderr` in `folder`. It runs on `core` from its first thread on.
    Raises NotListening.
    """
    stderr = folder / "stderr"
    with (folder / "stdout").open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=out,
            stderr=err,
            preexec_fn=_pin(core),
        )
    try:
        _wait_for(process, port, stderr)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _pin(core: int | None) -> Callable[[], None] | None:
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def _wait_for(process: "subprocess.Popen[bytes]", port: int, stderr: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            last = stderr.read_text(errors="replace").strip().rpartition("\n")[2]
            raise NotListening(f"it does not respond; its last output: {last}")
        time.sleep(0.02)
