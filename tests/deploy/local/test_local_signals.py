"""What signals do to `make up`'s supervisor. Run as a script, this file is such a supervisor."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.supervisor import supervise
from tests.deploy.local.test_local_supervisor import (
    DEADLINE_S,
    EAGER,
    Seen,
    all_gone,
    is_running,
    part,
)
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]


@contextlib.contextmanager
def supervisor(
    folder: Path, *parts: tuple[str, ...], before: str = ""
) -> Iterator["subprocess.Popen[str]"]:
    """This file as a script, supervising `parts` (a name and its traits each)."""
    argv = [sys.executable, __file__, str(folder), json.dumps(parts), before]
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=DEADLINE_S)


async def up_in(folder: Path) -> Seen:
    await eventually((folder / "is-up").exists)
    return Seen(folder)


async def ended(process: "subprocess.Popen[str]") -> int:
    await eventually(lambda: process.poll() is not None)
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_all_in_order_and_the_exit_status_is_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    with supervisor(tmp_path, ("a",), ("b",)) as process:
        seen = await up_in(tmp_path)
        process.send_signal(number)
        assert await ended(process) == 0
        assert seen.events() == ["a up", "b up", "b down", "a down"]
        await all_gone(seen.pids())


async def test_a_ctrl_c_during_the_start_stops_what_has_started(tmp_path: Path) -> None:
    with supervisor(tmp_path, ("a",), ("b", "stubborn", "unready")) as process:
        seen = Seen(tmp_path)
        await eventually(lambda: "b up" in seen.events())
        process.send_signal(signal.SIGINT)
        assert await ended(process) == 0
        assert seen.events() == ["a up", "b up", "a down"]
        await all_gone(seen.pids())


async def test_a_second_ctrl_c_hurries(tmp_path: Path) -> None:
    with supervisor(tmp_path, ("a", "stubborn", "for an hour")) as process:
        seen = await up_in(tmp_path)
        process.send_signal(signal.SIGINT)

        def again() -> bool:
            process.send_signal(signal.SIGINT)
            return not is_running(seen.pids()[0])

        await eventually(again)
        assert await ended(process) == 0


async def test_one_ctrl_c_that_arrives_twice_does_not_hurry(tmp_path: Path) -> None:
    with supervisor(tmp_path, ("a", "slow", "for an hour")) as process:
        seen = await up_in(tmp_path)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)  # as `make` passes one on that all have heard
        assert await ended(process) == 0
        assert seen.events() == ["a up", "a down"]


async def test_under_nohup_a_hangup_stops_nothing(tmp_path: Path) -> None:
    with supervisor(tmp_path, ("a",), before="nohup") as process:
        seen = await up_in(tmp_path)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGUSR1)  # handled after the hangup was
        await eventually((tmp_path / "usr1").exists)
        assert seen.events() == ["a up"]
        assert process.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PR_SET_PDEATHSIG")
async def test_children_of_a_killed_supervisor_die_with_it(tmp_path: Path) -> None:
    with supervisor(tmp_path, ("a",), ("b", "stubborn")) as process:
        seen = await up_in(tmp_path)
        assert all(map(is_running, seen.pids()))
        process.kill()
        await all_gone(seen.pids())


def main(folder: Path, wanted: list[list[str]], before: str) -> None:
    """Supervise until a signal comes; the file `is-up` appears when all is up."""
    # Said either way: the suite itself may run under nohup, and what is ignored is inherited.
    signal.signal(signal.SIGHUP, signal.SIG_IGN if before == "nohup" else signal.SIG_DFL)

    async def up() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, (folder / "usr1").touch)
        (folder / "is-up").touch()

    parts = []
    for name, *traits in wanted:
        patience_s = 3600.0 if "for an hour" in traits else 0.2
        if "unready" in traits:
            traits = [*traits, "mute"]
        parts.append(part(folder, name, *traits, patience_s=patience_s))
    asyncio.run(supervise(parts, folder / "logs", print, up, EAGER))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3])
