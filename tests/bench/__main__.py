"""Runs the contestants and writes docs/performance.md."""

import argparse
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.contestants import CONTESTANTS, Contestant

_ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
_CONNECTIONS = 32


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def started(argv: list[str], port: int, core: int) -> Iterator[int]:
    """Run `argv` pinned to a core until the block ends; yields its pid once the port answers."""
    process = subprocess.Popen(argv, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        os.sched_setaffinity(process.pid, {core})
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > until:
                assert process.stderr is not None
                raise SystemExit(f"{argv}: {process.stderr.read().decode()[-500:]}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def round_of(pid: int, port: int, seconds: float, core: int) -> dict[str, float]:
    """One round of load on one contestant."""
    before = cpu_s(pid)
    argv = ["-m", "tests.bench.load", str(port), str(_CONNECTIONS), str(seconds)]
    load = subprocess.Popen([sys.executable, *argv], cwd=_ROOT, stdout=subprocess.PIPE)
    os.sched_setaffinity(load.pid, {core})
    told = json.loads(load.communicate(timeout=seconds + 30)[0])
    if told["failed"]:
        raise SystemExit(f"requests failed: {told['failed']}")
    told["cpu_us"] = (cpu_s(pid) - before) / told["requests"] * 1e6
    return {name: float(value) for name, value in told.items() if name != "failed"}


def run(chosen: list[Contestant], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Interleaved rounds over all; the median of each figure."""
    cores = sorted(os.sched_getaffinity(0))
    contest, load = cores[0], cores[-1]
    results: dict[str, list[dict[str, float]]] = {each.name: [] for each in chosen}
    with contextlib.ExitStack() as stack:
        origin = free_port()
        argv = [sys.executable, "-m", "tests.bench.origin", str(origin)]
        stack.enter_context(started(argv, origin, load))
        up = []
        for each in chosen:
            port = free_port()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            pid = stack.enter_context(started(each.argv(port, origin, folder), port, contest))
            up.append((each, pid, port))
        for turn in range(rounds + 1):
            for each, pid, port in up:
                told = round_of(pid, port, seconds if turn else 0.5, load)
                kind = f"round {turn}/{rounds}" if turn else "warming up"
                print(
                    f"{kind}: {each.name}: {told['per_second']:,.0f}/s, {told['cpu_us']:.0f} µs",
                    flush=True,
                )
                if turn:
                    results[each.name].append(told)
    names = ("per_second", "cpu_us", "p50_ms", "p99_ms")
    return {
        name: {figure: statistics.median(each[figure] for each in told) for figure in names}
        for name, told in results.items()
    }


def page(results: dict[str, dict[str, float]], rounds: int, seconds: float) -> str:
    """docs/performance.md."""
    base = results[CONTESTANTS[0].name]
    shown = {each.name: each.shown for each in CONTESTANTS}
    lines = [
        "# What a request costs",
        "",
        "Written by `make bench`. Contestants share one core, load and origin the other; "
        f"{rounds} interleaved rounds of {seconds:g} s, the median of each figure. "
        f"{_CONNECTIONS} keep-alive connections, "
        "GET with an answer of 0.5 KB. CPU is the kernel's account of the contestant, user and system.",
        "",
        "| contestant | requests/s | of the facade's | CPU µs a request | of the facade's | p50 ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, told in results.items():
        lines.append(
            f"| {shown[name]} | {told['per_second']:,.0f} | {told['per_second'] / base['per_second']:.3f} "
            f"| {told['cpu_us']:,.0f} | {told['cpu_us'] / base['cpu_us']:.1f} "
            f"| {told['p50_ms']:.1f} | {told['p99_ms']:.1f} |"
        )
    lines += ["", _machine(), ""]
    return "\n".join(lines)


def _machine() -> str:
    versions = ", ".join(
        f"{name} {version(name)}"
        for name in ("uvicorn", "starlette", "httpx", "httptools", "uvloop")
    )
    python = platform.python_version()
    return f"Python {python}, {versions}; {os.cpu_count()} cores, {platform.machine()}, Linux."


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = [each.name for each in CONTESTANTS]
    parser.add_argument(
        "contestants", nargs="*", metavar="NAME", help=f"all, or some of {', '.join(names)}"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    told: Any = parser.parse_args(argv)
    if unknown := set(told.contestants) - set(names):
        parser.error(f"no such contestant: {', '.join(unknown)}")
    chosen = [each for each in CONTESTANTS if not told.contestants or each.name in told.contestants]
    results = run(chosen, told.rounds, told.seconds)
    if len(chosen) == len(CONTESTANTS):
        from tests.bench import matching, reload

        parts = [
            page(results, told.rounds, told.seconds),
            "## Finding the route\n",
            *matching.lines(),
            "\n## Swapping the table\n",
            *reload.lines(),
        ]
        (_ROOT / "docs" / "performance.md").write_text("\n".join(parts) + "\n")
        print("wrote docs/performance.md")


if __name__ == "__main__":
    main()
