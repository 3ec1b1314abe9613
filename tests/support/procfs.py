"""CPU, memory and connections of processes, from /proc. Linux only."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_ESTABLISHED = "01"


def cpu_of(stat: str) -> float:
    """Seconds of CPU from the text of /proc/PID/stat: user, system, and those of children that have ended."""
    # The name, in parentheses, may hold anything, a parenthesis too.
    fields = stat.rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS


def parent_of(stat: str) -> int:
    """The parent's pid from the text of /proc/PID/stat."""
    return int(stat.rpartition(")")[2].split()[1])


def busy_of(stat: str, core: int) -> float:
    """Seconds that a core was not idle, for any process, from the text of /proc/stat.

    Time stolen by another guest of the machine counts as busy.
    """
    ticks = _ticks_of(stat, core)
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICKS


def stolen_of(stat: str, core: int) -> float:
    """Seconds in which a process was ready to run, but another guest of the machine had the core."""
    return _ticks_of(stat, core)[7] / _TICKS


def _ticks_of(stat: str, core: int) -> list[int]:
    """user nice system idle iowait irq softirq steal"""
    match = re.search(rf"^cpu{core} (.+)$", stat, re.MULTILINE)
    if match is None:
        raise ValueError(f"no core {core} in /proc/stat")
    return [int(field) for field in match[1].split()[:8]]


def descendants(pid: int, parents: Mapping[int, int]) -> set[int]:
    """`pid` and all below it, given each process's parent."""
    pids = {pid}
    grown = True
    while grown:
        more = {child for child, parent in parents.items() if parent in pids} - pids
        grown = bool(more)
        pids |= more
    return pids


def resident_of(rollup: str) -> int:
    """Resident bytes from the text of /proc/PID/smaps_rollup."""
    match = re.search(r"^Rss:\s+(\d+) kB$", rollup, re.MULTILINE)
    if match is None:
        raise ValueError("no line Rss: in smaps_rollup")
    return int(match[1]) * 1024


def accepted_inodes(tcp: str, port: int) -> set[str]:
    """Inodes of the established connections to a local port, from the text of /proc/net/tcp."""
    inodes = set()
    for line in tcp.splitlines()[1:]:
        fields = line.split()
        if fields[3] == _ESTABLISHED and int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(fields[9])
    return inodes


def shares(held: Mapping[int, Iterable[str]], inodes: set[str]) -> dict[int, int]:
    """How many of `inodes` each process holds, given the targets of its open files.

    Processes without any are left out.
    """
    counts = {
        pid: sum(target[8:-1] in inodes for target in targets if target.startswith("socket:["))
        for pid, targets in held.items()
    }
    return {pid: count for pid, count in counts.items() if count}


def tree(pid: int) -> set[int]:
    """A process and all its descendants."""
    parents = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (stat := _text(folder / "stat")):
            parents[int(folder.name)] = parent_of(stat)
    return descendants(pid, parents)


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process and its descendants have used."""
    return sum(cpu_of(stat) for each in tree(pid) if (stat := _text(_PROC / str(each) / "stat")))


def core_busy_s(core: int) -> float:
    """Seconds that a core has not been idle."""
    return busy_of(_text(_PROC / "stat"), core)


def core_stolen_s(core: int) -> float:
    """Seconds that a core has been stolen from this machine."""
    return stolen_of(_text(_PROC / "stat"), core)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants. Pages that they share count for each."""
    texts = (_text(_PROC / str(each) / "smaps_rollup") for each in tree(pid))
    return sum(resident_of(text) for text in texts if text)


def tcp_buffer_bytes() -> int:
    """How much the kernel may hold of one direction of a TCP connection, at both of its ends together."""
    limits = _PROC / "sys/net/ipv4"
    return sum(int(_text(limits / name).split()[2]) for name in ("tcp_wmem", "tcp_rmem"))


def in_flight_bytes() -> int:
    """The most that sockets and a facade's buffers hold of one transfer: 24 MB, or more where the kernel holds more."""
    return max(24_000_000, tcp_buffer_bytes() + 8_000_000)


def connections_of(pid: int, port: int) -> dict[int, int]:
    """How many connections to `port` each process of a tree holds."""
    inodes = accepted_inodes(_text(_PROC / "net" / "tcp"), port)
    return shares({each: _open_files(each) for each in tree(pid)}, inodes)


def _open_files(pid: int) -> list[str]:
    targets = []
    for link in (_PROC / str(pid) / "fd").iterdir():
        try:
            targets.append(str(link.readlink()))
        except FileNotFoundError:  # Closed since.
            continue
    return targets


def _text(path: Path) -> str:
    """The text of a file of /proc; empty if the process has ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
