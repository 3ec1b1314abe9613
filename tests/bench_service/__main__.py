"""Runs the contestants and writes docs/performance-service.md."""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import asyncpg
import httpx

from deploy.local import postgres
from flightspecial_service.infrastructure.migrations.migrator import migrate, own_scripts
from flightspecial_service.settings import DatabaseSettings, Secret
from tests.support import procfs

_ROOT = Path(__file__).parents[2]
_CONNECTIONS = 16
_QUESTIONS = (
    ("list of 11", "list", 11),
    ("list of 1,000", "list", 1_000),
    ("one special", "one", 11),
    ("header update", "header", 11),
)
_SHOWN = {
    "ours": "this service",
    "peer": "FastAPI + SQLAlchemy (asyncpg)",
    "floor": "floor: ready bytes + one query",
}
_FILL = """
INSERT INTO travelbuddy.flightspecial
    (header, body, origin, origin_code, destination, destination_code, cost, expiry_date)
SELECT 'London to Prague', 'Jewel of the East', 'London', 'LHR', 'Paris', 'CDG', 99,
       now() + make_interval(secs => number)
FROM generate_series(12, $1) AS number
"""
Figures = dict[str, float]


def address(database: DatabaseSettings, scheme: str = "postgresql") -> str:
    """The URL of the database."""
    login = f"{database.username}:{database.password.reveal()}"
    return f"{scheme}://{login}@{database.host}:{database.port}/{database.name}"


async def prepared(database: DatabaseSettings, rows: int) -> None:
    """A database of its own with so many specials."""
    maintenance = await asyncpg.connect(address(database).rpartition("/")[0] + "/postgres")
    await maintenance.execute(f"CREATE DATABASE {database.name}")
    await maintenance.close()
    await migrate(database, own_scripts())
    session = await asyncpg.connect(address(database))
    await session.execute(_FILL, rows)
    await session.close()


def command(name: str, port: int, database: DatabaseSettings) -> tuple[list[str], dict[str, str]]:
    """The command that starts a contestant."""
    if name == "ours":
        env = {
            "DB_HOST": database.host,
            "DB_PORT": str(database.port),
            "DB_USERNAME": database.username,
            "DB_PASSWORD": database.password.reveal(),
            "DB_DATABASE_NAME": database.name,
        }
        return ["-m", "flightspecial_service", "serve", "--port", str(port)], env
    scheme = "postgresql+asyncpg" if name == "peer" else "postgresql"
    return ["-m", f"tests.bench_service.{name}", str(port), address(database, scheme)], {}


@contextlib.contextmanager
def started(name: str, database: DatabaseSettings, core: int) -> Iterator[tuple[int, int, float]]:
    """A contestant pinned to a core: its pid, its port, and the seconds until its first response."""
    port = postgres.free_port()
    argv, env = command(name, port, database)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *argv],
        cwd=_ROOT,
        env={"PATH": os.environ["PATH"], **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.sched_setaffinity(process.pid, {core})
        while not _responds(port):
            if process.poll() is not None or time.monotonic() > began + 20:
                raise SystemExit(f"{name} does not respond")
            time.sleep(0.01)
        yield process.pid, port, time.monotonic() - began
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _responds(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/flightspecials/1").status_code == 200
    return False


def round_of(pid: int, port: int, question: str, seconds: float, core: int) -> Figures:
    """One round of load on one contestant."""
    before = procfs.cpu_s(pid)
    argv = ["-m", "tests.bench_service.load", str(port), str(_CONNECTIONS), str(seconds), question]
    load = subprocess.Popen([sys.executable, *argv], cwd=_ROOT, stdout=subprocess.PIPE)
    os.sched_setaffinity(load.pid, {core})
    figures = json.loads(load.communicate(timeout=seconds + 30)[0])
    if figures.pop("failed"):
        raise SystemExit(f"requests failed on port {port}")
    figures["cpu_us"] = (procfs.cpu_s(pid) - before) / figures["requests"] * 1e6
    return {name: float(value) for name, value in figures.items()}


def compared(
    databases: dict[int, DatabaseSettings], rounds: int, seconds: float
) -> tuple[dict[str, dict[str, Figures]], Figures]:
    """The medians of each contestant for each question, and the start time and memory of the service."""
    cores = sorted(os.sched_getaffinity(0))
    results: dict[str, dict[str, Figures]] = {}
    own: Figures = {}
    for shown, question, rows in _QUESTIONS:
        with contextlib.ExitStack() as stack:
            up = {
                name: stack.enter_context(started(name, databases[rows], cores[0]))
                for name in _SHOWN
            }
            own.setdefault("ready_s", up["ours"][2])
            rounds_of: dict[str, list[Figures]] = {name: [] for name in _SHOWN}
            for turn in range(rounds + 1):
                for name, (pid, port, _) in up.items():
                    figures = round_of(pid, port, question, seconds if turn else 0.5, cores[-1])
                    if turn:
                        rounds_of[name].append(figures)
                        rate, cost = figures["per_second"], figures["cpu_us"]
                        print(f"{shown}: {name}: {rate:,.0f}/s, {cost:,.0f} µs", flush=True)
            own["resident_mb"] = max(
                own.get("resident_mb", 0), procfs.resident_bytes(up["ours"][0]) / 1e6
            )
        results[shown] = {name: _medians(each) for name, each in rounds_of.items()}
    return results, own


def _medians(rounds: list[Figures]) -> Figures:
    return {figure: statistics.median(each[figure] for each in rounds) for figure in rounds[0]}


def page(results: dict[str, dict[str, Figures]], own: Figures, rounds: int, seconds: float) -> str:
    """docs/performance-service.md."""
    lines = [
        "# What a request to the service costs",
        "",
        "Written by `python -m tests.bench_service`. Contestants share one core; load and PostgreSQL have the "
        f"other. {rounds} interleaved rounds of {seconds:g} s, the median of each figure, "
        f"{_CONNECTIONS} keep-alive connections. CPU is the kernel's account of "
        "the contestant, user and system. "
        "The floor sends a prepared response, after one query: the row, the update, or, for a list, "
        "whether anything has changed. Ours is measured as it is shipped: metrics and request ids on.",
        "",
        "| question | contestant | requests/s | ours is faster by | CPU µs a request "
        "| of the floor's | p50 ms | p99 ms |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for question, contestants in results.items():
        ours, floor = contestants["ours"], contestants["floor"]
        for name, figures in contestants.items():
            lines.append(
                f"| {question} | {_SHOWN[name]} | {figures['per_second']:,.0f} "
                f"| {ours['per_second'] / figures['per_second']:.2f} | {figures['cpu_us']:,.0f} "
                f"| {figures['cpu_us'] / floor['cpu_us']:.2f} | {figures['p50_ms']:.1f} | {figures['p99_ms']:.1f} |"
            )
    start = f"Ready {own['ready_s']:.2f} s after its start (on the shared core)"
    lines += [
        "",
        f"{start}; {own['resident_mb']:.0f} MB resident after the load.",
        "",
        _machine(),
        "",
    ]
    return "\n".join(lines)


def _machine() -> str:
    names = ("uvicorn", "starlette", "asyncpg", "msgspec", "fastapi", "sqlalchemy", "uvloop")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    python = platform.python_version()
    return f"Python {python}, {versions}; {os.cpu_count()} cores, {platform.machine()}, Linux."


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        fast = {"fsync": "off", "synchronous_commit": "off"}
        with postgres.running(Path(folder) / "data", settings=fast) as server:
            databases = {}
            for rows in {rows for _, _, rows in _QUESTIONS}:
                password = Secret(server.password)
                databases[rows] = DatabaseSettings(
                    server.host, server.port, server.user, password, name=f"bench_{rows}"
                )
                asyncio.run(prepared(databases[rows], rows))
            results, own = compared(databases, options.rounds, options.seconds)
    target = _ROOT / "docs" / "performance-service.md"
    target.write_text(page(results, own, options.rounds, options.seconds))
    print(f"wrote {target.relative_to(_ROOT)}")


if __name__ == "__main__":
    main()
