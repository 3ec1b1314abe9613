"""The supervisor of `make up`, with tiny real children."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.errors import PartFailed
from deploy.local.keeper import Patience
from deploy.local.part import Part
from deploy.local.supervisor import supervise
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
DEADLINE_S = 20.0
EAGER = Patience(first_s=0.01, most_s=0.05)

# Notes what befalls it as a line of the file `events`; its traits say how it behaves.
CHILD = """
import os, signal, subprocess, sys, time
name, traits = sys.argv[1], sys.argv[2:]
def note(what):
    with open("events", "a") as file:
        file.write(f"{name} {what} {os.getpid()}\\n")
def down(*_):
    if "slow" in traits:
        time.sleep(1)
    note("down")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in traits else down)
note("up")
print("hello from", name, flush=True)
if "broken" in traits:
    sys.exit(3)
if "misled" in traits:
    sys.exit(2)
if "parent" in traits:
    note(f"child {subprocess.Popen(['sleep', '300']).pid}")
if "once" in traits and os.path.exists("once"):
    sys.exit(4)
open("once", "w").close()
if "mute" not in traits:
    open(f"{name}.{os.getpid()}", "w").close()
time.sleep(300)
"""


def part(folder: Path, name: str, *traits: str, patience_s: float = 10.0) -> Part:
    async def ready(pid: int) -> bool:
        return (folder / f"{name}.{pid}").exists()

    return Part(
        name=name,
        argv=(sys.executable, "-I", "-S", "-c", CHILD, name, *traits),
        ready=ready,
        env={},
        cwd=folder,
        ready_s=0.5 if "mute" in traits else DEADLINE_S,
        stop_steps=((signal.SIGTERM, patience_s), (signal.SIGKILL, DEADLINE_S)),
    )


class Seen:
    """What the children noted and what the supervisor said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []

    def events(self) -> list[str]:
        """Notes without process ids: "a up", "b up", "b down" …"""
        return [line.rpartition(" ")[0] for line in self._lines()]

    def pids(self) -> list[int]:
        return [int(word) for line in self._lines() for word in line.split() if word.isdigit()]

    def pid_of(self, name: str) -> int:
        return [int(line.split()[-1]) for line in self._lines() if line.startswith(name)][-1]

    def _lines(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "events").read_text().splitlines()
        return []


@asynccontextmanager
async def supervised(seen: Seen, parts: Sequence[Part]) -> AsyncIterator[None]:
    """All parts are up inside the block; after it all are stopped."""
    up = asyncio.Event()

    async def tell() -> None:
        up.set()

    logs = seen.folder / "logs"
    work = asyncio.create_task(supervise(parts, logs, seen.said.append, tell, EAGER))
    try:
        await eventually(lambda: up.is_set() or work.done())
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


def is_running(pid: int) -> bool:
    """A zombie is no running process: where there is no proper init, nobody may reap it."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()  # gone, or a system without /proc
    return state != "Z"


async def all_gone(pids: Sequence[int]) -> None:
    assert pids
    await eventually(lambda: not any(map(is_running, pids)))


async def test_parts_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    async with supervised(seen, [part(tmp_path, name) for name in "abc"]):
        assert seen.events() == ["a up", "b up", "c up"]
        assert seen.said == ["a is ready", "b is ready", "c is ready"]
    assert seen.events()[3:] == ["c down", "b down", "a down"]
    assert seen.said[3:] == ["c is stopped", "b is stopped", "a is stopped"]
    await all_gone(seen.pids())


async def test_each_part_leads_a_process_group_and_session_of_its_own(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    async with supervised(seen, [part(tmp_path, "a"), part(tmp_path, "b")]):
        for pid in seen.pids():
            assert (os.getpgid(pid), os.getsid(pid)) == (pid, pid)


async def test_a_part_that_dies_is_started_again_alone_and_it_says_so(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    async with supervised(seen, [part(tmp_path, "a"), part(tmp_path, "b")]):
        os.kill(seen.pid_of("a"), signal.SIGKILL)
        await eventually(lambda: "a is ready again" in seen.said)
        assert seen.events() == ["a up", "b up", "a up"]
        assert "a was ended by SIGKILL: starting it again in 0.01 s" in seen.said


async def test_a_part_that_dies_again_and_again_is_never_given_up(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    async with supervised(seen, [part(tmp_path, "a", "once")]):
        os.kill(seen.pid_of("a"), signal.SIGKILL)
        await eventually(lambda: seen.events().count("a up") > 6)
        pauses = [line.split()[-2] for line in seen.said if "starting it again" in line]
    assert pauses[:5] == ["0.01", "0.02", "0.04", "0.05", "0.05"]


async def test_what_a_dead_part_leaves_in_its_group_is_ended_before_the_next(
    tmp_path: Path,
) -> None:
    seen = Seen(tmp_path)
    async with supervised(seen, [part(tmp_path, "a", "parent")]):
        first, child = seen.pids()[:1], seen.pids()[1:2]
        os.kill(first[0], signal.SIGKILL)
        await eventually(lambda: "a is ready again" in seen.said)
        await all_gone(child)
    await all_gone(seen.pids())


async def test_a_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    seen = Seen(tmp_path)
    async with supervised(
        seen, [part(tmp_path, "a"), part(tmp_path, "b", "stubborn", patience_s=0.1)]
    ):
        pass
    assert seen.events() == ["a up", "b up", "a down"]
    await all_gone(seen.pids())


@pytest.mark.parametrize(
    ("trait", "sentence", "tries"),
    [
        pytest.param("mute", r"^b was not ready within 0\.5 s\.$", 1, id="never ready"),
        pytest.param("broken", r"3 before it was ready \(hello from b\)\.$", 3, id="dies"),
        pytest.param("misled", r"^b ended with exit code 2 before", 1, id="wrong settings"),
    ],
)
async def test_a_part_that_does_not_start_ends_the_start(
    tmp_path: Path, trait: str, sentence: str, tries: int
) -> None:
    seen = Seen(tmp_path)
    parts = [part(tmp_path, "a"), part(tmp_path, "b", trait), part(tmp_path, "c")]
    with pytest.raises(PartFailed, match=sentence) as failed:
        async with supervised_until_it_fails(seen, parts):
            pass
    assert failed.value.last_lines == ("hello from b",) * tries
    assert seen.events().count("b up") == tries
    assert [line for line in seen.events() if line[0] != "b"] == ["a up", "a down"]
    await all_gone(seen.pids())


@asynccontextmanager
async def supervised_until_it_fails(seen: Seen, parts: Sequence[Part]) -> AsyncIterator[None]:
    async def unreachable() -> None:
        pytest.fail("not all parts are ready")

    async with asyncio.timeout(DEADLINE_S):
        await supervise(parts, seen.folder / "logs", seen.said.append, unreachable, EAGER)
    yield


async def test_an_error_of_our_own_stops_all_parts_and_is_not_hidden(tmp_path: Path) -> None:
    seen = Seen(tmp_path)

    async def up() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await supervise([part(tmp_path, "a")], tmp_path / "logs", seen.said.append, up, EAGER)
    assert seen.events() == ["a up", "a down"]


@pytest.mark.parametrize(
    ("pause_s", "ran_s", "next_s"),
    [
        pytest.param(0, 0, 0.5, id="the first death"),
        pytest.param(0.5, 1, 1.0, id="again at once"),
        pytest.param(16, 0, 30, id="never more than half a minute"),
        pytest.param(30, 59.9, 30, id="not steady yet"),
        pytest.param(30, 60, 0.5, id="it had recovered"),
    ],
)
def test_the_pause_before_the_next_start(pause_s: float, ran_s: float, next_s: float) -> None:
    assert Patience().after(pause_s, ran_s) == next_s
