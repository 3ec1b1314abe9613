"""The cost of finding a route, by the size of the table.

python -m tests.bench.matching              the figures of this checkout
python -m tests.bench.matching --beside DIR and those of another one, such as a worktree of an earlier commit
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from proxy.model import Facts, Route
from proxy.model.match import Match, PathMatch
from proxy.routing.match import Index, match

SIZES = (10, 100, 1_000, 10_000)
_ROUNDS = 21
_REQUESTS = 2_000


def table(size: int) -> list[Route]:
    """Prefixes, templates and exact paths below fifty services, and a catch-all."""
    kinds = ("prefix", "template", "exact")
    endings = {"prefix": "", "template": "/{id}", "exact": "/list"}
    routes = []
    for number in range(size - 1):
        kind = kinds[number % 3]
        path = f"/svc{number % 50}/v1/res{number}{endings[kind]}"
        routes.append(Route(f"r{number}", (Match(path=PathMatch(kind, path)),)))  # type: ignore[arg-type]
    return [*routes, Route("rest", (Match(),))]


def requests(size: int, seed: int) -> list[Facts]:
    """Requests: most match a specific route, each tenth the catch-all."""
    chance = random.Random(seed)
    found = []
    for turn in range(_REQUESTS):
        number = chance.randrange(size)
        path = f"/svc{number % 50}/v1/res{number}/" + ("list" if number % 3 == 2 else "7")
        raw = b"/other" if turn % 10 == 0 else path.encode()
        found.append(Facts("GET", b"bench.example", raw, b"", [], "192.0.2.1"))
    return found


def median_ns(index: Index, asked: Sequence[Facts]) -> float:
    """The median over rounds of the mean CPU time of one match, in nanoseconds."""
    took = []
    for _ in range(_ROUNDS):
        began = time.thread_time_ns()
        for facts in asked:
            match(index, facts)
        took.append((time.thread_time_ns() - began) / len(asked))
    return statistics.median(took)


def lines() -> list[str]:
    """A table of the figures, as Markdown."""
    found = []
    for size in SIZES:
        routes = table(size)
        began = time.perf_counter()
        index = Index(routes)
        built_ms = (time.perf_counter() - began) * 1000
        found.append((size, median_ns(index, requests(size, size)), built_ms))
    base = found[0][1]
    return [
        "| routes | ns a match | more than with 10 | index built in ms |",
        "| ---: | ---: | ---: | ---: |",
        *(
            f"| {size:,} | {ns:,.0f} | {ns - base:+,.0f} | {built:,.1f} |"
            for size, ns, built in found
        ),
    ]


def lines_of(checkout: Path) -> list[str]:
    """The same of another checkout, by its own bench, with the packages of this one."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", "tests.bench.matching"]
    run = subprocess.run(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return run.stdout.splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost of finding a route.")
    parser.add_argument("--beside", type=Path, metavar="DIR", help="another checkout to compare")
    beside: Path | None = parser.parse_args().beside
    print("\n".join(lines()))
    if beside is not None:
        print("\n".join((f"\n{beside}:\n", *lines_of(beside.resolve()))))


if __name__ == "__main__":
    main()
