"""Prints how often simulated rollouts are rolled back, and after how many requests. See `rollouts`."""

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.rollouts import FAILING, GOOD, MIN_REQUESTS, SLOW, Backend, Result, simulate

_CASES = (
    ("like the incumbent", GOOD),
    ("fails 2 per cent more", FAILING),
    ("1.5 times as slow", SLOW),
)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(
        f"the newcomer          rollouts  rolled back  requests: median, 95 %, most   within {3 * MIN_REQUESTS}"
    )
    with ProcessPoolExecutor(2) as pool:
        for name, backend in _CASES:
            count = runs if backend is GOOD else max(1, runs // 10)
            results = list(pool.map(partial(_run, backend), range(count), chunksize=20))
            print(_line(name, results), flush=True)


def _run(backend: Backend, seed: int) -> Result:
    return simulate(seed, backend)


def _line(name: str, results: Sequence[Result]) -> str:
    back = sorted(each.requests for each in results if each.rolled_back)
    head = f"{name:<21} {len(results):>9,} {len(back):>6,} ({100 * len(back) / len(results):.2f} %)"
    if not back:
        return head
    soon = sum(requests <= 3 * MIN_REQUESTS for requests in back)
    times = f"{back[len(back) // 2]:,}, {back[int(len(back) * 0.95)]:,}, {back[-1]:,}"
    return f"{head}   {times:<24} {100 * soon / len(results):.1f} %"


if __name__ == "__main__":
    main()
